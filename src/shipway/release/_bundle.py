"""What a bundle holds: releases with all their bytes, and what is attached to them; read from anywhere, believing nothing.

A document (index, manifest, object, folder node) is taken only when its bytes have the digest and the size that the document
before it says, and a component's manifest only when it is the one that its object makes. Where the bytes are is the business
of a Source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar, cast

from shipway.gate import ANNOTATION
from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject, NotCanonical, canonical_json, parse_object
from shipway.kernel.digest import Descriptor, Digest, DigestMalformed, digest_bytes, parse_digest, short
from shipway.kernel.errors import ShipwayError
from shipway.release._attachment import CREATED, EMPTY, Attachment, attachment_manifest
from shipway.release._manifest import (
    RELEASE_TYPE,
    Component,
    config_type,
    is_plain,
    manifest_of,
    object_kind,
    reach_from,
    walk_nodes,
)
from shipway.store import ObjectUnexpected

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")
MAX_DOCUMENT = 64 << 20  # bytes of one JSON document: a component of 300,000 files has a manifest of that size
MAX_DOCUMENTS = 1 << 30  # bytes of all of them, which are held in memory
MAX_DEPTH = 64  # of JSON in JSON; ours is at most 12 deep
MAX_BLOBS = 2_000_000
KINDS = frozenset({"code", "data", "environment", "index", "model", "pipeline", "profile", "prompt", "provider"})
OWN = "application/vnd.shipway."
WHEELS = media.media_type("wheels")
RECORDS = frozenset({media.media_type(kind) for kind in ("policy", "verdict", "deployment", "contract", "goldenset")})
"""Objects that travel as attachments: what judged the release, and what it was judged for."""


class BundleMalformed(ShipwayError):
    """A bundle that is not made as bundles are: somebody's mistake, or an attack."""

    code = "release.bundle-malformed"


class BundleDamaged(ShipwayError):
    """Bytes of a bundle are missing, or are not those that their name says."""

    code = "release.bundle-damaged"


class Source(Protocol):
    """Where the bytes of a bundle are; says nothing of whether they are right."""

    @property
    def where(self) -> str: ...

    def read(self, wanted: Descriptor) -> bytes:
        """At most one byte more than `wanted.size`. Raises BundleDamaged when there is no such blob."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """A component with the descriptors of its manifest, its object and everything that it reaches."""

    component: Component
    manifest: Descriptor
    config: Descriptor
    layers: tuple[Descriptor, ...]

    @property
    def label(self) -> str:
        return f"{self.component.kind} {self.component.name}".rstrip()


@dataclass(frozen=True, slots=True)
class Carried:
    """An attachment with the descriptor of the manifest that carries it."""

    attachment: Attachment
    manifest: Descriptor


@dataclass(frozen=True, slots=True)
class Freight:
    """One release in a bundle and what is attached to it."""

    release: Descriptor
    parts: tuple[Part, ...]
    carried: tuple[Carried, ...] = ()

    def blobs(self) -> Iterator[tuple[Descriptor, str]]:
        """Every blob with what it is of, in words."""
        yield self.release, "release"
        for part in self.parts:
            yield part.manifest, f"manifest of {part.label}"
            yield part.config, part.label
            yield from ((layer, part.label) for layer in part.layers)
        for carried in self.carried:
            yield EMPTY, "empty"
            yield carried.manifest, f"manifest of {carried.attachment.name}"
            yield from ((blob, carried.attachment.name) for blob in (carried.attachment.data, *carried.attachment.more))

    def subject(self, digest: Digest) -> Descriptor:
        """The manifest that stands for a digest: that of the component whose object it is, else the release's index."""
        return next((part.manifest for part in self.parts if part.component.digest == digest), self.release)


class Reader:
    """Reads documents from a source, each once, and holds them."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.documents: dict[Digest, bytes] = {}
        self._held = 0

    def fetch(self, wanted: Descriptor) -> bytes:
        """The bytes of a document. Raises BundleDamaged, BundleMalformed."""
        known = self.documents.get(wanted.digest)
        data = self._read(wanted) if known is None else known
        if len(data) != wanted.size:
            raise BundleDamaged(f"{wanted.digest} has not the size of {wanted.size} bytes", where=self.source.where)
        return data

    def _read(self, wanted: Descriptor) -> bytes:
        self._held += wanted.size
        if wanted.size > MAX_DOCUMENT or self._held > MAX_DOCUMENTS:
            raise self.malformed(f"the document {short(wanted.digest)} is said to be {wanted.size:,} bytes, too many to be one")
        data = self.source.read(wanted)
        if len(data) != wanted.size or digest_bytes(data) != wanted.digest:
            raise damaged_blob(self.source.where, wanted, "a document", found=digest_bytes(data), size=len(data))
        self.documents[wanted.digest] = data
        return data

    def release(self, entry: Descriptor) -> Freight:
        """The release whose index this is, without attachments. Raises BundleDamaged, BundleMalformed."""
        index = self._json(entry, "the index of the release")
        if index.get("artifactType") != RELEASE_TYPE or index.get("mediaType") != media.OCI_INDEX:
            what = f"{entry.digest} is no release: its artifact type is {index.get('artifactType')!r}"
            raise self.malformed(what, "if another tool copied it and left that out: shipway release export, push or pull")
        self._exactly(index, {"schemaVersion": 2, "mediaType": media.OCI_INDEX, "artifactType": RELEASE_TYPE}, "manifests")
        listed = index["manifests"]
        if not isinstance(listed, list) or not listed:
            raise self.malformed(f"the release {short(entry.digest)} lists no components")
        parts = tuple(self._told(self._part, item, f"release {short(entry.digest)}") for item in listed)
        order = [part.component for part in parts]
        if order != sorted({(c.kind, c.name): c for c in order}.values()):
            raise self.malformed(f"the components of {short(entry.digest)} are not in order, or one comes twice")
        return Freight(entry, parts)

    def attachment(self, entry: Descriptor) -> tuple[Carried, Descriptor]:
        """An attachment, and the descriptor of what it is attached to."""
        return self._told(self._attachment, entry, f"attachment {short(entry.digest)}")

    def record(self, wanted: Descriptor) -> dict[str, Json]:
        """A document that has been read, as JSON."""
        return parse_object(self.documents[wanted.digest])

    def malformed(self, what: str, mend: str = "get the bundle again from whoever made it") -> BundleMalformed:
        return BundleMalformed(what, where=self.source.where, mend=mend)

    def _part(self, item: Json) -> Part:
        entry, record = Descriptor.from_json(item), cast("Mapping[str, Json]", item)
        notes = _texts(record.get("annotations"))
        component = Component(
            notes[ANNOTATION + "kind"], notes[ANNOTATION + "name"], parse_digest(notes[ANNOTATION + "object"])
        )
        label = f"{component.kind} {component.name}".rstrip()
        if component.kind not in KINDS:
            raise self.malformed(f"the release holds a {label!r}, a kind that is unknown here", "upgrade Shipway")
        if not is_plain(component.name):
            raise self.malformed(f"the release holds a {component.kind} named {component.name[:60]!r}, which is no name")
        manifest = self._json(entry, f"the manifest of {label}")
        config = Descriptor.from_json(manifest.get("config"))
        self._check_object(component, config, label)
        made = canonical_json(manifest_of(self.fetch, component.kind, config))
        whole: JsonObject = {
            **entry.to_json(),
            "artifactType": config.media_type,
            "annotations": {key: notes[key] for key in (ANNOTATION + "kind", ANNOTATION + "name", ANNOTATION + "object")},
        }
        if entry.media_type != media.OCI_MANIFEST or made != self.documents[entry.digest] or record != whole:
            raise self.malformed(f"the manifest of {label} is not the one that its object makes")
        layers = tuple(Descriptor.from_json(layer) for layer in cast("list[Json]", manifest["layers"]))
        return Part(component, entry, config, layers)

    def _check_object(self, component: Component, config: Descriptor, label: str) -> None:
        if config.digest != component.digest or config.media_type != config_type(component.kind):
            raise self.malformed(f"the manifest of {label} is of another object: {config.media_type} {short(config.digest)}")
        record = self._json(config, label)
        if (record.get("kind"), record.get("version")) != (object_kind(component.kind), 1):
            what = f"the object of {label} is a {record.get('kind')!r} of version {record.get('version')!r}"
            raise self.malformed(what, "upgrade Shipway, if it was made by a newer one")
        if component.kind == "data":
            self._check_totals(record, label)

    def _check_totals(self, record: JsonObject, label: str) -> None:
        """Folders may stand in many places, so a small tree can stand for endless files; a snapshot says how many it has."""
        if "in_place" in record:  # the bytes are elsewhere, and its listing is one blob
            return
        root = Descriptor.from_json(record.get("root"))
        files = _count_files(self.fetch, root)
        if files != record.get("files"):
            raise self.malformed(f"{label} says that it has {record.get('files')} files, and has {files}")

    def _attachment(self, entry: Descriptor) -> tuple[Carried, Descriptor]:
        manifest = self._json(entry, "the manifest of an attachment")
        if entry.media_type != media.OCI_MANIFEST:
            raise self.malformed(f"the attachment {short(entry.digest)} is listed as {entry.media_type}")
        layers = manifest.get("layers")
        if Descriptor.from_json(manifest.get("config")) != EMPTY or not isinstance(layers, list) or not layers:
            raise self.malformed(f"the attachment {short(entry.digest)} has no layer, or not the empty configuration")
        self.fetch(EMPTY)
        kind, notes = manifest.get("artifactType"), _texts(manifest.get("annotations"))
        if not isinstance(kind, str) or (kind.startswith(OWN) and not _is_known(kind)):
            raise self.malformed(
                f"the attachment {short(entry.digest)} is a {kind!r}, which is unknown here", "upgrade Shipway"
            )
        name, subject = notes[ANNOTATION + "name"], parse_digest(notes[ANNOTATION + "subject"])
        if not name.isprintable():
            raise self.malformed(f"the attachment {short(entry.digest)} is named {name[:60]!r}, which is no name")
        data, *more = (Descriptor.from_json(layer) for layer in layers)
        made = Attachment(subject, kind, name, data, notes.get(CREATED, ""), tuple(more))
        if kind in (media.DSSE, RELEASE_TYPE, WHEELS) or kind in RECORDS:
            self._check_record(made)
        named = tuple(reach_from(self.fetch, data)) if kind == WHEELS else ()
        if made.more != named:
            raise self.malformed(f"the attachment {name} does not hold what its object names, and that alone")
        to = Descriptor.from_json(manifest.get("subject"))
        if attachment_manifest(made, to) != self.documents[entry.digest]:
            raise self.malformed(f"the manifest of the attachment {short(entry.digest)} is not as Shipway writes it")
        return Carried(made, entry), to

    def _check_record(self, made: Attachment) -> None:
        """Statements and records are documents: what they say is asked for, and they are of the kind that they are named."""
        if made.data.media_type != made.media_type:
            raise self.malformed(f"the attachment {made.name} is a {made.data.media_type}, not a {made.media_type}")
        record = self._json(made.data, f"the attachment {made.name}")
        if made.media_type in RECORDS and made.media_type != media.media_type(str(record.get("kind"))):
            raise self.malformed(f"the attachment {made.name} holds a {record.get('kind')!r}, not a {made.media_type}")

    def _json(self, wanted: Descriptor, what: str) -> dict[str, Json]:
        try:
            value = parse_object(self.fetch(wanted))
        except NotCanonical as problem:
            raise self.malformed(f"{what} ({short(wanted.digest)}) is no JSON object: {problem.what}") from problem
        check_depth(value, f"{what} ({short(wanted.digest)})", self.source.where)
        return value

    def _exactly(self, record: JsonObject, fixed: JsonObject, more: str) -> None:
        if {key: value for key, value in record.items() if key != more} != fixed or more not in record:
            raise self.malformed("the index of the release has other fields than those of a release")

    def _told(self, work: Callable[[_Item], _Made], item: _Item, label: str) -> _Made:
        """Whatever is wrong with a shape, as one error that names the entry."""
        try:
            return work(item)
        except (KeyError, TypeError, ValueError, RecursionError, DigestMalformed, NotCanonical, ObjectUnexpected) as problem:
            said = problem.what if isinstance(problem, ShipwayError) else f"{type(problem).__name__} {problem}"
            raise self.malformed(f"{label}: {said}") from problem


def check_depth(value: Json, what: str, where: str) -> None:
    """Raises BundleMalformed for JSON that nothing of ours is deep enough to be."""
    level: list[Json] = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise BundleMalformed(f"{what} is JSON of more than {MAX_DEPTH} levels", where=where)


def missing_blob(where: str, digest: Digest, label: str = "") -> BundleDamaged:
    what = f"{label} is not whole: the blob {digest} is missing" if label else f"the blob {digest} is missing"
    return BundleDamaged(what, where=where, mend="get the bundle again, or run the export again")


def damaged_blob(where: str, wanted: Descriptor, label: str, *, found: Digest, size: int) -> BundleDamaged:
    """The error for bytes that are not what their name says."""
    if size != wanted.size:
        what = f"{label} is damaged: {short(wanted.digest)} has {size:,} bytes, not {wanted.size:,}"
    else:
        what = f"{label} is damaged: its content is {found}, not {wanted.digest}"
    return BundleDamaged(what, where=where, mend="get the bundle again from whoever made it")


def _is_known(kind: str) -> bool:
    return kind in (RELEASE_TYPE, WHEELS) or kind in RECORDS


def _inside(value: Json) -> list[Json]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list) else []


def _texts(value: Json) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(text, str) for text in value.values()):
        raise DigestMalformed("annotations are an object of texts")
    return {key: str(text) for key, text in value.items()}


def _count_files(fetch: Callable[[Descriptor], bytes], root: Descriptor) -> int:
    nodes = {descriptor.digest: node for descriptor, node in walk_nodes(fetch, root)}
    counts: dict[Digest, int] = {}
    waiting = [root.digest]
    while waiting:  # children first, without recursion: a hostile tree may be deeper than Python's stack
        digest = waiting[-1]
        if digest in counts:
            waiting.pop()
            continue
        below = [folder.digest for folder in nodes[digest].folders.values()]
        missing = {child for child in below if child not in counts}
        if missing:
            waiting += missing
        else:
            counts[digest] = len(nodes[digest].files) + sum(counts[child] for child in below)
            waiting.pop()
    return counts[root.digest]
