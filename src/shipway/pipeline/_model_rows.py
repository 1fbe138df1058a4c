"""The reference table as a model meets it: its inputs as typed columns, golden rows among them, the outcome as 0 and 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from shipway.kernel.errors import ShipwayError, nearest
from shipway.models import Array, Column

GOLDEN_ROWS = 64  # enough to meet every kind of missing value and category that is not rare; 40 kB in a release


class ModelRefused(ShipwayError):
    """What the steps returned cannot be made a model: a column is missing or of a type no model takes, no such answer."""

    code = "pipeline.model-refused"


class ModelDeclared(Protocol):
    """What `models:` in shipway.yaml says of a model (the spec's ModelSpec is one)."""

    @property
    def name(self) -> str: ...
    @property
    def step(self) -> str: ...
    @property
    def reference(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def key(self) -> Sequence[str]: ...
    @property
    def time(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Inputs:
    """What goes into the model: `columns` declares them in the table's order, `values` holds them by name."""

    columns: tuple[Column, ...]
    values: Mapping[str, Array]

    def take(self, rows: npt.NDArray[np.int64]) -> dict[str, Array]:
        """These rows of every column."""
        return {name: values[rows] for name, values in self.values.items()}


def read_reference(path: Path, model: ModelDeclared) -> pl.DataFrame:
    """The reference table. Raises ModelRefused when it is empty or lacks a column that the model names."""
    table = pl.read_parquet(path, glob=False, hive_partitioning=False)
    for column in (model.target, *model.key, *([model.time] if model.time else [])):
        if column not in table.columns:
            close = nearest(column, table.columns)
            raise ModelRefused(
                f"{model.reference}, the reference of model {model.name}, has no column {column}",
                mend=f"did you mean {close}?" if close else f"its columns are {', '.join(table.columns)}",
            )
    if table.is_empty():
        raise ModelRefused(f"{model.reference}, the reference of model {model.name}, has no rows")
    return table


def model_inputs(table: pl.DataFrame, model: ModelDeclared) -> Inputs:
    """Every column but target, key and time. Raises ModelRefused for a type that no model takes."""
    features = table.drop([model.target, *model.key, *([model.time] if model.time else [])])
    if not features.columns:
        raise ModelRefused(f"{model.reference} has no column left for the model {model.name} to look at")
    values = {series.name: _values(series, model) for series in features}
    columns = tuple(Column(name, _DATATYPES[array.dtype.kind]) for name, array in values.items())
    return Inputs(columns, values)


def golden_places(rows: int) -> npt.NDArray[np.int64]:
    """The places of the golden rows: the first of GOLDEN_ROWS equal stretches each, all rows when there are fewer.

    >>> golden_places(3).tolist(), golden_places(640)[:3].tolist()
    ([0, 1, 2], [0, 10, 20])
    """
    count = min(rows, GOLDEN_ROWS)
    return np.arange(count, dtype=np.int64) * rows // count


def labels_of(target: pl.Series, classes: Sequence[object]) -> pl.Series:
    """1 where the outcome is the second of the two classes, 0 where it is the first. Raises ModelRefused for others."""
    column = target.cast(pl.Int8) if target.dtype == pl.Boolean else target
    first, second = (int(value) if isinstance(value, bool) else value for value in classes)
    comparable = column.dtype.is_numeric() and not isinstance(second, str) or column.dtype == pl.String and isinstance(second, str)
    known = ((column == first) | (column == second)).fill_null(False) if comparable else column.is_null() & False
    if not known.all():
        odd = target.filter(~known).to_list()[0]
        raise ModelRefused(
            f"the target {target.name} holds {odd!r} in the reference, which is none of {classes[0]!r} and {classes[1]!r}",
            mend="leave rows without a known outcome out of the reference",
        )
    return (column == second).cast(pl.Int8).alias("label")


_DATATYPES = {"f": "FP64", "i": "INT64", "b": "BOOL", "O": "BYTES"}


def _values(series: pl.Series, model: ModelDeclared) -> Array:
    """Numbers as float64 or int64, flags as bool, text as objects; a number that may be missing is float64 with NaN."""
    kind = series.dtype
    if kind in (pl.String, pl.Categorical, pl.Enum):
        return np.array(series.cast(pl.String).to_list(), dtype=object)
    if not (kind.is_numeric() or kind == pl.Boolean):
        raise ModelRefused(
            f"the column {series.name} of {model.reference} is {kind}: a model takes numbers, flags and text",
            mend=f"name it as key or time of model {model.name}, or leave it out of {model.reference}",
        )
    if kind.is_float() or kind.is_decimal() or series.has_nulls():
        return series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return series.cast(pl.Int64).to_numpy() if kind.is_integer() else series.to_numpy()
