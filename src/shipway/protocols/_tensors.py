"""Tensors of the Open Inference Protocol v2, JSON and binary, to numpy arrays and back.

Strict at the door, because numpy is not: it would read "1.5" as a number, True as 1 and 1.5 as the integer 1. Source:
open-inference-protocol, specification/protocol/inference_rest.md; Triton's binary tensor data extension.
"""

from __future__ import annotations

import struct
from functools import cache
from math import prod
from typing import Any

import msgspec
import numpy as np

from shipway.models import DATATYPES, Array, InputMismatch, datatype_of

_LENGTH = struct.Struct("<I")
_DTYPES = {datatype: np.dtype(code) for datatype, code in DATATYPES.items()}
_DEEPEST = 8  # dimensions; deeper nesting is no model's and is left to fail as a mismatch


def parse_json_tensor(name: str, datatype: str, shape: list[int], data: msgspec.Raw) -> Array:
    """The array of a JSON tensor, its data flat in row-major order or nested; null is NaN. Raises InputMismatch."""
    dtype = _dtype(name, datatype, shape)
    if datatype == "FP16":
        raise InputMismatch(column=name, expected="FP16 as binary data, for it has no form in JSON", given="JSON")
    raw = bytes(data)
    depth = len(shape) if raw[1:2] == b"[" or raw[1:].lstrip()[:1] == b"[" else 1
    try:
        values = _decoder(datatype, depth).decode(raw)
        array: Array = np.array(values, dtype) if datatype != "FP32" else _halved(values, dtype)
    except FloatingPointError:
        raise InputMismatch(column=name, expected=f"numbers that {datatype} can hold", given="a larger one") from None
    except (msgspec.DecodeError, ValueError, OverflowError, TypeError) as problem:
        raise InputMismatch(column=name, expected=f"{datatype} data of shape {shape}", given=_plain(problem)) from problem
    if array.shape != tuple(shape) and (depth > 1 or array.size != prod(shape)):
        raise InputMismatch(column=name, expected=f"data of shape {shape}", given=f"data of shape {list(array.shape)}")
    return array.reshape(shape)


def parse_binary_tensor(name: str, datatype: str, shape: list[int], data: memoryview) -> Array:
    """The array of raw little-endian row-major bytes; BYTES elements each after their u32 length. Raises InputMismatch."""
    dtype = _dtype(name, datatype, shape)
    if datatype == "BYTES":
        return _parse_texts(name, shape, data)
    needed = prod(shape) * dtype.itemsize
    if len(data) != needed:
        raise InputMismatch(column=name, expected=f"{needed} bytes for {datatype} {shape}", given=f"{len(data)} bytes")
    if datatype == "BOOL" and bytes(data).strip(b"\x00\x01"):  # as numpy has it, neither true nor false
        raise InputMismatch(column=name, expected="BOOL of bytes 0 and 1", given="another byte")
    return np.frombuffer(data, dtype).reshape(shape)


def wire_datatype(array: Array) -> str:
    """The protocol's name for the elements of a model's output."""
    datatype = datatype_of(array)
    if datatype is None:
        raise TypeError(f"a model's output of {array.dtype} has no Open Inference datatype")
    return datatype


def binary_data(array: Array) -> bytes:
    """The raw bytes of an array as the binary extension carries them."""
    datatype = wire_datatype(array)
    if datatype != "BYTES":
        return array.astype(DATATYPES[datatype], copy=False).tobytes()
    texts = [item if isinstance(item, bytes) else str(item).encode() for item in array.ravel().tolist()]
    return b"".join(_LENGTH.pack(len(text)) + text for text in texts)


def _parse_texts(name: str, shape: list[int], data: memoryview) -> Array:
    texts: list[str] = []
    at = 0
    while at < len(data):
        (length,) = _LENGTH.unpack(_piece(name, data, at, _LENGTH.size))
        at += _LENGTH.size
        texts.append(_text(name, _piece(name, data, at, length)))
        at += length
    if len(texts) != prod(shape):
        raise InputMismatch(column=name, expected=f"{prod(shape)} elements for shape {shape}", given=f"{len(texts)}")
    return np.array(texts, dtype=object).reshape(shape)


def _piece(name: str, data: memoryview, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise InputMismatch(column=name, expected=f"{size} bytes at {at} of its data", given=f"{len(data) - at}")
    return bytes(data[at : at + size])


def _text(name: str, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise InputMismatch(column=name, expected="BYTES elements in UTF-8", given=repr(data[:20])) from None


def _dtype(name: str, datatype: str, shape: list[int]) -> np.dtype[Any]:
    if datatype not in DATATYPES:
        raise InputMismatch(column=name, expected=f"a datatype of {', '.join(DATATYPES)}", given=repr(datatype))
    if not shape or min(shape) < 0:
        raise InputMismatch(column=name, expected="a shape of one size or more, none negative", given=f"shape {shape}")
    return _DTYPES[datatype]


def _halved(values: Any, dtype: np.dtype[Any]) -> Array:
    """JSON's numbers have twice the bits; raises FloatingPointError for one that would be infinite."""
    with np.errstate(over="raise"):
        return np.array(values, dtype)


@cache
def _decoder(datatype: str, depth: int) -> msgspec.json.Decoder[Any]:
    kind: Any = bool if datatype == "BOOL" else int
    if datatype.startswith("FP") or datatype == "BYTES":
        kind = str | None if datatype == "BYTES" else float | None
    for _ in range(min(depth, _DEEPEST)):
        kind = list[kind]
    return msgspec.json.Decoder(kind)


def _plain(problem: Exception) -> str:
    """Of msgspec's "Expected `int`, got `float` - at `$[2]`" what was got; of numpy's sentences all."""
    return str(problem).rpartition(", got ")[2].replace(" - at `$", " at `")
