"""Rows of values just as a body has them, for models that take text: no array for each column of each request.

A request of one row of twenty columns is one list from the wire to the batch; arrays are made once for all who share it.
Whoever wants columns by name finds them, as in a Matrix, which is what rows without text become.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, final

import numpy as np

from shipway.models._columns import Array
from shipway.models._matrix import Matrix
from shipway.models._signature import DATATYPES

if TYPE_CHECKING:
    from shipway.models._signature import Signature

LETTERS = {
    "BOOL": "?", "INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q", "UINT8": "B", "UINT16": "H",
    "UINT32": "I", "UINT64": "Q", "FP16": "e", "FP32": "f", "FP64": "d",
}  # fmt: skip
_FEW = 2  # rows; of more, an array for each column is the quicker way
_EXACT = 1 << 53  # whole numbers up to here are float64s too
_Kinds = frozenset[type]
_REAL: _Kinds = frozenset({float, int, type(None)})
Values = Sequence[object]


@final
class Rows(Mapping[str, Array]):
    """The columns of a signature by name, held as rows of plain values in its order.

    Every value is one that its column holds: a whole number, a float that is rounded already, a flag, a text or None.
    """

    __slots__ = ("signature", "values_by_row")

    def __init__(self, values: Sequence[Values], signature: Signature) -> None:
        self.values_by_row, self.signature = values, signature

    def __getitem__(self, name: str) -> Array:
        place = self.signature.places[name]
        values: list[Any] = [row[place] for row in self.values_by_row]
        return np.array(values, DATATYPES[self.signature.inputs[place].datatype])

    def __iter__(self) -> Iterator[str]:
        return iter(self.signature.places)

    def __len__(self) -> int:
        return len(self.signature.places)


def join_rows(parts: Sequence[Rows], signature: Signature) -> Rows:
    """One below the other."""
    return Rows([*chain.from_iterable(part.values_by_row for part in parts)], signature)


class RowMaker:
    """Makes the columns of one signature out of plain values, in the one look that what is usual needs.

    Each way gives None for whatever is not usual: it is then read with care, and told what is wrong with it. What is given
    equals what reading with care gives. names: of the columns; sizes: of a value of each in bytes,
    None of text.
    """

    def __init__(self, signature: Signature) -> None:
        self._signature, inputs = signature, signature.inputs
        self.names = [column.name for column in inputs]
        self._kinds = [_kinds(column.datatype) for column in inputs]
        self._dtypes = [np.dtype(DATATYPES[column.datatype]) for column in inputs]
        sizes = (column.datatype != "BYTES" and dtype.itemsize for column, dtype in zip(inputs, self._dtypes, strict=True))
        self.sizes: list[int | None] = [size or None for size in sizes]
        self._reals = [place for place, column in enumerate(inputs) if column.datatype in ("FP32", "FP64")]
        self._long = [place for place, column in enumerate(inputs) if column.datatype in ("INT64", "UINT64")]
        self._flags = [place for place, column in enumerate(inputs) if column.datatype == "BOOL"]
        self._texts = [place for place, column in enumerate(inputs) if column.datatype == "BYTES"]
        self._numbers = [place for place, column in enumerate(inputs) if column.datatype != "BYTES"]
        row = struct.Struct("<" + "".join(LETTERS[inputs[place].datatype] for place in self._numbers))
        self._pack, self._unpack = row.pack, row.unpack

    def of_rows(self, rows: Sequence[Values]) -> Mapping[str, Array] | None:
        """Of rows in the signature's order, one or more, of JSON's values."""
        signature, width = self._signature, len(self.names)
        if not rows or not all(len(row) == width for row in rows):
            return None
        if not signature.real and len(rows) > _FEW:
            return self.of_columns([*zip(*rows, strict=True)])
        try:
            if signature.real:
                if not all(_REAL.issuperset(map(type, row)) for row in rows):
                    return None
                return Matrix(np.array(rows, np.float64), signature)
            typed = [self._typed(row) for row in rows]
        except (TypeError, ValueError, OverflowError, struct.error):
            return None
        return Rows(typed, signature) if signature.text is not None else self._exact(typed)

    def of_columns(self, columns: Sequence[Values]) -> Mapping[str, Array] | None:
        """Of columns in the signature's order, all of them, of JSON's values."""
        signature = self._signature
        if len({*map(len, columns)}) != 1 or not columns[0]:
            return None
        if len(columns[0]) <= _FEW and not signature.real:
            return self.of_rows([*zip(*columns, strict=True)])
        if not all(kinds.issuperset(map(type, column)) for kinds, column in zip(self._kinds, columns, strict=True)):
            return None
        try:
            if signature.real:
                return Matrix(np.ascontiguousarray(np.array(columns, np.float64).T), signature)
            with np.errstate(over="raise"):
                typed = zip(self.names, columns, self._dtypes, strict=True)
                return {name: np.array(values, dtype) for name, values, dtype in typed}
        except (TypeError, ValueError, OverflowError, FloatingPointError):
            return None

    def takes_raw(self, rows: int) -> bool:
        """Whether of_raw has a quick way for so many rows."""
        return rows == 1 or self._signature.real

    def of_raw(self, raw: Sequence[bytes | memoryview], rows: int) -> Mapping[str, Array] | None:
        """Of the little-endian bytes of so many rows of each column in the signature's order, as long as they should be; a text
        comes after its length in four bytes.
        """
        signature = self._signature
        if signature.real:
            array = np.frombuffer(b"".join(raw), "<f8").reshape(len(self.names), rows)
            return Matrix(np.ascontiguousarray(array.T), signature)
        if rows != 1 or any(raw[place][0] > 1 for place in self._flags):
            return None
        if signature.text is None:
            return self._exact([self._unpack(b"".join(raw))])
        values: list[object] = [None] * len(raw)
        for place in self._texts:
            text = bytes(raw[place])
            if int.from_bytes(text[:4], "little") != len(text) - 4:
                return None
            try:
                values[place] = text[4:].decode()
            except UnicodeDecodeError:
                return None
        self._put_numbers(values, self._unpack(b"".join([raw[place] for place in self._numbers])))
        return Rows([values], signature)

    def _typed(self, row: Values) -> Values:
        """The values as their columns hold them; raises whatever does not fit."""
        for value, kinds in zip(row, self._kinds, strict=True):
            if type(value) not in kinds:
                raise TypeError
        values: list[Any] = [*row]
        if None in values:
            for place in self._reals:
                if values[place] is None:
                    values[place] = float("nan")
        if self._signature.text is None:
            return self._unpack(self._pack(*values))
        self._put_numbers(values, self._unpack(self._pack(*[values[place] for place in self._numbers])))
        return values

    def _put_numbers(self, values: list[Any], numbers: Sequence[object]) -> None:
        for place, value in zip(self._numbers, numbers, strict=True):
            values[place] = value

    def _exact(self, rows: Sequence[Values]) -> Matrix | None:
        """A matrix, whose values are float64s."""
        for place in self._long:
            if not all(-_EXACT <= row[place] <= _EXACT for row in rows):  # type: ignore[operator]
                return None
        return Matrix(np.array(rows, np.float64), self._signature)


def _kinds(datatype: str) -> _Kinds:
    """What JSON's values of a datatype are in Python; FP16 has none."""
    if datatype in ("FP32", "FP64"):
        return _REAL
    if datatype == "BYTES":
        return frozenset({str, type(None)})
    return frozenset({bool} if datatype == "BOOL" else set() if datatype == "FP16" else {int})
