"""Weights of four bits written with eight: of GGUF's type Q4_1 llama.cpp reads prompts one row at a time, of Q8_0 in blocks.

The same numbers within 1/254 of the largest of their block of 32; the same bytes on every machine. Nothing else of the file
is looked at, and what is of another type is copied as it is.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

_Q4_1, _Q8_0 = 3, 8
_TEXT, _LIST = 8, 9
_WIDTH = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # bytes of a number, by its type
_ALIGNMENT = 32  # GGUF's default; a file that says another one is refused


@dataclass(frozen=True, slots=True)
class _Tensor:
    """name: with its length before it, as the file has it; start: where its bytes begin, from the file's beginning."""

    name: bytes
    shape: tuple[int, ...]
    kind: int
    start: int


def write_eight_bits(source: Path, target: Path) -> None:
    """Write the GGUF file `source` to `target`, its Q4_1 tensors as Q8_0. Raises ValueError for another kind of file."""
    data = source.read_bytes()
    head, tensors = _read(data)
    kept = sorted(tensors, key=lambda tensor: tensor.start)
    ends = [*(tensor.start for tensor in kept[1:]), len(data)]
    infos, pieces, offset = [], [], 0
    for tensor, end in zip(kept, ends, strict=True):
        written, piece = tensor, data[tensor.start : end]
        if tensor.kind == _Q4_1:
            written, piece = replace(tensor, kind=_Q8_0), eight_bits(piece[: math.prod(tensor.shape) // 32 * 20])
        infos.append(_info(written, offset))
        pieces.append(_padded(piece))
        offset += len(pieces[-1])
    with target.open("wb") as file:
        file.write(_padded(head + b"".join(infos)))
        file.writelines(pieces)


def eight_bits(blocks: bytes) -> bytes:
    """Blocks of 32 weights: from half-precision scale, least and 4 bits each to half-precision scale and 8 bits each."""
    given = np.frombuffer(blocks, np.uint8).reshape(-1, 20)
    scale, least = (_half(given[:, start : start + 2]) for start in (0, 2))
    weights = np.concatenate([given[:, 4:] & 15, given[:, 4:] >> 4], axis=1).astype(np.float32) * scale + least
    step = (np.abs(weights).max(axis=1, keepdims=True) / np.float32(127)).astype("<f2")
    wide = step.astype(np.float32)
    numbers = np.rint(weights / np.where(wide > 0, wide, np.float32(1))).clip(-127, 127).astype(np.int8)
    return np.concatenate([step.view(np.uint8), numbers.view(np.uint8)], axis=1).tobytes()


def _half(pairs: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(pairs).view("<f2").astype(np.float32)


def _read(data: bytes) -> tuple[bytes, list[_Tensor]]:
    """Everything before the list of tensors, and the list."""
    if data[:4] != b"GGUF":
        raise ValueError("not a GGUF file")
    _, tensors, values = struct.unpack_from("<IQQ", data, 4)
    place = 24
    for _ in range(values):
        name, place = _text(data, place)
        (kind,) = struct.unpack_from("<I", data, place)
        if name == b"general.alignment":
            raise ValueError("a GGUF file with an alignment of its own")
        place = _after(data, place + 4, kind)
    head, found = data[:place], []
    for _ in range(tensors):
        begin = place
        _, place = _text(data, place)
        named = data[begin:place]
        (count,) = struct.unpack_from("<I", data, place)
        *shape, kind, offset = struct.unpack_from(f"<{count}QIQ", data, place + 4)
        place += 16 + 8 * count
        found.append(_Tensor(named, tuple(shape), kind, offset))
    start = -(-place // _ALIGNMENT) * _ALIGNMENT
    return head, [replace(tensor, start=start + tensor.start) for tensor in found]


def _text(data: bytes, place: int) -> tuple[bytes, int]:
    (size,) = struct.unpack_from("<Q", data, place)
    return data[place + 8 : place + 8 + size], place + 8 + size


def _after(data: bytes, place: int, kind: int) -> int:
    """Where a value of this type ends."""
    if kind == _TEXT:
        return _text(data, place)[1]
    if kind != _LIST:
        return place + _WIDTH[kind]
    inner, count = struct.unpack_from("<IQ", data, place)
    place += 12
    if inner not in (_TEXT, _LIST):
        return place + int(count) * _WIDTH[inner]
    for _ in range(count):
        place = _after(data, place, inner)
    return place


def _info(tensor: _Tensor, offset: int) -> bytes:
    return tensor.name + struct.pack(f"<I{len(tensor.shape)}QIQ", len(tensor.shape), *tensor.shape, tensor.kind, offset)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _ALIGNMENT)
