"""Rows that came, went and changed between two sets of files: the one comparison behind `plan`, `diff` and `data diff`.

Rows are compared by the 64-bit hashes of data/_row_hash.py: by the columns that name a row where there are such, otherwise as
a multiset. Two different rows count as one with a chance of about n²/2^65, for a million rows 3 in a hundred million.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Lock

import polars as pl

from shipway.data._errors import KeyMissing
from shipway.data._file_facts import FactsCache, FileFacts
from shipway.data._row_match import RowMatch, match_rows
from shipway.data._snapshot import object_file
from shipway.data._table import scan_of
from shipway.data._table_file import TableFile
from shipway.kernel.errors import ShipwayError
from shipway.store import Store, TreeFile

READ_BYTES = (
    256_000_000  # of files that differ and are not known: a few seconds; a plan then reads Parquet's own row counts alone
)
_BEYOND = "more than 256 MB differ, so rows were counted from Parquet's footers and not compared"
_WORKERS = 2
RowsRead = Callable[[int, int | None], None]
"""Called with the rows that are done and how many there are to read, None where that shows only at the end."""


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """A column that came (source None), went (target None) or has another type."""

    name: str
    source: str | None
    target: str | None


@dataclass(frozen=True, slots=True)
class RowsChange:
    """What differs between the rows of files that are not the same.

    before, after: rows in those files; added, removed, changed: None where rows were not compared, changed also where no key
    names a row; key: the columns that did; note: what was left out and why. repeated: rows of each side whose key another row
    of it has too: of one key equal rows belong together, and of the rest as many as both sides have are changed.
    """

    before: int | None = None
    after: int | None = None
    added: int | None = None
    removed: int | None = None
    changed: int | None = None
    key: tuple[str, ...] = ()
    columns: tuple[ColumnChange, ...] = ()
    note: str = ""
    repeated: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class Matched:
    """The rows of two sets of files, compared. shared: the columns by which; match: None where there was none.

    facts: of each file, the first ones' before the others'.
    """

    change: RowsChange
    shared: tuple[str, ...]
    match: RowMatch | None
    facts: tuple[FileFacts, ...]


def compare_rows(
    store: Store,
    removed: Sequence[TreeFile],
    added: Sequence[TreeFile],
    *,
    key: Sequence[str] = (),
    limit: int = READ_BYTES,
) -> RowsChange:
    """The rows of files that only the first snapshot has against those that only the second has; no other file is read.

    key: columns that name a row, if the data set has such. Files that were compared before are not read again. Never raises for
    what a file holds: what cannot be read is not compared, and the note says so.
    """
    try:
        before, after = (table_files(store, side) for side in (removed, added))
        if not before and not after:
            return RowsChange()
        cache = row_cache(store)
        sizes = {file.digest: file.size for file in (*removed, *added)}
        if sum(sizes[file.digest] for file in (*before, *after)) > limit:
            return _from_footers(before, after)
        return match_tables(before, after, key=key, cache=cache).change
    except (ShipwayError, OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as problem:
        why = problem.what if isinstance(problem, ShipwayError) else str(problem).partition("\n")[0]
        return RowsChange(note=f"rows were not compared: {why[:200]}")


def row_cache(store: Store) -> FactsCache:
    """Where a project keeps what it knows of the rows of its files."""
    return FactsCache(store.root / "cache" / "rows")


def table_files(store: Store, files: Sequence[TreeFile]) -> list[TableFile]:
    """The tables among these files. Raises ObjectMissing."""
    return [TableFile(file.path, object_file(store, file, name=file.path), file.digest) for file in files if scan_of(file.path)]


def match_tables(
    before: Sequence[TableFile],
    after: Sequence[TableFile],
    *,
    key: Sequence[str] = (),
    cache: FactsCache,
    must: bool = False,
    report: RowsRead | None = None,
) -> Matched:
    """All rows of the first files against all of the second. must: raise KeyMissing for a key that is not a column of both.

    Raises DataUnreadable.
    """
    schemas = _schema(before), _schema(after)
    whole = bool(before and after)
    columns = _column_changes(*schemas) if whole else ()
    shared = tuple(sorted(_shared(*schemas) if whole else [*schemas[0], *schemas[1]]))
    notes = [*_notes(before, after), *_left_out(schemas, shared, whole=whole)]
    if missing := [name for name in key if name not in shared]:
        if must:
            raise _key_missing(missing[0], schemas)
        key = () if whole else key
    known = [name for name in key if name in shared]
    facts = tuple(measure_files([*before, *after], shared or ("",), known, cache, report))
    signatures = [one.signature for one in facts]
    rows = [sum(len(one.keys) for one in side) for side in (signatures[: len(before)], signatures[len(before) :])]
    if whole and not shared:
        notes = ["no column is in both alike, so rows were not compared"]
        return Matched(RowsChange(rows[0], rows[1], columns=columns, note=notes[0]), (), None, facts)
    match = match_rows(signatures[: len(before)], signatures[len(before) :], keyed=bool(known))
    if any(match.repeated):
        notes.append(_repeated(known, match.repeated))
    change = RowsChange(
        before=match.before,
        after=match.after,
        added=len(match.added),
        removed=len(match.removed),
        changed=len(match.old) if known else None,
        key=tuple(known),
        columns=columns,
        note="; ".join(notes),
        repeated=match.repeated,
    )
    return Matched(change, shared, match, facts)


def measure_files(
    files: Sequence[TableFile],
    columns: Sequence[str],
    key: Sequence[str],
    cache: FactsCache,
    report: RowsRead | None = None,
) -> list[FileFacts]:
    """What is known of these files, in their order: two at once where there are two, else one by two hands."""
    unread = [file for file in files if not cache.knows(file, columns, key)] if report else []
    told = _counting(unread, report) if report and unread else None
    work = partial(cache.measure, columns=columns, key=key, threads=1 if len(files) > 1 else _WORKERS, report=told)
    with ThreadPoolExecutor(_WORKERS) as pool:
        facts = list(pool.map(work, files))
    if any(one.read for one in facts):
        cache.shrink()
    return facts


def _counting(files: Sequence[TableFile], report: RowsRead) -> Callable[[int], None]:
    """Told by several threads of so many rows more, it reports how many are done, and of how many where the files say so."""
    total = sum(file.rows for file in files) if _have_footers(files) else None
    done, lock = 0, Lock()

    def more(rows: int) -> None:
        nonlocal done
        with lock:
            done += rows
            report(done, total)

    more(0)
    return more


def _have_footers(files: Sequence[TableFile]) -> bool:
    """Whether all say at once how many rows they hold."""
    return all(file.name.lower().endswith((".parquet", ".pq")) for file in files)


def _schema(files: Sequence[TableFile]) -> dict[str, pl.DataType]:
    schema = dict[str, pl.DataType]()
    for file in files:
        for name, kind in file.schema.items():
            schema[name] = _wider(schema.get(name), kind)
    return schema


def _wider(known: pl.DataType | None, kind: pl.DataType) -> pl.DataType:
    """A type that holds both; text where nothing better does."""
    if known is None or known == kind or known == pl.Null:
        return kind
    if kind == pl.Null:
        return known
    return pl.Float64() if known.is_numeric() and kind.is_numeric() else pl.String()


def _column_changes(source: Mapping[str, pl.DataType], target: Mapping[str, pl.DataType]) -> tuple[ColumnChange, ...]:
    found = []
    for name in dict.fromkeys([*source, *target]):
        old, new = source.get(name), target.get(name)
        if (old != new and pl.Null not in (old, new)) or old is None or new is None:
            found.append(ColumnChange(name, str(old) if old else None, str(new) if new else None))
    return tuple(found)


def _shared(source: Mapping[str, pl.DataType], target: Mapping[str, pl.DataType]) -> list[str]:
    """Columns of both whose values can be equal."""
    return [name for name in source if name in target and _alike(source[name], target[name])]


def _alike(one: pl.DataType, other: pl.DataType) -> bool:
    if one == other or pl.Null in (one, other):
        return True
    texts = (pl.String, pl.Categorical, pl.Enum)
    if one in texts or other in texts:
        return one in texts and other in texts
    numbers = [kind.is_integer() or kind.is_float() for kind in (one, other)]
    if isinstance(one, pl.Datetime) and isinstance(other, pl.Datetime):
        return bool(one.time_zone) == bool(other.time_zone)
    return all(numbers) or type(one) is type(other)


def _left_out(
    schemas: tuple[Mapping[str, pl.DataType], Mapping[str, pl.DataType]], shared: Sequence[str], *, whole: bool
) -> list[str]:
    if not whole or set(shared) == set(schemas[0]) | set(schemas[1]):
        return []
    alike = f"{len(shared)} column{'' if len(shared) == 1 else 's'}"
    return [f"rows were compared by the {alike} that both have alike"]


def _notes(before: Sequence[TableFile], after: Sequence[TableFile]) -> list[str]:
    """Where the files of one side differ in columns or types among themselves."""
    found = []
    for side in (before, after):
        first = side[0] if side else None
        for file in side[1:]:
            assert first is not None
            if odd := sorted(first.schema.keys() ^ file.schema.keys()):
                found.append(f"{file.name} and {first.name} differ in columns ({', '.join(odd[:3])}); what one has not is null")
            elif mixed := [name for name in first.schema if not _alike(first.schema[name], file.schema[name])]:
                name = mixed[0]
                found.append(f"{name} is {file.schema[name]} in {file.name} and {first.schema[name]} in {first.name}")
            if len(found) == 3:
                return found
    return found


def _repeated(key: Sequence[str], rows: tuple[int, int]) -> str:
    return (
        f"{', '.join(key)} names several rows ({rows[0]:,} rows before, {rows[1]:,} after): of one key equal rows belong"
        " together, and of the rest as many as both have are changed"
    )


def _key_missing(name: str, schemas: tuple[Mapping[str, pl.DataType], Mapping[str, pl.DataType]]) -> KeyMissing:
    sides = [side for side, schema in zip(("before", "after"), schemas, strict=True) if name not in schema]
    there = ", ".join(sorted(set(schemas[0]) & set(schemas[1]))[:10])
    what = f"column {name} is not there {' and '.join(sides)}" if sides else f"column {name} has another type before than after"
    return KeyMissing(f"{what}, so it names no row", where=name, mend=f"--key with some of: {there}")


def _from_footers(before: Sequence[TableFile], after: Sequence[TableFile]) -> RowsChange:
    if not _have_footers((*before, *after)):
        return RowsChange(note="more than 256 MB differ, and not all of it is Parquet, so rows were not compared")
    columns = _column_changes(_schema(before), _schema(after)) if before and after else ()
    counts = [sum(file.rows for file in side) for side in (before, after)]
    return RowsChange(counts[0], counts[1], columns=columns, note=_BEYOND)
