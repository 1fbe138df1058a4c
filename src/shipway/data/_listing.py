"""A snapshot of data in place: where they are and what is there, file by file, as an object. No byte of them, no time.

Nothing here looks at where the data are; `data/in_place` does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, cast

from shipway.data._errors import DataEmpty, DataUnreadable, NotHere
from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject, canonical_json, name_of_text, text_of_name
from shipway.kernel.digest import Descriptor, Digest, digest_bytes, parse_digest
from shipway.store import ObjectUnexpected, Store, TreeFile

BROUGHT = "brought"  # state rows: the tree of a snapshot's bytes that are here, by the snapshot
TABLES = frozenset({"delta", "iceberg"})  # forms whose files are Parquet, whatever they are called
_LISTING = media.media_type("listing")
_LONGEST = 255  # bytes of a name on the file systems of today


@dataclass(frozen=True, slots=True)
class Entry:
    """One file in place. path: as the files of the data set are called; at: where it is when that says not; size in bytes.

    tag: changes with its bytes; version: names them for ever; columns: values of columns that are in its path and not in it.
    """

    path: str
    size: int
    tag: str | None = None
    version: str | None = None
    at: str | None = None
    columns: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class InPlace:
    """What is in one place. form: `s3`, `delta`, `iceberg` or `lakefs`; at: the address, without credentials.

    version: of the table, or the commit; table: its own id; columns: the types of columns that stand in paths.
    """

    form: str
    at: str
    entries: tuple[Entry, ...]
    version: str | None = None
    table: str | None = None
    columns: tuple[tuple[str, str], ...] = ()

    @property
    def bytes(self) -> int:
        return sum(entry.size for entry in self.entries)

    def identity(self, entry: Entry) -> Digest:
        """Names the bytes of a file: equal ones are equal bytes. Of a table its version is not in it: files never change."""
        named = {"form": self.form, "at": self.at, "table": self.table, "file": _entry_json(entry)}
        return digest_bytes(canonical_json(cast("JsonObject", named)))


Beside = tuple[tuple[str, str, str | None], ...]
"""Of a file of a table, the columns that stand in its path and not in it: name, type as the table has it, value."""


def columns_beside(found: InPlace) -> dict[str, Beside]:
    """Of each file of a table that has such columns; of other data in place of none."""
    types, entries = dict(found.columns), found.entries if found.form in TABLES else ()
    return {
        entry.path: tuple((name, types.get(name, "string"), value) for name, value in entry.columns)
        for entry in entries
        if entry.columns
    }


class Put(NamedTuple):
    """A snapshot of data in place, and the bytes of its objects."""

    digest: Digest
    bytes: int


def put_in_place(store: Store, found: InPlace, *, name: str) -> Put:
    """Keep what is there; equal data in one place have one digest. Raises DataEmpty, DataUnreadable for what can be no file."""
    if not found.entries:
        raise DataEmpty(f"there is nothing of {name} at {found.at}", where=found.at, mend="correct the address under `from`")
    check_paths([entry.path for entry in found.entries], where=found.at)
    ordered = sorted(found.entries, key=lambda entry: os.fsencode(entry.path))
    listing = canonical_json({"kind": "listing", "version": 1, "files": [_entry_json(entry) for entry in ordered]})
    kept = store.put_bytes(listing, _LISTING)
    in_place: dict[str, Json] = {"form": found.form, "at": found.at}
    in_place |= {word: value for word in ("version", "table") if (value := getattr(found, word)) is not None}
    if found.columns:
        in_place["columns"] = [{"name": column, "type": kind} for column, kind in found.columns]
    snapshot: JsonObject = {
        "kind": "snapshot",
        "version": 1,
        "in_place": in_place,
        "listing": kept.to_json(),
        "files": len(ordered),
        "bytes": found.bytes,
    }
    return Put(store.put(snapshot), len(listing))


def read_in_place(store: Store, digest: Digest) -> InPlace | None:
    """What a snapshot says of data in place; None for one whose files are in the store. Raises ObjectUnexpected and so on."""
    record = store.get(digest, "snapshot")
    if "in_place" not in record:
        return None
    try:
        place = cast("Mapping[str, str]", record["in_place"])
        listing = store.get(Descriptor.from_json(record["listing"]).digest, "listing")
        entries = tuple(map(_entry, cast("list[Mapping[str, Json]]", listing["files"])))
        columns = cast("list[Mapping[str, str]]", cast("Mapping[str, Json]", record["in_place"]).get("columns") or [])
        found = InPlace(
            str(place["form"]),
            str(place["at"]),
            entries,
            version=place.get("version"),
            table=place.get("table"),
            columns=tuple((str(one["name"]), str(one["type"])) for one in columns),
        )
        if (len(entries), found.bytes) != (record["files"], record["bytes"]):
            raise ValueError("the totals are others")
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise ObjectUnexpected(f"{digest} is no snapshot of data in place that can be read", where=digest) from problem
    check_paths([entry.path for entry in entries], where=found.at)
    return found


def identities(found: InPlace) -> tuple[TreeFile, ...]:
    """The files with what names their bytes instead of a digest of these: enough to say which are equal."""
    return tuple(TreeFile(entry.path, found.identity(entry), entry.size, executable=False) for entry in found.entries)


def brought_root(store: Store, digest: Digest, record: JsonObject) -> Digest:
    """The tree of the bytes of data in place, where they were brought here. Raises NotHere."""
    row = store.state(BROUGHT, digest)
    root = parse_digest(str(row.value["root"])) if row else None
    if root is None or not store.objects.has(root):
        at = str(cast("Mapping[str, Json]", record["in_place"]).get("at"))
        what = f"the files of snapshot {digest} are in place at {at}, and not here"
        raise NotHere(what, where=at, mend="shipway data checkout NAME, or shipway data get SNAPSHOT, brings them")
    return root


def check_paths(paths: Iterable[str], *, where: str) -> None:
    """Raise DataUnreadable unless each path can be a file below a folder, all of them together.

    >>> check_paths(["a/b.parquet", "c"], where="s3://acme")
    """
    seen, folders = set[str](), set[str]()
    for path in paths:
        names = path.split("/")
        if any(name in ("", ".", "..") or "\0" in name or len(_bytes(name)) > _LONGEST for name in names):
            _refuse(f"{path[:200]!r} is a name that no file below a folder can have", where)
        if path in seen:
            _refuse(f"{path!r} is there twice", where)
        seen.add(path)
        folders.update("/".join(names[:depth]) for depth in range(1, len(names)))
    if both := sorted(seen & folders):
        _refuse(f"{both[0]!r} is a file and a folder at once", where)


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _refuse(what: str, where: str) -> None:
    raise DataUnreadable(what, where=where, mend="give it another name there, or name a prefix without it")


def _entry_json(entry: Entry) -> JsonObject:
    value: dict[str, Json] = {"path": text_of_name(os.fsencode(entry.path)), "size": entry.size}
    value |= {word: told for word in ("tag", "version", "at") if (told := getattr(entry, word)) is not None}
    if entry.columns:
        value["columns"] = dict(entry.columns)
    return value


def _entry(value: Mapping[str, Json]) -> Entry:
    size = value["size"]
    if not isinstance(size, int) or size < 0:
        raise ValueError("a size is a number of bytes")
    columns = cast("Mapping[str, str | None]", value.get("columns") or {})
    return Entry(
        os.fsdecode(name_of_text(str(value["path"]))),
        size,
        **{word: str(value[word]) for word in ("tag", "version", "at") if value.get(word) is not None},
        columns=tuple(sorted(columns.items())),
    )
