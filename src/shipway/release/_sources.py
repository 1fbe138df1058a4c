"""What an object says itself that it was made from: every digest inside it, and the place where it stands.

An object can only name what existed before it, so these edges never make a circle.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple, cast

from shipway.gate import ANNOTATION
from shipway.kernel.canonical import Json, JsonObject, NotCanonical, parse_object
from shipway.kernel.digest import Digest, is_digest
from shipway.store import Edge, ObjectDamaged, ObjectMissing, Store

_LARGEST = 4 << 20  # bytes; an object of ours is smaller, and a leaf that is larger is not read to find out what it is
_NO_OBJECT = frozenset({"action", "commit"})  # keys whose digests name nothing in a store


class Thing(NamedTuple):
    """What a digest is: its kind in a word, and its record when it is a JSON object of ours."""

    kind: str
    record: JsonObject | None = None


def thing_at(store: Store, digest: Digest) -> Thing:
    """What the object of a digest is: `release`, `model`, `evidence`, ..., `bytes` for a leaf, `missing`, `damaged`."""
    size = store.objects.size(digest)
    if size is None:
        return Thing("missing")
    if size > _LARGEST:
        return Thing("bytes")
    try:
        data = store.objects.get(digest)
    except ObjectMissing:
        return Thing("missing")
    except ObjectDamaged:
        return Thing("damaged")
    if not data.startswith(b"{"):
        return Thing("bytes")
    with suppress(NotCanonical):
        record = parse_object(data)
        return Thing(_kind(record), record)
    return Thing("bytes")


def sources_of(digest: Digest, record: JsonObject) -> list[Edge]:
    """The edges to an object from all that it names; the role is where: `data.points`, `gateway.prices`.

    Those of a release are its components, those of evidence what it is about and what its predicate names.
    """
    if isinstance(record.get("manifests"), list):
        found = _components(record)
    elif "payload" in record and "signatures" in record:
        found = _named(statement_of(record), "")
    else:
        found = _named(record, "")
    return [Edge(source, digest, role) for source, role in dict.fromkeys(found) if source != digest]


def statement_of(envelope: JsonObject) -> JsonObject:
    """The statement in a DSSE envelope, unverified; empty when it is none."""
    try:
        return parse_object(base64.b64decode(str(envelope.get("payload")), validate=True))
    except (NotCanonical, ValueError):
        return {}


def subjects_of_statement(statement: JsonObject) -> list[Digest]:
    """What a statement says that it is about."""
    found, subjects = [], statement.get("subject")
    for entry in subjects if isinstance(subjects, list) else []:
        digests = entry.get("digest") if isinstance(entry, Mapping) else None
        digest = f"sha256:{digests.get('sha256')}" if isinstance(digests, Mapping) else ""
        found += [Digest(digest)] if is_digest(digest) else []
    return found


def _kind(record: JsonObject) -> str:
    if "kind" in record:
        return str(record["kind"])
    if isinstance(record.get("manifests"), list):
        return "release"
    if "payload" in record and "signatures" in record:
        return "evidence"
    return "manifest" if isinstance(record.get("layers"), list) else "bytes"


def _components(record: JsonObject) -> Iterator[tuple[Digest, str]]:
    for entry in cast("list[Mapping[str, Json]]", record["manifests"]):
        notes = entry.get("annotations")
        if isinstance(notes, Mapping) and is_digest(str(notes.get(ANNOTATION + "object"))):
            kind, name = (str(notes.get(ANNOTATION + key) or "") for key in ("kind", "name"))
            yield Digest(str(notes[ANNOTATION + "object"])), f"{kind}/{name}".rstrip("/")


def _named(value: Json, role: str) -> Iterator[tuple[Digest, str]]:
    if isinstance(value, str):
        if is_digest(value):
            yield Digest(value), role
    elif isinstance(value, Mapping):
        yield from _in_mapping(value, role)
    elif isinstance(value, list):
        for item in value:
            yield from _named(item, role)


def _in_mapping(value: JsonObject, role: str) -> Iterator[tuple[Digest, str]]:
    if isinstance(value.get("sha256"), str) and is_digest(f"sha256:{value['sha256']}"):  # in-toto's form
        yield Digest(f"sha256:{value['sha256']}"), role.removesuffix(".digest")
    for key, item in value.items():
        if key not in _NO_OBJECT:
            yield from _named(item, role if key == "digest" else f"{role}.{key}".lstrip("."))
