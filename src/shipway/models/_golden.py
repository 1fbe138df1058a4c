"""Golden rows: inputs and the outputs they gave when the model was made. A model is ready only when it gives them again."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shipway.kernel.canonical import Json, canonical_json, parse_object
from shipway.kernel.errors import ShipwayError
from shipway.models._columns import Array, ColumnsMalformed, decode_columns, encode_columns
from shipway.models._model import Predictable


class GoldenMismatch(ShipwayError):
    """The model does not give what it gave when it was made: `row` (from 0) is the first that differs."""

    code = "models.golden-mismatch"

    def __init__(self, *, output: str, row: int | None, expected: object, given: object) -> None:
        place = f"output {output}" if row is None else f"golden row {row}, output {output}"
        super().__init__(
            f"{place}: expected {expected!r}, given {given!r}",
            mend="load the model in the environment of its release; if that is so, the machine computes otherwise",
        )
        self.output, self.row, self.expected, self.given = output, row, expected, given


def golden_blob(columns: Mapping[str, Array], outputs: Mapping[str, Array]) -> bytes:
    """The canonical bytes of golden rows: inputs and outputs exactly, both as encoded columns. Raises ColumnsMalformed."""
    return canonical_json({"kind": "golden", "version": 1, "columns": _text(columns), "outputs": _text(outputs)})


def check_golden(model: Predictable, blob: bytes, *, tolerance: float = 0.0) -> None:
    """Raises GoldenMismatch unless the model answers the golden rows as recorded.

    tolerance: largest absolute difference of a number that passes; 0 asks for the same bits.
    """
    columns, outputs = read_golden(blob)
    given = model.predict(columns)
    for name, expected in outputs.items():
        _compare(name, expected, given.get(name), tolerance)


def read_golden(blob: bytes) -> tuple[dict[str, Array], dict[str, Array]]:
    """The inputs and the outputs of golden rows. Raises ColumnsMalformed."""
    record = parse_object(blob)
    if record.get("kind") != "golden" or record.get("version") != 1:
        raise ColumnsMalformed("these are no golden rows of version 1")
    return _columns(record.get("columns")), _columns(record.get("outputs"))


class Distance(NamedTuple):
    """How far answers are from the golden ones: rows, those with any other bit, the largest difference of a number.

    largest: 0 where only the sign of a zero or the bits of a NaN differ, infinite where an answer has no distance: another
    type, another text, a number against NaN.
    """

    rows: int
    different: int
    largest: float


def measure_distance(expected: Mapping[str, Array], given: Mapping[str, Array]) -> Distance:
    """The distance of answers from those expected; answers of other names, types or numbers of rows are infinitely far."""
    rows = max((len(array) for array in expected.values()), default=0)
    if _forms(expected) != _forms(given):
        return Distance(rows, rows, math.inf)
    different, largest = np.zeros(rows, dtype=bool), 0.0
    for name, array in expected.items():
        unequal = _different(array, given[name], 0.0)
        different |= unequal
        largest = max(largest, _farthest(array[unequal], given[name][unequal]))
    return Distance(rows, int(np.count_nonzero(different)), largest)


class Agreement(NamedTuple):
    """How many of some golden rows two models answered alike, to the bit, and the largest difference of a number.

    largest: as of Distance; None where no answer is a number with a fraction.
    """

    alike: int
    rows: int
    largest: float | None


def compare_golden(before: bytes, after: bytes) -> Agreement | None:
    """What two models recorded for the same golden rows; None when the rows, or the outputs, are not the same ones.

    Raises ColumnsMalformed.
    """
    (old_rows, old), (new_rows, new) = read_golden(before), read_golden(after)
    if _forms(old_rows) != _forms(new_rows) or _forms(old) != _forms(new) or measure_distance(old_rows, new_rows).different:
        return None
    rows = len(next(iter([*old_rows.values(), *old.values()]), ()))
    if any(len(array) != rows for array in old.values()):
        return None
    floats = {name: array for name, array in old.items() if array.dtype.kind == "f"}
    largest = measure_distance(floats, {name: new[name] for name in floats}).largest if floats and rows else None
    return Agreement(rows - measure_distance(old, new).different, rows, largest)


def _forms(columns: Mapping[str, Array]) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
    return {name: (array.dtype, array.shape) for name, array in columns.items()}


def _farthest(expected: Array, given: Array) -> float:
    """Of values whose bits differ."""
    if not expected.size:
        return 0.0
    if expected.dtype.kind != "f":
        return math.inf
    before, after = expected.astype("f8"), given.astype("f8")
    apart = ~((before == after) | (np.isnan(before) & np.isnan(after)))
    with np.errstate(invalid="ignore"):
        distance = np.abs(before[apart] - after[apart])
    return float(np.max(np.nan_to_num(distance, nan=math.inf, posinf=math.inf), initial=0.0))


def _compare(name: str, expected: Array, given: Array | None, tolerance: float) -> None:
    if given is None:
        raise GoldenMismatch(output=name, row=None, expected=f"{expected.dtype} values", given="no such output")
    if expected.dtype != given.dtype or expected.shape != given.shape:
        described = (f"{array.dtype} of shape {array.shape}" for array in (expected, given))
        raise GoldenMismatch(output=name, row=None, expected=next(described), given=next(described))
    rows = np.flatnonzero(_different(expected, given, tolerance))
    if rows.size:
        row = int(rows[0])
        raise GoldenMismatch(output=name, row=row, expected=expected.tolist()[row], given=given.tolist()[row])


def _different(expected: Array, given: Array, tolerance: float) -> npt.NDArray[np.bool_]:
    if expected.dtype.hasobject:
        return np.array([a != b for a, b in zip(expected, given, strict=True)], dtype=bool)
    width = expected.dtype.itemsize
    bits = [np.ascontiguousarray(array).view(np.uint8).reshape(-1, width) for array in (expected, given)]
    differ: npt.NDArray[np.bool_] = np.any(bits[0] != bits[1], axis=1)
    if tolerance == 0.0 or expected.dtype.kind != "f":
        return differ
    near: npt.NDArray[np.bool_] = np.isclose(expected.astype("f8"), given.astype("f8"), rtol=0, atol=tolerance)
    return differ & ~near


def _text(columns: Mapping[str, Array]) -> str:
    return base64.b64encode(encode_columns(columns)).decode()


def _columns(text: Json) -> dict[str, Array]:
    try:
        return decode_columns(base64.b64decode(str(text), validate=True))
    except ValueError as problem:
        raise ColumnsMalformed(f"golden rows that are not base64: {problem}") from problem
