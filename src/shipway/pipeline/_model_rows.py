"""The reference table as a model meets it: inputs as typed columns, golden rows among them, outcomes as 0 and 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from shipway.kernel.canonical import Json
from shipway.kernel.errors import ShipwayError, nearest
from shipway.models import Array, Column

TIME, SCORE, LABEL = "time", "score", "label"  # the columns of a scored reference beside its keys
ANSWER = "probability"  # what a classifier of two classes answers; the profile and the metrics are those of one
GOLDEN_ROWS = 64  # enough to meet every kind of missing value and category that is not rare; 40 kB in a release


class ModelRefused(ShipwayError):
    """The values of the steps make no model: a column is missing or of a type that no model takes."""

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
    @property
    def texts(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Inputs:
    """What goes into the model: `columns` declares them in the table's order, `values` holds them by name."""

    columns: tuple[Column, ...]
    values: Mapping[str, Array]

    def to_json(self) -> list[Json]:
        """The columns as a signature writes them."""
        return [column.to_json() for column in self.columns]

    @property
    def rows(self) -> int:
        return len(next(iter(self.values.values())))

    def take(self, rows: npt.NDArray[np.int64]) -> dict[str, Array]:
        """These rows of every column."""
        return {name: values[rows] for name, values in self.values.items()}


def read_reference(path: Path, model: ModelDeclared) -> pl.DataFrame:
    """The reference table. Raises ModelRefused when it has no rows, or not the columns that the model names as they are."""
    table = pl.read_parquet(path, glob=False, hive_partitioning=False)
    for column in (model.target, *_aside(model), *model.texts):
        if column not in table.columns:
            close = nearest(column, table.columns)
            raise ModelRefused(
                f"{model.reference}, the reference of model {model.name}, has no column {column}",
                mend=f"did you mean {close}?" if close else f"its columns are {', '.join(table.columns)}",
            )
    if table.is_empty():
        raise ModelRefused(f"{model.reference}, the reference of model {model.name}, has no rows")
    _check_aside(table, model)
    for column in model.texts:
        if table[column].dtype not in _WORDS:
            what = f"{column} is a text of model {model.name}, and {table[column].dtype} in {model.reference}"
            raise ModelRefused(what, mend=f"leave it out of `texts` of model {model.name}")
    return table


def _aside(model: ModelDeclared) -> tuple[str, ...]:
    """The columns that go along and are not fed: the keys, and the time that is none of them."""
    return (*model.key, *([model.time] if model.time and model.time not in model.key else []))


def _check_aside(table: pl.DataFrame, model: ModelDeclared) -> None:
    if taken := sorted({TIME, SCORE, LABEL} & (set(model.key) - {model.time})):
        raise ModelRefused(f"a key of model {model.name} is called {taken[0]}", mend="rename it in the reference")
    if model.time is None:
        return
    kind, gaps = table[model.time].dtype, table[model.time].has_nulls()
    if gaps or not isinstance(kind, pl.Datetime | pl.Date):
        raise ModelRefused(
            f"the time {model.time} of model {model.name} is {'sometimes missing' if gaps else kind} in {model.reference}",
            mend="an event time is a date or a datetime in every row",
        )


def model_inputs(table: pl.DataFrame, model: ModelDeclared) -> Inputs:
    """Every column but target, key and time. Raises ModelRefused for a type that no model takes."""
    features = table.drop([model.target, *_aside(model)])
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
    odd = [value for value in target.unique().sort().to_list() if value not in classes]
    if odd:
        known = " and ".join(repr(value) for value in classes)
        raise ModelRefused(
            f"the target {target.name} holds {odd[0]!r} in the reference; the model knows {known}",
            mend="leave rows without a known outcome out of the reference",
        )
    return pl.Series("label", [int(value == classes[-1]) for value in target.to_list()], dtype=pl.Int8)


_WORDS = (pl.String, pl.Categorical, pl.Enum)
_DATATYPES = {"f": "FP64", "i": "INT64", "b": "BOOL", "O": "BYTES"}


def _values(series: pl.Series, model: ModelDeclared) -> Array:
    """Numbers as float64 or int64, flags as bool, text as objects; a number that may be missing is float64 with NaN."""
    kind = series.dtype
    if kind in _WORDS:
        return np.array(series.cast(pl.String).to_list(), dtype=object)
    if not (kind.is_numeric() or kind == pl.Boolean):
        raise ModelRefused(
            f"the column {series.name} of {model.reference} is {kind}: a model takes numbers, flags and text",
            mend=f"name it as key or time of model {model.name}, or leave it out of {model.reference}",
        )
    if kind.is_float() or kind.is_decimal() or series.has_nulls():
        return series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return series.cast(pl.Int64).to_numpy() if kind.is_integer() else series.to_numpy()
