"""Rows that came, went and changed between two snapshots, counted from the files that differ.

Rows are compared by 64-bit hashes: by the columns that name a row where there are such, otherwise as a multiset. Two different
rows count as one with a chance of about n²/2^65, for a million rows 3 in a hundred million.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from shipway.data._snapshot import object_file
from shipway.data._table import Scan, scan_of
from shipway.kernel.errors import ShipwayError
from shipway.store import Store, TreeFile

READ_BYTES = 256_000_000  # of files that differ: a few seconds; beyond it only Parquet's own row counts are read
_BEYOND = "more than 256 MB differ, so rows were counted from Parquet's footers and not compared"


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
    names a row; key: the columns that did; note: what was left out and why.
    """

    before: int | None = None
    after: int | None = None
    added: int | None = None
    removed: int | None = None
    changed: int | None = None
    key: tuple[str, ...] = ()
    columns: tuple[ColumnChange, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Side:
    """The tables among the files of one snapshot that the other has not."""

    tables: tuple[tuple[Scan, Path], ...]
    schema: dict[str, pl.DataType]


def compare_rows(
    store: Store,
    removed: Sequence[TreeFile],
    added: Sequence[TreeFile],
    *,
    key: Sequence[str] = (),
    limit: int = READ_BYTES,
) -> RowsChange:
    """The rows of files that only the first snapshot has against those that only the second has; no other file is read.

    key: columns that name a row, if the data set has such; where they do not, rows count as a multiset. Never raises for
    what a file holds: what cannot be read is not compared, and the note says so.
    """
    gone, come = ([file for file in side if scan_of(file.path)] for side in (removed, added))
    if not gone and not come:
        return RowsChange()
    try:
        if sum(file.size for file in (*gone, *come)) > limit:
            return _from_footers(store, gone, come)
        return _compare(_side(store, gone), _side(store, come), tuple(key))
    except (ShipwayError, OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as problem:
        why = problem.what if isinstance(problem, ShipwayError) else str(problem).partition("\n")[0]
        return RowsChange(note=f"rows were not compared: {why[:200]}")


def _side(store: Store, files: Sequence[TreeFile]) -> _Side:
    tables, schema = [], dict[str, pl.DataType]()
    for file in files:
        scan, path = scan_of(file.path), object_file(store, file, name=file.path)
        assert scan is not None
        tables.append((scan, path))
        for name, kind in scan([path]).collect_schema().items():
            schema[name] = _wider(schema.get(name), kind)
    return _Side(tuple(tables), schema)


def _wider(known: pl.DataType | None, kind: pl.DataType) -> pl.DataType:
    """A type that holds both; text where nothing better does."""
    if known is None or known == kind or known == pl.Null:
        return kind
    if kind == pl.Null:
        return known
    return pl.Float64() if known.is_numeric() and kind.is_numeric() else pl.String()


def _compare(source: _Side, target: _Side, key: tuple[str, ...]) -> RowsChange:
    columns = _column_changes(source, target) if source.tables and target.tables else ()
    known = source.schema if not target.tables else target.schema
    odd = {column.name for column in columns}
    shared = [name for name in known if name not in odd]
    kinds = {name: known[name] for name in shared}
    alike = f"{len(shared)} column{'' if len(shared) == 1 else 's'}"
    note = f"rows were compared by the {alike} that both have alike" if columns else ""
    if not shared:
        before, after = (_count(side) for side in (source, target))
        return RowsChange(before, after, columns=columns, note="no column is in both alike, so rows were not compared")
    if key and set(key) <= set(shared):
        found = _by_key(_hashes(source, kinds, key), _hashes(target, kinds, key), columns, key, note)
        if found:
            return found
        note = f"{', '.join(key)} names several rows, so rows were compared whole"
    return _by_row(_hashes(source, kinds, ()), _hashes(target, kinds, ()), columns, note)


def _column_changes(source: _Side, target: _Side) -> tuple[ColumnChange, ...]:
    found = []
    for name in dict.fromkeys([*source.schema, *target.schema]):
        old, new = source.schema.get(name), target.schema.get(name)
        if (old != new and pl.Null not in (old, new)) or old is None or new is None:
            found.append(ColumnChange(name, str(old) if old else None, str(new) if new else None))
    return tuple(found)


def _hashes(side: _Side, kinds: dict[str, pl.DataType], key: tuple[str, ...]) -> pl.DataFrame:
    """A row for each row: its hash, and that of its key where one is asked for. Files are read one after the other."""
    columns = [pl.col(name).cast(_hashable(kind), strict=False).alias(name) for name, kind in kinds.items()]
    wanted = [pl.struct(columns).hash(0).alias("row")]
    if key:
        wanted.append(
            pl.struct([column for name, column in zip(kinds, columns, strict=True) if name in key]).hash(1).alias("key")
        )
    frames = [scan([path]).select(wanted).collect(engine="streaming") for scan, path in side.tables]
    names = ("row", "key") if key else ("row",)
    return pl.concat(frames) if frames else pl.DataFrame(schema=dict.fromkeys(names, pl.UInt64))


def _hashable(kind: pl.DataType) -> pl.DataType:
    """Codes of categories are those of one file."""
    return pl.String() if kind in (pl.Categorical, pl.Enum) else kind


def _by_key(
    source: pl.DataFrame, target: pl.DataFrame, columns: tuple[ColumnChange, ...], key: tuple[str, ...], note: str
) -> RowsChange | None:
    """None where two rows have one key: it names nothing then."""
    if any(side["key"].n_unique() != side.height for side in (source, target)):
        return None
    both = source.join(target, on="key", suffix="_after")
    return RowsChange(
        before=source.height,
        after=target.height,
        added=target.height - both.height,
        removed=source.height - both.height,
        changed=both.filter(pl.col("row") != pl.col("row_after")).height,
        key=key,
        columns=columns,
        note=note,
    )


def _by_row(source: pl.DataFrame, target: pl.DataFrame, columns: tuple[ColumnChange, ...], note: str) -> RowsChange:
    before, after = (side.group_by("row").len() for side in (source, target))
    both = before.join(after, on="row", suffix="_after")
    kept = int(both.select(pl.min_horizontal("len", "len_after").sum()).item())
    added, removed = target.height - kept, source.height - kept
    return RowsChange(source.height, target.height, added, removed, columns=columns, note=note)


def _count(side: _Side) -> int:
    return sum(int(scan([path]).select(pl.len()).collect().item()) for scan, path in side.tables)


def _from_footers(store: Store, removed: Sequence[TreeFile], added: Sequence[TreeFile]) -> RowsChange:
    if any(not file.path.lower().endswith((".parquet", ".pq")) for file in (*removed, *added)):
        return RowsChange(note="more than 256 MB differ, and not all of it is Parquet, so rows were not compared")
    source, target = _side(store, removed), _side(store, added)
    columns = _column_changes(source, target) if source.tables and target.tables else ()
    return RowsChange(_count(source), _count(target), columns=columns, note=_BEYOND)
