"""A pair of columns as Evidently sees it: of which kind they are, and what is left without nulls and infinities."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

Kind = Literal["numeric", "category", "text"]
Array = NDArray[Any]

_FEW_INTEGERS = 10  # an integer column of at most so many distinct values is a category


class Numbers(NamedTuple):
    """Both samples ascending, finite, each of the type that it was logged in; few: n_values, exact up to 5, else at least 6."""

    reference: Array
    current: Array
    few: int


class Words(NamedTuple):
    """Rows by value of both samples, over the values of either, which ascend; missing ones are out."""

    reference: NDArray[np.int64]
    current: NDArray[np.int64]


def kind_of(column: pl.Series) -> Kind | None:
    """What Evidently takes a column for, by the type and the values of the current window; None for what it has no drift of."""
    kind = column.dtype
    if kind.is_float() or kind == pl.Null:
        return "numeric"
    if kind.is_integer():
        if column.null_count():  # pandas holds it as floats then
            return "numeric"
        return "category" if column.n_unique() <= _FEW_INTEGERS else "numeric"
    if kind == pl.String:
        values = column.drop_nulls()
        return "text" if values.n_unique() > len(values) * 0.5 else "category"
    return "category" if kind == pl.Boolean or kind in (pl.Categorical, pl.Enum) else None


def numbers_of(reference: pl.Series, current: pl.Series) -> Numbers | None:
    """None where a sample has no finite number. Raises TypeError for columns that hold none."""
    one, other = _finite(reference), _finite(current)
    if not one.size or not other.size:
        return None
    one, other = (pl.Series(sample).sort().to_numpy() for sample in (one, other))  # in two thirds of the time of np.sort
    return Numbers(one, other, _few(one, other))


def words_of(reference: pl.Series, current: pl.Series) -> Words | None:
    """None where a sample has no value."""
    one, other = _counted(reference, "reference"), _counted(current, "current")
    if not one.height or not other.height:
        return None
    if one.schema["value"] != other.schema["value"]:
        one, other = (frame.with_columns(pl.col("value").cast(pl.String)) for frame in (one, other))
    both = one.join(other, on="value", how="full", coalesce=True).sort("value").fill_null(0)
    return Words(both["reference"].to_numpy(), both["current"].to_numpy())


def _finite(column: pl.Series) -> Array:
    if not (column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null)):
        raise TypeError(column.name)
    if column.dtype in (pl.Boolean, pl.Null):
        column = column.cast(pl.Float64)
    values = column.drop_nulls().to_numpy()
    if column.null_count() and values.dtype.kind != "f":
        values = values.astype(np.float64)
    return values if values.dtype.kind != "f" or np.isfinite(values).all() else values[np.isfinite(values)]


def _few(one: Array, other: Array) -> int:
    """Distinct values of two ascending samples, counted no further than a sixth."""
    seen = {*one[:: max(1, one.size // 64)].tolist(), *other[:: max(1, other.size // 64)].tolist()}
    if len(seen) <= 5:
        seen = {*distinct(one).tolist(), *distinct(other).tolist()}
    return min(len(seen), 6)


def distinct(ordered: Array) -> Array:
    """The distinct values of an ascending sample; np.unique would import numpy.ma first, which takes 60 ms."""
    kept = np.ones(ordered.size, dtype=bool)
    kept[1:] = ordered[1:] != ordered[:-1]
    return ordered[kept]


def _counted(column: pl.Series, name: str) -> pl.DataFrame:
    values = column.alias("value")
    if values.dtype in (pl.Categorical, pl.Enum):
        values = values.cast(pl.String)
    values = values.drop_nulls()
    if values.dtype.is_float():
        values = values.filter(values.is_finite())
    return values.value_counts(name=name).with_columns(pl.col(name).cast(pl.Int64))
