"""Columns as a caller holds them (arrays, a polars frame) turned into what profiles count: numbers, or rows by word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shipway.data._errors import ProfileMismatch
from shipway.data._histogram import Floats

if TYPE_CHECKING:
    import polars as pl

    Table = Mapping[str, NDArray[np.generic]] | pl.DataFrame


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """values: without the nulls; NaN stands where a row has no number."""

    values: Floats
    nulls: int


@dataclass(frozen=True, slots=True)
class Words:
    """Rows by value, nulls apart."""

    counts: Mapping[str, int]
    nulls: int


def rows_of(table: Table) -> int | None:
    """Rows of a table, None when it has no column. Raises ProfileMismatch when its columns differ in length."""
    if not isinstance(table, Mapping):
        return table.height if table.width else None
    lengths = {np.shape(array) for array in table.values()}
    if len(lengths) > 1 or any(len(shape) != 1 for shape in lengths):
        raise ProfileMismatch("columns have one value per row", mend="pass arrays of one dimension and equal lengths")
    return lengths.pop()[0] if lengths else None


def columns_of(table: Table, *, known: Container[str] | None = None) -> Iterator[tuple[str, Numbers | Words]]:
    """Every column (that is `known`) by name. Raises ProfileMismatch for a type that has no profile (times, lists)."""
    for name in table.keys() if isinstance(table, Mapping) else table.columns:
        if known is None or name in known:
            yield (
                name,
                _of_array(name, np.asarray(table[name])) if isinstance(table, Mapping) else _of_series(table[name]),
            )


def _of_array(name: str, array: NDArray[np.generic]) -> Numbers | Words:
    if array.dtype.kind in "fiu":
        return Numbers(np.ascontiguousarray(array, dtype=np.float64), 0)
    if array.dtype.kind == "b":
        yes = int(np.count_nonzero(array))
        return _booleans(yes, array.size - yes, nulls=0)
    if array.dtype.kind in "OUST":
        return _of_objects(array.tolist())
    raise _unsupported(name, str(array.dtype))


def _of_objects(values: list[object]) -> Words:
    """A value that is not equal to itself is NaN, and None is no value either."""
    counts, nulls = Counter[str](), 0
    for value, rows in Counter(values).items():
        if value is None or value != value:
            nulls += rows
        else:
            counts[_word(value)] += rows
    return Words(counts, nulls)


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _of_series(series: pl.Series) -> Numbers | Words:
    import polars as pl

    kind, nulls = series.dtype, series.null_count()
    if kind.is_numeric():
        return Numbers(series.drop_nulls().cast(pl.Float64).to_numpy(), nulls)
    if kind == pl.Boolean:
        yes = int(series.sum())
        return _booleans(yes, len(series) - nulls - yes, nulls=nulls)
    if kind == pl.Null:
        return Words({}, nulls)
    if kind in (pl.String, pl.Categorical, pl.Enum):
        counted = series.drop_nulls().cast(pl.String).rename("value").value_counts()
        return Words(dict(zip(counted["value"].to_list(), counted["count"].to_list(), strict=True)), nulls)
    raise _unsupported(series.name, str(kind))


def _booleans(yes: int, no: int, *, nulls: int) -> Words:
    return Words({word: rows for word, rows in (("true", yes), ("false", no)) if rows}, nulls)


def _unsupported(name: str, kind: str) -> ProfileMismatch:
    return ProfileMismatch(
        f"column {name} is {kind}, which has no profile",
        where=name,
        mend="leave it out: profiles are of numbers and words",
    )
