"""What other people's servers and collectors send: CloudEvents and OTLP over HTTP. What is in a body, a receiver says."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

from starlette.requests import Request

from shipway.web._errors import BodyTooLarge, MediaTypeUnknown
from shipway.web._outcomes import read_body

EVENT_BYTES = 16 << 20
PROTOBUF = "application/x-protobuf"

Headers = Mapping[bytes, bytes]


class Answer(NamedTuple):
    """The body of an answer, and its media type."""

    body: bytes
    media_type: str


Receive = Callable[[bytes, Headers, Mapping[str, str]], Answer]
"""Takes a body with its headers (names in small letters) and the parameters of the address, in any thread.

Raises EventRefused, LogNotWritten, OutcomeMalformed.
"""


class Receivers(NamedTuple):
    """events: of a payload logger; logs, traces: exports of OTLP."""

    events: Receive
    logs: Receive
    traces: Receive


async def read_packed(request: Request, *, limit: int) -> bytes:
    """As read_body, of a body that may come as gzip; unpacked it is no larger than `limit` either."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "gzip":
        return await read_body(request, limit=limit)
    packed = await read_body(request, limit=limit, encoding="gzip")
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        body = unpacker.decompress(packed, limit + 1)
    except zlib.error as problem:
        raise MediaTypeUnknown(
            f"the body is no gzip: {problem}", where="Content-Encoding", mend="send it unpacked"
        ) from problem
    if len(body) > limit:
        raise BodyTooLarge(f"the body is larger than {limit} bytes", mend="send less in one request")
    if not unpacker.eof:
        raise MediaTypeUnknown("the body is cut short", where="Content-Encoding", mend="send it whole")
    return body


def telemetry_type(given: str) -> str:
    """The media type of an export without its parameters; raises MediaTypeUnknown."""
    kind = given.partition(";")[0].strip().lower()
    if kind not in (PROTOBUF, "application/json"):
        mend = f"Content-Type: {PROTOBUF} or application/json, as OTLP over HTTP has it"
        raise MediaTypeUnknown(f"an export of type {given[:100]!r}", where="Content-Type", mend=mend)
    return kind
