"""A snapshot profiled part by part: whoever measures the parts, their sum in part order is the same bits.

The edges and categories are those of the first part, or of a profile that is given. Parts are slices of PART_ROWS rows of
a file, so they depend on the snapshot alone and never on how many work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from shipway.data._described import is_vector
from shipway.data._errors import DataUnreadable
from shipway.data._listing import TABLES, Beside, columns_beside, read_in_place
from shipway.data._measure import measure_profile, reference_profile
from shipway.data._profile import Profile, merge_profiles
from shipway.data._snapshot import object_file, snapshot_files
from shipway.data._table import load_table, path_column, scan_of
from shipway.kernel.digest import Digest
from shipway.kernel.workers import Workers
from shipway.store import Store

PART_ROWS = 500_000  # some 4 MB a column: enough that starting a part is nothing, few enough that eight fit anywhere
SLICED = (".parquet", ".pq", ".arrow", ".feather")  # of which a slice is read without what is before it


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one file. name: as a person knows it; path: where its bytes are; rows None: all of them.

    beside: of a file of a table the columns that stand in its path: name, type as the table has it, value. Others that it has
    not came later, and are null. None of a file that is no table's.
    """

    name: str
    path: Path
    start: int
    rows: int | None
    beside: tuple[tuple[str, str, str | None], ...] | None = None


@dataclass(frozen=True, slots=True)
class Profiled:
    """The profile of a snapshot; left_out: columns of types that have none, and those that the reference has not."""

    profile: Profile
    parts: int
    left_out: tuple[str, ...]


def profile_snapshot(
    store: Store, digest: Digest, *, name: str, workers: Workers, reference: Profile | None = None, rows: int = PART_ROWS
) -> Profiled:
    """The profile of all rows of a snapshot's tables, in path order. rows: of a part at most; another number is another profile
    in its last bits, and without a reference in its edges.

    Counts are exact sums; the sums of values are those of the parts, added in part order. Raises what load_table raises,
    ProfileMismatch, DataUnreadable for a part that a worker cannot read.
    """
    schema = load_table(store, digest, name=name).collect_schema()
    kept = {column: kind for column, kind in schema.items() if _profiled(kind)}
    if reference is not None:
        kept = {column: kind for column, kind in kept.items() if column in reference.sources}
    parts = list(_parts(store, digest, name, rows))
    total, rest = Profile(0), parts
    if reference is None:
        empty = pl.DataFrame(schema=kept)
        total = reference = reference_profile(read_part(kept, parts[0]) if parts else empty)
        rest = parts[1:]
    for one in workers.map(partial(_measure, reference, kept), rest):
        total = merge_profiles(total, one)
    return Profiled(total, len(parts), tuple(column for column in schema if column not in total.sources))


def _parts(store: Store, digest: Digest, name: str, most: int) -> Iterator[Part]:
    beside = _beside(store, digest)
    for file in snapshot_files(store, digest):
        scan = scan_of(file.path)
        if scan is None:
            continue
        path, shown = object_file(store, file, name=name), f"{name}/{file.path}"
        if not file.path.lower().endswith(SLICED):
            yield Part(shown, path, 0, None, beside.get(file.path))
            continue
        rows = int(scan([path]).select(pl.len()).collect().item())
        for start in range(0, rows, most):
            yield Part(shown, path, start, min(most, rows - start), beside.get(file.path))


def _beside(store: Store, digest: Digest) -> dict[str, Beside]:
    """Of each file of a table in place."""
    found = read_in_place(store, digest)
    if found is None or found.form not in TABLES:
        return {}
    beside = columns_beside(found)
    return {entry.path: beside.get(entry.path, ()) for entry in found.entries}


def _measure(reference: Profile, kept: dict[str, pl.DataType], part: Part) -> Profile:
    return measure_profile(reference, read_part(kept, part))


def read_part(kept: Mapping[str, pl.DataType], part: Part) -> pl.DataFrame:
    """These columns of the rows of a part. Raises DataUnreadable.

    A column without a value has the type of the whole, so that the first part may begin with one.
    """
    scan = scan_of(part.name)
    assert scan is not None
    try:
        frame = scan([part.path])
        rows = frame.with_columns(_missing(kept, part, frame)).select(list(kept)).slice(part.start, part.rows).collect()
    except (pl.exceptions.PolarsError, OSError) as problem:
        reason = str(problem).split("\n")[0][:200]
        mend = "shipway store check; workers on other machines need the folder of the store at the same path"
        raise DataUnreadable(f"{part.name} cannot be read: {reason}", where=str(part.path), mend=mend) from problem
    return rows.with_columns(pl.col(column).cast(kept[column]) for column, kind in rows.schema.items() if kind == pl.Null)


def _missing(kept: Mapping[str, pl.DataType], part: Part, frame: pl.LazyFrame) -> list[pl.Expr]:
    """Columns of a table that a file of it has not. Raises DataUnreadable for a value that is none of its type."""
    if part.beside is None:
        return []
    there, words = frame.collect_schema(), {name: (value, word) for name, word, value in part.beside}
    return [
        (path_column(*words[column], part.name).cast(kind) if column in words else pl.lit(None, kind)).alias(column)
        for column, kind in kept.items()
        if column not in there
    ]


def _profiled(kind: pl.DataType) -> bool:
    return is_vector(kind) or kind.is_numeric() or kind in (pl.Boolean, pl.String, pl.Categorical, pl.Enum, pl.Null)
