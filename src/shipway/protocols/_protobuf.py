"""The wire of protobuf, as far as OpenTelemetry's messages need it: numbers, lengths, and values of any kind that is plain.

Source: protobuf's encoding; opentelemetry-proto 1.x (common: AnyValue).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

Value = str | int | float | bool


def read_value(data: int | bytes) -> Value | None:
    for number, value in read_fields(read_bytes(data)):
        if number == 1:
            return read_text(value)
        if number == 2:
            return bool(value)
        if number == 3 and isinstance(value, int):
            return value - (1 << 64) if value >> 63 else value
        if number == 4 and isinstance(value, int):
            return float(struct.unpack("<d", value.to_bytes(8, "little"))[0])
    return None


def read_messages(data: bytes, field: int) -> Iterator[bytes]:
    return (read_bytes(value) for number, value in read_fields(data) if number == field)


def read_fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field: a varint or fixed number as a whole number, what has a length as bytes."""
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _read_varint(data, at)
            yield number, value
            continue
        if wire == 2:
            size, at = _read_varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if at + size > len(data):
            raise ValueError("a field is cut short")
        piece, at = data[at : at + size], at + size
        yield number, piece if wire == 2 else int.from_bytes(piece, "little")


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(10):
        byte = data[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value & (2**64 - 1), at + place + 1
    raise ValueError("a number of more than ten bytes")


def write_varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def read_bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where a message was expected")
    return value


def read_text(value: int | bytes) -> str:
    return read_bytes(value).decode()
