"""From a table's rows to what a signature wants, and what is kept beside the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from shipway.kernel.errors import nearest
from shipway.models import Array, Column, InputMismatch

_WHOLE = {"INT8": pl.Int8, "INT16": pl.Int16, "INT32": pl.Int32, "INT64": pl.Int64,
          "UINT8": pl.UInt8, "UINT16": pl.UInt16, "UINT32": pl.UInt32, "UINT64": pl.UInt64}  # fmt: skip
_REAL = {"FP32": pl.Float32, "FP64": pl.Float64}


def check_columns(schema: Mapping[str, pl.DataType], inputs: Sequence[Column]) -> None:
    """Raises InputMismatch for the first input that a table of this schema cannot give."""
    for column in inputs:
        kind = schema.get(column.name)
        if kind is None:
            near = nearest(column.name, list(schema))
            raise InputMismatch(
                column=column.name,
                expected=column.datatype,
                given=f"no such column; is it {near!r}?" if near else "no such column",
            )
        if not _fits(kind, column.datatype):
            raise InputMismatch(column=column.name, expected=column.datatype, given=str(kind))


def _fits(kind: pl.DataType, datatype: str) -> bool:
    if kind == pl.Null:
        return datatype in _REAL or datatype == "BYTES"
    if datatype in _REAL:
        return kind.is_numeric()
    if datatype in _WHOLE:
        return kind.is_integer()
    return kind == pl.Boolean if datatype == "BOOL" else kind in (pl.String, pl.Categorical, pl.Enum)


def input_arrays(rows: pl.DataFrame, inputs: Sequence[Column]) -> dict[str, Array]:
    """The columns of a checked table as the model takes them: a number that is missing is NaN, a text None.

    Raises InputMismatch for a missing whole number or flag, and a whole number that its type cannot hold.
    """
    return {column.name: _array(rows[column.name], column) for column in inputs}


def _array(series: pl.Series, column: Column) -> Array:
    datatype = column.datatype
    if datatype == "BYTES":
        return np.array(series.cast(pl.String).to_list(), dtype=object)
    if datatype in _REAL:
        return series.cast(_REAL[datatype]).fill_null(float("nan")).to_numpy()
    if series.has_nulls():
        raise InputMismatch(column=column.name, expected=datatype, given=f"{series.null_count():,} missing values")
    if datatype == "BOOL":
        return series.to_numpy()
    try:
        return series.cast(_WHOLE[datatype]).to_numpy()
    except pl.exceptions.InvalidOperationError as problem:
        ends = f"numbers from {series.min()!r} to {series.max()!r}"
        raise InputMismatch(column=column.name, expected=datatype, given=ends) from problem


def output_series(name: str, array: Array) -> pl.Series:
    """A column of answers."""
    if array.dtype.kind == "O":
        return pl.Series(name, array.tolist(), dtype=pl.String)
    return pl.Series(name, np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False)))
