"""How a call of gRPC ends: its status, and the trailers that say so. Source: gRPC over HTTP/2, and its status codes."""

from __future__ import annotations

import re
from enum import IntEnum

from shipway.protocols._http2_frames import header_block


class Code(IntEnum):
    """The status codes that a predictor gives."""

    OK = 0
    CANCELLED = 1
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


_CODES = {
    400: Code.INVALID_ARGUMENT,
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.NOT_FOUND,
    405: Code.UNIMPLEMENTED,
    413: Code.RESOURCE_EXHAUSTED,
    415: Code.UNIMPLEMENTED,
    429: Code.RESOURCE_EXHAUSTED,
    499: Code.CANCELLED,
    501: Code.UNIMPLEMENTED,
    503: Code.UNAVAILABLE,
    504: Code.DEADLINE_EXCEEDED,
}
_WORDS = 4096  # characters of a message: clients take headers of 8 KiB

TRAILER_OK = header_block([(b"grpc-status", b"0")])


class CallFailed(Exception):
    """The call ends with this status, as HTTP numbers it, and these words. after: seconds until another try makes sense."""

    def __init__(self, status: int, words: str, *, after: float | None = None) -> None:
        super().__init__(words)
        self.status, self.words, self.after = status, words, after

    @property
    def code(self) -> Code:
        return code_of(self.status)


def code_of(status: int) -> Code:
    """The code of an answer that HTTP would give this status.

    >>> code_of(404).name, code_of(418).name, code_of(599).name
    ('NOT_FOUND', 'INVALID_ARGUMENT', 'INTERNAL')
    """
    if status < 400:
        return Code.OK
    return _CODES.get(status, Code.INTERNAL if status >= 500 else Code.INVALID_ARGUMENT)


def trailers(failed: CallFailed) -> list[tuple[bytes, bytes]]:
    """The trailers of a call that failed."""
    found = [(b"grpc-status", str(failed.code.value).encode()), (b"grpc-message", _percent(failed.words[:_WORDS]))]
    if failed.after is not None:
        found.append((b"grpc-retry-pushback-ms", str(round(failed.after * 1000)).encode()))
    return found


def _percent(words: str) -> bytes:
    """Everything but printable ASCII, and the percent sign, as %XX of UTF-8."""
    return re.sub(rb"[^\x20-\x24\x26-\x7e]", lambda found: b"%%%02X" % ord(found[0]), words.encode("utf-8", "replace"))


_TIMEOUT = re.compile(rb"(\d{1,8})([HMSmun])")
_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}


def timeout_seconds(given: bytes) -> float:
    """What `grpc-timeout` says; raises CallFailed.

    >>> timeout_seconds(b"250m")
    0.25
    """
    found = _TIMEOUT.fullmatch(given)
    if found is None:
        raise CallFailed(400, f"grpc-timeout: expected digits and one of H M S m u n, given {given[:20]!r}")
    return int(found[1]) * _UNITS[found[2]]
