"""Outcomes over HTTP: a body of JSON lines, or one JSON list, becomes rows. Which rows are outcomes, the monitor says."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from starlette.requests import Request

from shipway.monitor import OutcomeMalformed
from shipway.web._errors import BodyTooLarge, MediaTypeUnknown

BODY_BYTES = 64 << 20
_PATIENCE = 4

Row = dict[str, object]
RecordOutcomes = Callable[[list[Row]], int]
"""Makes rows durable, all or none, and says how many; raises OutcomeMalformed, LogNotWritten."""

_decode = msgspec.json.Decoder().decode


async def read_body(request: Request, *, limit: int, encoding: str = "identity") -> bytes:
    """The whole body as it was sent, never holding more than `limit` bytes of it; raises BodyTooLarge, MediaTypeUnknown.

    A body that is too large is read on, a few times the limit, and thrown away: a client that still sends reads no answer.
    """
    if request.headers.get("content-encoding", "identity").strip().lower() != encoding:
        raise MediaTypeUnknown("a packed body", where="Content-Encoding", mend="send it unpacked")
    body, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > _PATIENCE * limit:
            break
        if size <= limit:
            body += chunk
    if size > limit:
        raise BodyTooLarge(f"the body is larger than {limit} bytes", mend="send less in one request")
    return bytes(body)


def check_media_type(given: str) -> str:
    """The media type without its parameters; raises MediaTypeUnknown."""
    kind = given.partition(";")[0].strip().lower()
    if kind not in _PARSERS:
        mend = "Content-Type: application/x-ndjson for JSON lines, application/json for a list"
        raise MediaTypeUnknown(f"outcomes of type {given[:100]!r}", where="Content-Type", mend=mend)
    return kind


def parse_rows(body: bytes, kind: str) -> list[Row]:
    """The rows of a body, in order; raises OutcomeMalformed for what is no JSON object, naming its line (item of a list)."""
    return _PARSERS[kind](body)


def _parse_lines(body: bytes) -> list[Row]:
    lines = body.split(b"\n")
    while lines and not lines[-1].strip():
        lines.pop()
    return [_row(_parse(line, number), number) for number, line in enumerate(lines, 1)]


def _parse_list(body: bytes) -> list[Row]:
    value = _parse(body, 1)
    if not isinstance(value, list):
        raise OutcomeMalformed(f"a list of outcomes was expected, not {type(value).__name__}", line=1, field="-")
    return [_row(item, number) for number, item in enumerate(value, 1)]


def _parse(text: bytes, line: int) -> object:
    try:
        return _decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as problem:
        raise OutcomeMalformed(f"not JSON: {problem}", line=line, field="-") from problem


def _row(value: object, line: int) -> Row:
    if not isinstance(value, dict):
        raise OutcomeMalformed(f"a row is a JSON object, not {type(value).__name__}", line=line, field="-")
    return value


_PARSERS: dict[str, Callable[[bytes], list[Row]]] = {
    "application/x-ndjson": _parse_lines,
    "application/json": _parse_list,
}
