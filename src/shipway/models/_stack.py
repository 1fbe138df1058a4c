"""From named columns to the matrix that an estimator takes, with every mismatch told by column."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shipway.kernel.errors import ShipwayError
from shipway.models._columns import Array, datatype_of
from shipway.models._signature import Column, Signature


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
    rows = check_inputs(columns, signature)
    text = any(column.datatype == "BYTES" for column in signature.inputs)
    matrix = np.empty((rows, len(signature.inputs)), dtype=object if text else np.float64)
    for position, column in enumerate(signature.inputs):
        matrix[:, position] = columns[column.name]
    return matrix


def check_inputs(columns: Mapping[str, Array], signature: Signature) -> int:
    """How many rows the columns hold; raises InputMismatch unless they are what the signature says."""
    rows: int | None = None
    for column in signature.inputs:
        array = _input(columns, column)
        rows = len(array) if rows is None else rows
        if len(array) != rows:
            raise InputMismatch(column=column.name, expected=f"{rows} rows", given=f"{len(array)} rows")
    return rows or 0


def _input(columns: Mapping[str, Array], column: Column) -> Array:
    if column.name not in columns:
        raise InputMismatch(column=column.name, expected=column.datatype, given="no such column")
    array = columns[column.name]
    if array.ndim != 1:
        raise InputMismatch(column=column.name, expected="one value a row", given=f"shape {array.shape}")
    if (given := datatype_of(array)) != column.datatype:
        raise InputMismatch(column=column.name, expected=column.datatype, given=given or str(array.dtype))
    return array
