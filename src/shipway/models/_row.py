"""One row as the bytes of columns, its numbers in one call: what the prediction log asks for each request of one row.

The bytes are those of `encode_columns`. All but the values is known before, so that a row of twenty costs one `struct.pack`
rather than twenty arrays.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import msgspec
import numpy as np

from shipway.models._rows import LETTERS
from shipway.models._signature import DATATYPES, Column

_FLOATING = ("FP16", "FP32", "FP64", "BYTES")


class RowEncoder:
    """encode_columns of one row of these columns. Raises ValueError for none.

    >>> from shipway.models import encode_columns
    >>> row = RowEncoder([Column("n", "INT64"), Column("x", "FP64"), Column("s", "BYTES")])
    >>> row.encode([1, 2.5, "a"]) == encode_columns({"n": np.array([1]), "x": np.array([2.5]), "s": np.array(["a"])})
    True
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        if not columns:
            raise ValueError("one column or more")
        empty = msgspec.msgpack.encode((1, [None] * len(columns)))
        start = empty[: len(empty) - len(columns)]
        self._runs: list[_Run | bytes] = []  # of numbers, or what comes before a text
        run: list[Column] = []
        for place, column in enumerate(columns):
            if column.datatype != "BYTES":
                run.append(column)
                continue
            if run:
                self._runs.append(_Run(run, place, start))
                run, start = [], b""
            self._runs.append(start + msgspec.msgpack.encode((column.name, "BYTES", [None]))[:-1])
            start = b""
        if run:
            self._runs.append(_Run(run, len(columns), start))
        self._only = self._runs[0] if len(self._runs) == 1 and isinstance(self._runs[0], _Run) else None
        kinds = ((place, column.datatype) for place, column in enumerate(columns))
        self._wholes = [(place, bool if kind == "BOOL" else int) for place, kind in kinds if kind not in _FLOATING]

    def encode(self, values: Sequence[object]) -> bytes:
        """The bytes of a row of these values, Python's own in the order of the columns. Raises UnicodeEncodeError."""
        if self._only:
            return self._only.encode(values)
        parts: list[bytes] = []
        at = 0
        for run in self._runs:
            if isinstance(run, bytes):
                parts += (run, msgspec.msgpack.encode(values[at]))
                at += 1
            else:
                parts.append(run.encode(values[at : run.end]))
                at = run.end
        return b"".join(parts)

    def encode_reals(self, values: list[float]) -> bytes:
        """The same of numbers that are all floats, each of which its column can hold."""
        if not self._wholes:
            return self.encode(values)
        row: list[object] = [*values]
        for place, kind in self._wholes:
            row[place] = kind(values[place])
        return self.encode(row)


class _Run:
    """Columns of numbers next to each other, whose bytes are one call. end: the place after the last of them."""

    def __init__(self, columns: Sequence[Column], end: int, start: bytes) -> None:
        self.end = end
        heads = [_head(column) for column in columns]
        heads[0] = start + heads[0]
        letters = (f"{len(head)}s{LETTERS[column.datatype]}" for head, column in zip(heads, columns, strict=True))
        self._pack = struct.Struct("<" + "".join(letters)).pack
        self._parts: list[object] = [part for head in heads for part in (head, 0)]

    def encode(self, values: Sequence[object]) -> bytes:
        parts = self._parts.copy()
        parts[1::2] = values
        return self._pack(*parts)


def _head(column: Column) -> bytes:
    """What comes before the value of a column: its name, datatype and the length of the value."""
    size = np.dtype(DATATYPES[column.datatype]).itemsize
    return msgspec.msgpack.encode((column.name, column.datatype, bytes(size)))[:-size]
