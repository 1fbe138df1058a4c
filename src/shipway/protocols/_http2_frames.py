"""Frames of HTTP/2, as bytes: what a server of gRPC reads and writes. Pure; source: RFC 9113 and RFC 7541."""

from __future__ import annotations

import struct
from collections.abc import Iterable

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
ACK = END_STREAM = 0x1
END_HEADERS, PADDED, HAS_PRIORITY = 0x4, 0x8, 0x20

NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = 0x0, 0x1, 0x2, 0x3
STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL = 0x5, 0x6, 0x7, 0x8
COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 0x9, 0xB

MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = 0x3, 0x4, 0x5, 0x6
ENABLE_PUSH = 0x2

FRAME = 16_384  # bytes of a payload: the size that everybody takes, and the largest that we take
WINDOW = 65_535  # of a connection and of a stream, until somebody says otherwise
LARGEST = 2**31 - 1  # of windows and of numbers of streams
HEAD = struct.Struct(">IBI")  # length and type, flags, stream
_PAIR = struct.Struct(">HI")


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame."""
    return HEAD.pack(len(payload) << 8 | kind, flags, stream) + payload


def settings(pairs: Iterable[tuple[int, int]]) -> bytes:
    """What we ask of the other side."""
    return frame(SETTINGS, 0, 0, b"".join(_PAIR.pack(*pair) for pair in pairs))


def parse_settings(payload: bytes) -> list[tuple[int, int]]:
    """What the other side asks. The length of the payload is a multiple of six."""
    return list(_PAIR.iter_unpack(payload))


def number(value: int) -> bytes:
    """Four bytes: a window's increment, the reason of a reset."""
    return value.to_bytes(4, "big")


def goaway(last: int, reason: int, words: bytes = b"") -> bytes:
    """No stream beyond `last` is answered."""
    return frame(GOAWAY, 0, 0, number(last) + number(reason) + words)


def header_block(headers: Iterable[tuple[bytes, bytes]], *, status: int | None = None) -> bytes:
    """Headers as literals that no table remembers, so that a block is the same bytes each time.

    >>> header_block([(b"a", b"b")])
    b'\\x00\\x01a\\x01b'
    """
    first = b"" if status is None else b"\x88" if status == 200 else b"\x08" + _text(str(status).encode())
    return first + b"".join(b"\x00" + _text(name) + _text(value) for name, value in headers)


def _text(text: bytes) -> bytes:
    return _length(len(text)) + text


def _length(value: int) -> bytes:
    if value < 127:
        return bytes((value,))
    out, value = bytearray((127,)), value - 127
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
