"""One row of numbers as the bytes of columns, in one call: what the prediction log asks for each request of one row.

The bytes are those of `encode_columns`. All but the values is known before, so that a row of twenty costs one `struct.pack`
rather than twenty arrays.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from shipway.models._signature import DATATYPES, Column

_LETTERS = {
    "BOOL": "?", "INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q", "UINT8": "B", "UINT16": "H",
    "UINT32": "I", "UINT64": "Q", "FP16": "e", "FP32": "f", "FP64": "d",
}  # fmt: skip


class RowEncoder:
    """encode_columns of one row of these numeric columns. Raises ValueError for text, which has no fixed width, and for none.

    >>> from shipway.models import encode_columns
    >>> row = RowEncoder([Column("n", "INT64"), Column("x", "FP64")])
    >>> row.encode([1, 2.5]) == encode_columns({"n": np.array([1]), "x": np.array([2.5])})
    True
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        if not columns or any(column.datatype not in _LETTERS for column in columns):
            raise ValueError("one numeric column or more")
        empty = msgspec.msgpack.encode((1, [None] * len(columns)))
        heads = [_head(column) for column in columns]
        heads[0] = empty[: len(empty) - len(columns)] + heads[0]
        letters = (f"{len(head)}s{_LETTERS[column.datatype]}" for head, column in zip(heads, columns, strict=True))
        self._pack = struct.Struct("<" + "".join(letters)).pack
        self._parts: list[object] = [part for head in heads for part in (head, 0)]

    def encode(self, values: Iterable[bool | int | float]) -> bytes:
        """The bytes of a row of these values, Python's own numbers in the order of the columns."""
        parts = self._parts.copy()
        parts[1::2] = values
        return self._pack(*parts)


def _head(column: Column) -> bytes:
    """What comes before the value of a column: its name, datatype and the length of the value."""
    size = np.dtype(DATATYPES[column.datatype]).itemsize
    return msgspec.msgpack.encode((column.name, column.datatype, bytes(size)))[:-size]
