"""XGBoost's binary form (UBJSON) as its JSON, number for number: one form of a booster is enough to check and to keep."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from shipway.models._model import ModelUnknown

_DEEPEST = 64  # a booster is ten deep
_NUMBERS = {"i": ">i1", "U": ">u1", "I": ">i2", "l": ">i4", "L": ">i8", "d": ">f4", "D": ">f8"}
_WORDS = {"T": "true", "F": "false", "Z": "null"}


def xgboost_json(data: bytes) -> bytes:
    """The JSON of the same booster. Raises ModelUnknown for other bytes."""
    try:
        reader = _Reader(data)
        text = "".join(reader.value(reader.take(1).decode("latin-1"), 0))
        if reader.place != len(data):
            raise ValueError(f"{len(data) - reader.place} bytes follow it")
        return text.encode()
    except (ValueError, struct.error, KeyError, IndexError) as problem:
        raise ModelUnknown(f"not the binary form that XGBoost saves: {problem!r:.200}", mend="save it as JSON") from problem


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self.place = data, 0

    def take(self, size: int) -> bytes:
        if not 0 <= size <= len(self._data) - self.place:
            raise ValueError("it ends too early")
        found = self._data[self.place : self.place + size]
        self.place += size
        return found

    def value(self, mark: str, depth: int) -> Iterator[str]:
        """The JSON of the value that this mark begins, in pieces."""
        if depth > _DEEPEST:
            raise ValueError(f"values within each other, more than {_DEEPEST} deep")
        if mark == "{":
            yield from self._object(depth)
        elif mark == "[":
            yield from self._array(depth)
        elif mark == "S":
            yield json.dumps(self._text())
        elif mark in _WORDS:
            yield _WORDS[mark]
        else:
            yield from self._numbers(mark, 1)

    def _object(self, depth: int) -> Iterator[str]:
        comma = "{"
        while self._peek() != "}":
            yield f"{comma}{json.dumps(self._text())}:"
            yield from self.value(self._mark(), depth + 1)
            comma = ","
        self.take(1)
        yield "{}" if comma == "{" else "}"

    def _array(self, depth: int) -> Iterator[str]:
        kind = count = None
        if self._peek() == "$":
            self.take(1)
            kind = self._mark()
        if self._peek() == "#":
            self.take(1)
            count = self._whole()
        yield "["
        if kind is not None:
            if count is None:
                raise ValueError("an array of one type without a length")
            yield ",".join(self._numbers(kind, count))
        else:
            yield from self._items(count, depth)
        yield "]"

    def _items(self, count: int | None, depth: int) -> Iterator[str]:
        done = 0
        while self._peek() != "]" if count is None else done < count:
            yield "," if done else ""
            yield from self.value(self._mark(), depth + 1)
            done += 1
        if count is None:
            self.take(1)

    def _numbers(self, kind: str, count: int) -> list[str]:
        dtype = np.dtype(_NUMBERS[kind])
        if count < 0:
            raise ValueError(f"a length of {count}")
        values: Any = np.frombuffer(self.take(count * dtype.itemsize), dtype)
        if dtype.kind != "f":
            return [str(value) for value in values.tolist()]
        if not np.isfinite(values).all():
            raise ValueError("a number that JSON has not")
        return [str(value) for value in values]  # the shortest text that is this very number

    def _text(self) -> str:
        return self.take(self._whole()).decode("utf-8")

    def _whole(self) -> int:
        (text,) = self._numbers(self._mark(), 1)
        return int(text)

    def _mark(self) -> str:
        return self.take(1).decode("latin-1")

    def _peek(self) -> str:
        return chr(self._data[self.place])
