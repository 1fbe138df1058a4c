"""What goes into the predictor and what comes out, and the door between them: nothing joins a batch that does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from shipway.kernel.errors import nearest
from shipway.models import Array, InputMismatch, Matrix, Rows, Signature, datatype_of

Arrays = Mapping[str, Array]
"""Columns by name, each of shape (n,)."""


class Identity(NamedTuple):
    """What this predictor is: in every response and log record."""

    application: str
    environment: str
    release: str
    deployment: str
    arm: str
    model_name: str


@dataclass(frozen=True, slots=True)
class Request:
    """Rows to predict, as columns of equal length: model inputs, and optionally key and event time. id None: one is made."""

    id: str | None
    columns: Arrays


@dataclass(frozen=True, slots=True)
class Response:
    """The outputs by name, each of `rows` rows; row i is the prediction `<id>:<i>`. logged: the log has taken it.

    instead: the arm whose turn it was and that did not answer.
    """

    id: str
    outputs: Arrays
    rows: int
    release: str
    deployment: str
    arm: str
    model_name: str
    logged: bool
    instead: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """A request that fits: id, the model's columns in the signature's order, all columns to log, rows, start in seconds."""

    id: str
    inputs: Arrays
    logged: Arrays
    rows: int
    started: float


class Door:
    """Checks requests against a signature and the names of the columns that are only logged."""

    def __init__(self, signature: Signature, aside: tuple[str, ...]) -> None:
        self._signature = signature
        self._inputs = {column.name: column.datatype for column in signature.inputs}
        self._aside = tuple(name for name in aside if name not in self._inputs)

    def check(self, request: Request, *, id: str, started: float) -> Checked:
        """Raises InputMismatch."""
        columns = request.columns
        if (type(columns) is Matrix or type(columns) is Rows) and columns.signature.inputs is self._signature.inputs:
            rows = len(columns.array) if type(columns) is Matrix else len(columns.values_by_row)
            return Checked(id, columns, columns, rows, started)
        if columns.keys() != self._inputs.keys():
            self._check_names(columns)
        found: int | None = None
        for name, array in columns.items():
            found = _check_column(name, array, self._inputs.get(name), found)
        return Checked(id, {name: columns[name] for name in self._inputs}, columns, found or 0, started)

    def _check_names(self, columns: Arrays) -> None:
        known = [*self._inputs, *self._aside]
        for name in columns:
            if name not in known:
                near = nearest(name, known)
                raise InputMismatch(column=name, expected=repr(near) if near else ", ".join(known), given="an unknown name")
        for name, datatype in self._inputs.items():
            if name not in columns:
                raise InputMismatch(column=name, expected=datatype, given="no such column")


def _check_column(name: str, array: Array, datatype: str | None, rows: int | None) -> int:
    """How many rows it has; datatype None for a column that is only logged, rows None for the first."""
    if array.ndim != 1:
        raise InputMismatch(column=name, expected="one value a row", given=f"shape {list(array.shape)}")
    given = datatype_of(array)
    if given is None or (datatype and given != datatype):
        raise InputMismatch(column=name, expected=datatype or "an Open Inference datatype", given=given or str(array.dtype))
    if rows is not None and len(array) != rows:
        raise InputMismatch(column=name, expected=f"{rows} rows, as in the first", given=f"{len(array)}")
    return len(array)
