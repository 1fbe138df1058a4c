"""The OCI image layout (image spec 1.1, image-layout.md) of a bundle: its index, and opening one to look inside.

index.json lists the releases, each under the first twelve digits of its digest, and the attachments; what we write is one
function of that list, so that a changed byte is seen. A layout that another tool copied has no attachments and no such form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject, NotCanonical, canonical_json, parse_object
from shipway.kernel.digest import Descriptor, Digest, DigestMalformed, short
from shipway.release._bundle import (
    BundleMalformed,
    Carried,
    Freight,
    Reader,
    check_depth,
    damaged_blob,
    missing_blob,
)
from shipway.release._layout_source import INDEX, LAYOUT, Files, open_folder
from shipway.release._layout_tar import open_tar
from shipway.release._manifest import RELEASE_TYPE

REF_NAME = "org.opencontainers.image.ref.name"
LAYOUT_BYTES = b'{"imageLayoutVersion":"1.0.0"}'


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose documents are read and hold together; the other blobs are there with their sizes, and not yet read.

    unnamed: blobs that nothing names, which an export that was cut short has left.
    """

    files: Files
    reader: Reader
    freights: tuple[Freight, ...]
    unnamed: tuple[Digest, ...] = ()

    def blobs(self) -> dict[Digest, tuple[Descriptor, str]]:
        """Every blob once, with what it is of."""
        return {blob.digest: (blob, label) for freight in self.freights for blob, label in freight.blobs()}

    def leaves(self) -> list[tuple[Descriptor, str]]:
        """The blobs that have not been read yet, in the order in which they are named."""
        return [(blob, label) for digest, (blob, label) in self.blobs().items() if digest not in self.reader.documents]


def index_bytes(freights: Iterable[Freight]) -> bytes:
    """index.json of a bundle."""
    releases: list[Json] = []
    attached: dict[Digest, JsonObject] = {}
    for freight in sorted(freights, key=lambda freight: freight.release.digest):
        tag: JsonObject = {REF_NAME: short(freight.release.digest)}
        releases.append({**freight.release.to_json(), "artifactType": RELEASE_TYPE, "annotations": tag})
        for carried in freight.carried:
            kind = carried.attachment.media_type
            attached[carried.manifest.digest] = {**carried.manifest.to_json(), "artifactType": kind}
    manifests = [*releases, *(attached[digest] for digest in sorted(attached))]
    return canonical_json({"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": manifests})


def open_bundle(path: Path) -> Bundle:
    """The bundle in a folder or a tar: every document read and checked, every blob there with its size.

    Raises BundleMalformed, BundleDamaged.
    """
    files = open_folder(path) if path.is_dir() else open_tar(path)
    if _object(files, LAYOUT) != parse_object(LAYOUT_BYTES):
        raise BundleMalformed("oci-layout is not that of an OCI image layout 1.0.0", where=files.where)
    reader = Reader(files)
    freights = _read_index(files, reader)
    bundle = Bundle(files, reader, freights, _unnamed(files, freights))
    _check_sizes(bundle)
    return bundle


def _read_index(files: Files, reader: Reader) -> tuple[Freight, ...]:
    index = _object(files, INDEX)
    entries = index.get("manifests")
    if index.get("schemaVersion") != 2 or not isinstance(entries, list) or not entries:
        raise BundleMalformed("index.json is no OCI image index, or an empty one", where=files.where)
    try:
        listed = [(Descriptor.from_json(entry), entry) for entry in entries]
    except DigestMalformed as problem:
        raise BundleMalformed(f"index.json: {problem.what}", where=files.where) from problem
    bare = [reader.release(found) for found, _ in listed if found.media_type == media.OCI_INDEX]
    attached = [reader.attachment(found) for found, _ in listed if found.media_type != media.OCI_INDEX]
    if not bare:
        raise BundleMalformed("index.json lists no release", where=files.where)
    freights = tuple(_with(freight, attached) for freight in bare)
    _check_attached(freights, attached, files.where)
    ours = any("artifactType" in entry for _, entry in listed if isinstance(entry, Mapping))
    if (ours or attached) and index_bytes(freights) != files.document(INDEX):
        raise BundleMalformed("index.json is not as Shipway writes it", where=files.where, mend="run the export again")
    return freights


def _object(files: Files, name: str) -> dict[str, Json]:
    try:
        value = parse_object(files.document(name))
    except NotCanonical as problem:
        raise BundleMalformed(f"{name} is no JSON object: {problem.what}", where=files.where) from problem
    check_depth(value, name, files.where)
    return value


def _with(freight: Freight, attached: list[tuple[Carried, Descriptor]]) -> Freight:
    fitting = [carried for carried, to in attached if to == freight.subject(carried.attachment.subject)]
    return Freight(freight.release, freight.parts, tuple(sorted(fitting, key=lambda carried: carried.manifest.digest)))


def _check_attached(freights: tuple[Freight, ...], attached: list[tuple[Carried, Descriptor]], where: str) -> None:
    found = {carried.manifest.digest for freight in freights for carried in freight.carried}
    for carried, to in attached:
        if carried.manifest.digest not in found:
            what = f"the attachment {short(carried.manifest.digest)} is of {short(to.digest)}, which is not in the bundle"
            raise BundleMalformed(what, where=where)


def _unnamed(files: Files, freights: tuple[Freight, ...]) -> tuple[Digest, ...]:
    named = {blob.digest for freight in freights for blob, _ in freight.blobs()}
    extra = tuple(sorted(set(files.blobs) - named))
    if extra and not files.unfinished:
        what = f"blobs/sha256/{extra[0].removeprefix('sha256:')} is named by nothing in the bundle"
        raise BundleMalformed(what, where=str(files.blobs[extra[0]].path), mend="remove it")
    return extra


def _check_sizes(bundle: Bundle) -> None:
    sizes: dict[Digest, int] = {}
    for freight in bundle.freights:
        for blob, label in freight.blobs():
            place = bundle.files.blobs.get(blob.digest)
            if place is None:
                raise missing_blob(bundle.files.where, blob.digest, label)
            if sizes.setdefault(blob.digest, blob.size) != blob.size:
                raise BundleMalformed(f"{label}: {blob.digest} has two sizes", where=bundle.files.where)
            if place.size != blob.size:
                raise damaged_blob(str(place.path), blob, label, found=blob.digest, size=place.size)
