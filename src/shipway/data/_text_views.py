"""The texts of a Polars column as Arrow holds them: 16 bytes each, in which a text of up to 12 bytes stands whole.

Polars gives its columns to others through Arrow's C stream interface, without a copy and without a library; this reads the one
array of it that is needed and gives it back. What it does not expect it does not read.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import polars as pl
from numpy.typing import NDArray

SHORT = 12  # bytes of a text that stands whole in its view
_VIEWS = 1  # the place of the views among the buffers of an array; before it the nulls


class _Schema(ctypes.Structure):
    """ArrowSchema: of it only the format and how to give it back are used."""

    _fields_ = (
        ("format", ctypes.c_char_p),
        ("name", ctypes.c_void_p),
        ("metadata", ctypes.c_void_p),
        ("flags", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("children", ctypes.c_void_p),
        ("dictionary", ctypes.c_void_p),
        ("release", ctypes.CFUNCTYPE(None, ctypes.c_void_p)),
        ("private_data", ctypes.c_void_p),
    )


class _Array(ctypes.Structure):
    """ArrowArray."""

    _fields_ = (
        ("length", ctypes.c_int64),
        ("null_count", ctypes.c_int64),
        ("offset", ctypes.c_int64),
        ("n_buffers", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("buffers", ctypes.POINTER(ctypes.c_void_p)),
        ("children", ctypes.c_void_p),
        ("dictionary", ctypes.c_void_p),
        ("release", ctypes.CFUNCTYPE(None, ctypes.c_void_p)),
        ("private_data", ctypes.c_void_p),
    )


class _Stream(ctypes.Structure):
    """ArrowArrayStream. Who made the capsule gives it back."""

    _fields_ = (
        ("get_schema", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)),
        ("get_next", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)),
        ("get_last_error", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    )


_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype, _pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)


def text_views(values: pl.Series) -> NDArray[np.uint32] | None:
    """(n, 4): of each text its length and, up to SHORT bytes, the text filled with 0. None where Polars holds texts otherwise.

    What stands for a null means nothing.
    """
    capsule = values.__arrow_c_stream__()
    address = _pointer(capsule, b"arrow_array_stream")
    stream = ctypes.cast(address, ctypes.POINTER(_Stream)).contents
    if _format(stream, address) != b"vu":
        return None
    found = []
    while True:
        with _next(stream, address) as array:
            if array is None:
                break
            if array.length:
                start = array.buffers[_VIEWS] + array.offset * 16
                found.append(np.frombuffer(ctypes.string_at(start, array.length * 16), np.uint32))
    return np.concatenate([*found, np.zeros(0, np.uint32)]).reshape(-1, 4)


def _format(stream: _Stream, address: int) -> bytes:
    schema = _Schema()
    if stream.get_schema(address, ctypes.byref(schema)):
        return b""
    kind = schema.format or b""
    if schema.release:
        schema.release(ctypes.addressof(schema))
    return bytes(kind)


@contextmanager
def _next(stream: _Stream, address: int) -> Iterator[_Array | None]:
    """The next array of the stream, given back at the end; None after the last."""
    array = _Array()
    if stream.get_next(address, ctypes.byref(array)) or not array.release:
        yield None
        return
    try:
        yield array
    finally:
        array.release(ctypes.addressof(array))
