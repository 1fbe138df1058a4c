"""A snapshot's tables as one lazy frame, read in place from the object files."""

from __future__ import annotations

import glob
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import polars as pl

from shipway.data._errors import DataEmpty, DataMissing, DataUnreadable
from shipway.data._listing import TABLES, Beside, InPlace, columns_beside, read_in_place
from shipway.data._snapshot import object_file, snapshot_files
from shipway.data._text_types import csv_schema, lines_schema
from shipway.kernel.digest import Digest
from shipway.store import ObjectMissing, Store

Frame = pl.LazyFrame
"""Rows that nobody has read yet, for those who pass them on and know nothing of Polars."""

Place = Path | str  # of bytes: a file, or an address in a bucket
Scan = Callable[[list[Place]], pl.LazyFrame]


@dataclass(frozen=True, slots=True)
class _Part:
    """One file: the name a person knows it by, its format, where its bytes are, its columns."""

    name: str
    scan: Scan
    path: Place
    schema: pl.Schema


def load_table(store: Store, digest: Digest, *, name: str) -> pl.LazyFrame:
    """The rows of a snapshot's Parquet, Arrow, CSV and JSON lines files (gzip or zstd too), in path order.

    Other files are left out. Types of text formats are those that fit all rows; numbers widen where files differ.
    The bytes are not verified (verify_snapshot does that). Of data in place they are read where they are, unless they were
    brought here: check_in_place says afterwards whether they stayed what they were. Raises DataEmpty when there is no table,
    DataUnreadable
    for a file that cannot be read or whose columns are not those of the first, ObjectMissing.
    """
    found = read_in_place(store, digest)
    if found is not None:
        return _load_in_place(store, digest, found, name)
    files = [(file.path, object_file(store, file, name=name)) for file in snapshot_files(store, digest) if scan_of(file.path)]
    return load_files(files, name=name, where=digest)


def _load_in_place(store: Store, digest: Digest, found: InPlace, name: str) -> pl.LazyFrame:
    """A table's columns come and go with its versions: what a file has not is null, and what is in its path is a column."""
    from shipway.data.in_place import lasting_places

    entries = [entry for entry in found.entries if scan_of(entry.path)]
    places = lasting_places(store, found, entries)
    if found.form not in TABLES:
        return load_files([(entry.path, places[entry.path]) for entry in entries], name=name, where=digest)
    if not entries:
        raise DataEmpty(f"{name} holds no rows", where=found.at, mend="write rows to the table, and take a new snapshot")
    beside = columns_beside(found)
    return load_beside([(entry.path, places[entry.path], beside.get(entry.path, ())) for entry in entries], name=name)


def load_beside(files: Sequence[tuple[str, Place, Beside]], *, name: str) -> pl.LazyFrame:
    """All rows of a table's files, Parquet whatever they are called, with the columns that stand in the paths.

    Raises DataUnreadable.
    """
    frames = list[pl.LazyFrame]()
    for path, place, beside in files:
        part = _part(_parquet, place, f"{name}/{path}")
        frames.append(with_beside(part.scan([part.path]), beside, path, there=part.schema))
    return pl.concat(frames, how="diagonal_relaxed")


def with_beside(frame: pl.LazyFrame, beside: Beside, path: str, *, there: Container[str]) -> pl.LazyFrame:
    """A file with the columns that stand in its path, but for those that it has itself. Raises DataUnreadable."""
    return frame.with_columns(path_column(value, word, path).alias(name) for name, word, value in beside if name not in there)


def path_column(value: str | None, word: str, path: str) -> pl.Expr:
    """The value of a column that stands in a path, of the type that the table says. Raises DataUnreadable."""
    try:
        return _value(value, word)
    except (ValueError, TypeError) as problem:
        what = f"{value!r} in the path is no {word}"
        raise DataUnreadable(what, where=path, mend="take a new snapshot of the table") from problem


def _value(value: str | None, word: str) -> pl.Expr:
    kind = _KINDS.get(word, pl.String())
    if word.startswith("decimal("):
        digits, _, after = word[8:-1].partition(",")
        kind = pl.Decimal(int(digits), int(after))
    if value is None:
        return pl.lit(None, kind)
    if kind == pl.Boolean:
        return pl.lit(value == "true")
    if isinstance(kind, pl.Datetime):
        return pl.lit(datetime.fromisoformat(value)).cast(kind)
    return pl.lit(date.fromisoformat(value)) if kind == pl.Date else pl.lit(value, pl.String).cast(kind)


def load_files(files: Sequence[tuple[str, Place]], *, name: str, where: str | None = None) -> pl.LazyFrame:
    """As load_table, of files by their path in the data set and where their bytes are, in this order."""
    parts = [_part(scan, path, f"{name}/{below}") for below, path in files if (scan := scan_of(below))]
    if not parts:
        raise DataEmpty(f"{name} holds no table", where=where, mend="add a file ending in .parquet, .arrow, .csv or .jsonl")
    first = parts[0]
    if all(part.scan is first.scan and part.schema == first.schema for part in parts):
        return first.scan([part.path for part in parts])
    for part in parts[1:]:
        _check_same(first, part)
    columns = first.schema.names()
    return pl.concat([part.scan([part.path]).select(columns) for part in parts], how="vertical_relaxed")


def load_file(path: Path) -> pl.LazyFrame:
    """The rows of one file that is in no store; raises DataMissing, DataUnreadable."""
    if not path.is_file():
        raise DataMissing(f"there is no file {path.name}", where=str(path), mend="correct the path")
    scan = scan_of(path.name)
    if scan is None:
        raise DataUnreadable(
            f"{path.name} is no table by its name", where=str(path), mend="a .parquet, .arrow, .csv or .jsonl file"
        )
    return _part(scan, path, path.name).scan([path])


def count_rows(store: Store, digest: Digest, *, name: str) -> int | None:
    """The rows of a snapshot; None when it holds no table that can be read. Of Parquet only the footers are read."""
    try:
        return int(load_table(store, digest, name=name).select(pl.len()).collect().item())
    except (DataEmpty, DataUnreadable, ObjectMissing, pl.exceptions.PolarsError):
        return None


def _part(scan: Scan, path: Place, name: str) -> _Part:
    try:
        return _Part(name, scan, path, scan([path]).collect_schema())
    except (pl.exceptions.PolarsError, OSError) as problem:
        reason = str(problem).split("\n")[0]
        raise DataUnreadable(f"{name} cannot be read: {reason}", where=str(path), mend="write this file again") from problem


def _check_same(first: _Part, part: _Part) -> None:
    mend = "write these files with the same columns, or keep them as two data sets"
    if odd := sorted(first.schema.keys() ^ part.schema.keys()):
        raise DataUnreadable(
            f"{part.name} and {first.name} differ in columns: {', '.join(odd[:5])}", where=part.name, mend=mend
        )
    for column, kind in part.schema.items():
        if not _fit(kind, first.schema[column]):
            what = f"column {column} is {kind} in {part.name} and {first.schema[column]} in {first.name}"
            raise DataUnreadable(what, where=part.name, mend=mend)


def _fit(one: pl.DataType, other: pl.DataType) -> bool:
    """Whether values of both can stand in one column and stay what they are; pl.Null is a column without a value."""
    return one == other or pl.Null in (one, other) or (one.is_numeric() and other.is_numeric())


def scan_of(path: str) -> Scan | None:
    """How a file of that name is read as a table; None when it is none."""
    stem = path.lower().removesuffix(".gz").removesuffix(".zst")
    return next((scan for suffix, scan in _SCANS.items() if stem.endswith(suffix)), None)


def _options(paths: list[Place]) -> dict[str, str] | None:
    """With what Polars asks for bytes in a bucket; None for files."""
    if isinstance(paths[0], Path):
        return None
    from shipway.data.in_place import scan_options

    return scan_options(paths[0])


def _texts(paths: list[Place]) -> list[str]:
    return [str(path) for path in paths]


def _parquet(paths: list[Place]) -> pl.LazyFrame:
    # No globs and no hive partitions: a bracket or a = in the folder of the store means nothing.
    return pl.scan_parquet(
        _texts(paths), glob=False, hive_partitioning=False, storage_options=_options(paths), credential_provider=None
    )


def _arrow(paths: list[Place]) -> pl.LazyFrame:
    return pl.scan_ipc(
        _texts(paths), glob=False, hive_partitioning=False, storage_options=_options(paths), credential_provider=None
    )


def _csv(paths: list[Place]) -> pl.LazyFrame:
    """Files of one scan have the types of the first."""
    return pl.scan_csv(
        _texts(paths),
        glob=False,
        try_parse_dates=True,
        schema=csv_schema(paths[0]) if isinstance(paths[0], Path) else None,
        infer_schema_length=None,
        storage_options=_options(paths),
        credential_provider=None,
    )


def _lines(paths: list[Place]) -> pl.LazyFrame:
    schema = lines_schema(paths[0]) if isinstance(paths[0], Path) else None
    return pl.scan_ndjson([glob.escape(str(path)) for path in paths], schema=schema, infer_schema_length=None)


_KINDS: dict[str, pl.DataType] = {
    "boolean": pl.Boolean(), "byte": pl.Int8(), "short": pl.Int16(), "integer": pl.Int32(), "long": pl.Int64(),
    "float": pl.Float32(), "double": pl.Float64(), "date": pl.Date(), "timestamp": pl.Datetime("us", "UTC"),
    "timestamp_ntz": pl.Datetime("us"),
}  # fmt: skip

_SCANS: dict[str, Scan] = {
    ".parquet": _parquet,
    ".pq": _parquet,
    ".arrow": _arrow,
    ".feather": _arrow,
    ".csv": _csv,
    ".jsonl": _lines,
    ".ndjson": _lines,
}
