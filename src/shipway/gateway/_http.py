"""The little of HTTP that the gateway needs, straight on ASGI: bodies with a limit, whole answers, streams.

No framework: its middleware would cost more than everything else that the gateway does to a call.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, NamedTuple

import msgspec

from shipway.gateway._errors import BodyTooLarge, ClientGone, EncodingUnknown

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

Headers = Mapping[bytes, bytes]
Pairs = tuple[tuple[bytes, bytes], ...]

JSON = b"application/json"
SSE = b"text/event-stream; charset=utf-8"


class Reply(NamedTuple):
    """An answer in one piece."""

    status: int
    body: bytes
    media_type: bytes = JSON
    headers: Pairs = ()


def json_reply(value: object, status: int = 200, headers: Pairs = ()) -> Reply:
    """A reply with a JSON body."""
    return Reply(status, msgspec.json.encode(value), headers=headers)


async def read_body(receive: Receive, headers: Headers, *, limit: int) -> bytes:
    """The body, of at most `limit` bytes; raises BodyTooLarge, EncodingUnknown, ClientGone."""
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise EncodingUnknown("a packed body", mend="send the body as it is, without Content-Encoding")
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ClientGone("the caller hung up before its request was whole")
        chunk: bytes = event.get("body", b"")
        more = event.get("more_body", False)
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


class Responder:
    """The answer to one request; it knows whether a byte of it has left, because from then on nothing can be tried again."""

    __slots__ = ("_begun", "_send", "headers", "started")

    def __init__(self, send: Send, headers: Pairs) -> None:
        self._send, self.headers, self.started = send, headers, False
        self._begun: float | None = None

    @property
    def waits(self) -> float:
        """Seconds for which the client has now not taken what was sent to it; 0 while it reads."""
        return 0.0 if self._begun is None else time.monotonic() - self._begun

    async def whole(self, reply: Reply) -> None:
        """Status, headers and body at once."""
        self.started = True
        length = (b"content-length", b"%d" % len(reply.body))
        start = [(b"content-type", reply.media_type), length, *reply.headers, *self.headers]
        await self._send({"type": "http.response.start", "status": reply.status, "headers": start})
        self._begun = time.monotonic()
        await self._send({"type": "http.response.body", "body": reply.body})
        self._begun = None

    async def begin_stream(self) -> None:
        """Status and headers of a stream of server-sent events."""
        self.started = True
        start = [(b"content-type", SSE), (b"cache-control", b"no-cache"), *self.headers]
        await self._send({"type": "http.response.start", "status": 200, "headers": start})

    async def chunk(self, data: bytes) -> None:
        """Bytes of a stream, at once; waits while the client is slower than the provider."""
        self._begun = time.monotonic()
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        self._begun = None

    async def end(self) -> None:
        """The end of a stream."""
        await self._send({"type": "http.response.body", "body": b""})


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"the body is larger than the limit of {limit} bytes", mend="send less in one call")
