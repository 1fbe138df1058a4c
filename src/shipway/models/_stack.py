"""From named columns to the matrix that an estimator takes, with every mismatch told by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from shipway.kernel.errors import ShipwayError
from shipway.models._columns import Array, datatype_of
from shipway.models._matrix import Matrix
from shipway.models._rows import Rows, join_rows
from shipway.models._signature import DATATYPES, Column, Signature


class InputMismatch(ShipwayError):
    """A column that the signature wants is missing, of another datatype, or of another length than the others."""

    code = "models.input-mismatch"

    def __init__(self, *, column: str, expected: str, given: str) -> None:
        super().__init__(f"column {column}: expected {expected}, given {given}")
        self.column, self.expected, self.given = column, expected, given


def stack(columns: Mapping[str, Array], signature: Signature) -> Array:
    """Rows by inputs, in signature order: float64 when every input is a number or bool, otherwise Python objects.

    Columns that the signature does not name are left out (keys, event times). Raises InputMismatch.
    """
    if type(columns) is Matrix and columns.signature.inputs is signature.inputs:
        return columns.array.copy()  # an estimator may write to what it is given, and the log tells what was asked
    if type(columns) is Rows and columns.signature.inputs is signature.inputs:
        return np.array(columns.values_by_row, dtype=object)
    rows = check_inputs(columns, signature)
    text = any(column.datatype == "BYTES" for column in signature.inputs)
    matrix = np.empty((rows, len(signature.inputs)), dtype=object if text else np.float64)
    for position, column in enumerate(signature.inputs):
        matrix[:, position] = columns[column.name]
    return matrix


def check_inputs(columns: Mapping[str, Array], signature: Signature) -> int:
    """How many rows the columns hold; raises InputMismatch unless they are what the signature says."""
    if (type(columns) is Matrix or type(columns) is Rows) and columns.signature.inputs is signature.inputs:
        return len(columns.array) if type(columns) is Matrix else len(columns.values_by_row)
    rows: int | None = None
    for column in signature.inputs:
        array = _input(columns, column)
        rows = len(array) if rows is None else rows
        if len(array) != rows:
            raise InputMismatch(column=column.name, expected=f"{rows} rows", given=f"{len(array)} rows")
    return rows or 0


def matrix_of(values: npt.NDArray[Any], signature: Signature, *, name: str) -> Matrix:
    """All inputs out of one array, which the caller calls `name`. Raises InputMismatch: another shape, text, a value that would
    change in its column.
    """
    if signature.text is not None:
        raise InputMismatch(column=name, expected=f"one tensor per input, for {signature.text!r} is text", given="one matrix")
    if values.dtype != np.float64 or values.ndim != 2 or values.shape[1] != len(signature.inputs):
        expected, given = f"FP64 of shape [n, {len(signature.inputs)}]", datatype_of(values) or str(values.dtype)
        raise InputMismatch(column=name, expected=expected, given=f"{given} of shape {list(values.shape)}")
    if not signature.real:
        for place, column in enumerate(signature.inputs):
            _check_values(values[:, place], column)
    return Matrix(values, signature)


def join(parts: Sequence[Mapping[str, Array]], signature: Signature) -> Mapping[str, Array]:
    """The inputs of all parts, one below the other; each part has them, and perhaps further columns."""
    matrices = [part.array for part in parts if isinstance(part, Matrix)]
    if len(matrices) == len(parts):
        return Matrix(np.concatenate(matrices), signature)
    rows = [part for part in parts if isinstance(part, Rows)]
    if len(rows) == len(parts):
        return join_rows(rows, signature)
    return {column.name: np.concatenate([part[column.name] for part in parts]) for column in signature.inputs}


def _check_values(given: npt.NDArray[Any], column: Column) -> None:
    """That the values are the same in the column's own type."""
    dtype = np.dtype(DATATYPES[column.datatype])
    with np.errstate(invalid="ignore", over="ignore"):
        cast = given.astype(dtype)
    if dtype != given.dtype and not np.array_equal(cast, given, equal_nan=dtype.kind == "f"):
        wrong = float(given[cast != given][0])
        raise InputMismatch(column=column.name, expected=f"values that {column.datatype} can hold", given=repr(wrong))


def _input(columns: Mapping[str, Array], column: Column) -> Array:
    if column.name not in columns:
        raise InputMismatch(column=column.name, expected=column.datatype, given="no such column")
    array = columns[column.name]
    if array.ndim != 1:
        raise InputMismatch(column=column.name, expected="one value a row", given=f"shape {array.shape}")
    if (given := datatype_of(array)) != column.datatype:
        raise InputMismatch(column=column.name, expected=column.datatype, given=given or str(array.dtype))
    return array
