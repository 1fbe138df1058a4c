"""Which objects of a store are needed: all that rows, and objects that are no data, name on whatever way.

An object is taken to name whatever stands in it as 64 hexadecimal digits: rather one too many than one too few.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

from shipway.kernel.canonical import Json, JsonObject, NotCanonical, parse_object
from shipway.kernel.digest import Descriptor, Digest, DigestMalformed
from shipway.store import ObjectDamaged, ObjectMissing, Objects, ObjectUnexpected, read_node

_DIGITS = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_SMALL = 4 << 20  # bytes up to which an object is hashed to see that it is a leaf, and not an object with a damaged beginning


class Data(NamedTuple):
    """Objects of data that nobody needs: files with their sizes, trees with those below them, snapshots with their trees."""

    files: dict[Digest, int]
    trees: dict[Digest, tuple[Digest, ...]]
    snapshots: dict[Digest, Digest]


class Needed:
    """The objects that were reached so far, each looked at once."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._opened: set[Digest] = set()
        self._files: set[Digest] = set()  # of trees: their bytes name nothing

    def __contains__(self, digest: Digest) -> bool:
        return digest in self._opened or digest in self._files

    def follow(self, roots: Iterable[Digest]) -> None:
        """Reach these and all that they name. A root that is not here is elsewhere, or the hash of something else.

        Raises ObjectMissing and ObjectDamaged where something that is reached cannot be read: what it names is unknown.
        """
        waiting = list(self._here(roots))
        while waiting:
            digest = waiting.pop()
            if digest not in self._opened:
                self._opened.add(digest)
                waiting += self._named(read_json(self._objects, digest))

    def _named(self, data: bytes) -> list[Digest]:
        """What an object names; of a tree its folders, as its files name nothing. No data: a leaf."""
        record = _record(data)
        if _is(record, "tree"):
            node = read_node(data)
            self._files.update(file.digest for file in node.files)
            found = [folder.digest for folder in node.folders.values()]
        elif _is(record, "snapshot"):
            found = [_root(record)]
        elif _is(record, "listing"):  # what stands there is elsewhere
            found = []
        else:
            return list(self._here(digests_in(data, record)))
        for digest in found:
            if self._objects.size(digest) is None:
                what = f"a list of files is missing, so that what it names cannot be known: no object {digest}"
                raise ObjectMissing(what, where=self._objects.where, mend="restore it from a backup, or pull the snapshot")
        return found

    def _here(self, digests: Iterable[Digest]) -> Iterator[Digest]:
        return (digest for digest in digests if digest not in self._opened and self._objects.size(digest) is not None)


def read_json(objects: Objects, digest: Digest) -> bytes:
    """The bytes of an object that begins as JSON with keys, verified; empty for a leaf. Raises ObjectMissing, ObjectDamaged."""
    if (objects.size(digest) or 0) > _SMALL and not next(iter(objects.read(digest)), b"").startswith(b"{"):
        return b""
    data = objects.get(digest)
    return data if data.startswith(b"{") else b""


def digests_in(data: bytes, record: JsonObject) -> list[Digest]:
    """Every digest that stands in an object, also in the payload of an envelope.

    But for where a verdict says that a ref was to go: the ref's history tells whether that is kept.
    """
    if record.get("kind") == "verdict":
        data = json.dumps({name: value for name, value in record.items() if name not in ("from", "to")}).encode()
    with suppress(ValueError):
        data += b" " + base64.b64decode(str(record.get("payload") or ""))
    return [Digest(f"sha256:{one.decode()}") for one in dict.fromkeys(_DIGITS.findall(data))]


def find_data(objects: Objects, needed: Needed) -> Data:
    """The objects of data that nobody needs, after all other objects have been followed: logs may name them, or a person.

    What nothing says that it is data, such as what a killed snapshot has left, is not among them.
    """
    named: set[Digest] = set()
    trees: dict[Digest, tuple[Digest, ...]] = {}
    snapshots: dict[Digest, Digest] = {}
    others: list[Digest] = []
    for digest in objects.all():
        if digest in needed:
            continue
        with suppress(ObjectDamaged, ObjectMissing):  # what cannot be read is nothing that is known to be data
            data = read_json(objects, digest)
            record = _record(data)
            if _is(record, "tree"):
                node = read_node(data)
                named.update(file.digest for file in node.files)
                trees[digest] = tuple(folder.digest for folder in node.folders.values())
            elif _is(record, "snapshot"):
                snapshots[digest] = _root(record)
            elif _is(record, "listing"):
                trees[digest] = ()
            elif _is_ours(record):
                others.append(digest)
    needed.follow(others)
    sizes = {digest: objects.size(digest) for digest in named if digest not in needed}
    return Data(
        {digest: size for digest, size in sizes.items() if size is not None},
        {digest: below for digest, below in trees.items() if digest not in needed},
        {digest: root for digest, root in snapshots.items() if digest not in needed},
    )


def _record(data: bytes) -> JsonObject:
    """The object in these bytes; empty for what is none that can be read, whose digits are taken all the same."""
    with suppress(NotCanonical):
        return parse_object(data) if data else {}
    return {}


def _is(record: JsonObject, kind: str) -> bool:
    return (record.get("kind"), record.get("version")) == (kind, 1)


def _is_ours(record: JsonObject) -> bool:
    return {"kind", "version"} <= record.keys() or "schemaVersion" in record or {"payload", "signatures"} <= record.keys()


def _root(record: JsonObject) -> Digest:
    """A snapshot's tree, or the listing of one of data in place. Raises ObjectUnexpected."""
    root: Json = record.get("listing" if "in_place" in record else "root")
    with suppress(DigestMalformed, KeyError, TypeError, ValueError):
        if isinstance(root, Mapping):
            return Descriptor.from_json(root).digest
    raise ObjectUnexpected("a snapshot does not say its tree")
