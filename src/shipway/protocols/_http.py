"""The little of HTTP that a predictor needs, straight on ASGI: bodies with limits, replies, the status of an error.

No framework: at ten thousand requests a second its middleware costs more than the model.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any, ClassVar, NamedTuple

import msgspec

from shipway.kernel.errors import ShipwayError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON = b"application/json"

Headers = Mapping[bytes, bytes]

_THREAD_BYTES = 1 << 14  # what holds so much may unpack to a thousand times that: longer than a health probe should wait
_HELD_BYTES = 1 << 29  # of bodies that are still coming, all together


class BodyTooLarge(ShipwayError):
    """A body, or what it unpacks to, beyond the limit."""

    code = "protocols.body-too-large"


class BodiesTooMany(ShipwayError):
    """Large bodies of many requests are coming at once, and memory for them has an end."""

    code = "protocols.bodies-too-many"
    retry = True


class BodyMalformed(ShipwayError):
    """A body that does not say what its protocol asks for."""

    code = "protocols.body-malformed"


class EncodingUnknown(ShipwayError):
    """A Content-Encoding that we do not unpack."""

    code = "protocols.encoding-unknown"


class NotOffered(ShipwayError):
    """Something that a protocol has and a predictor does not."""

    code = "protocols.not-offered"


class MediaTypeUnknown(ShipwayError):
    """A Content-Type that this protocol does not read."""

    code = "protocols.media-type-unknown"


class ClientGone(Exception):
    """The client hung up before its request was complete; there is nobody to answer."""


class Reply(NamedTuple):
    """An answer: status, body, its media type and further headers."""

    status: int
    body: bytes
    media_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


def json_reply(value: object, status: int = 200, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Reply:
    """A reply with a JSON body."""
    return Reply(status, msgspec.json.encode(value), headers=headers)


async def read_body(receive: Receive, headers: Headers, *, limit: int) -> bytes:
    """The body, unpacked, of at most `limit` bytes before and after; raises BodyTooLarge, EncodingUnknown, BodyMalformed."""
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(f"a body of {int(declared)} bytes", limit)
    body = await _whole_body(receive, limit)
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding == b"identity":
        return body
    if len(body) < _THREAD_BYTES:
        return unpack(body, encoding, limit=limit)
    unpacking = partial(unpack, body, encoding, limit=limit)
    return await asyncio.get_running_loop().run_in_executor(_unpacker(), unpacking)


@cache
def _unpacker() -> ThreadPoolExecutor:
    """One thread, so that many bombs together take the memory of one."""
    return ThreadPoolExecutor(1, "unpack")


def unpack(body: bytes, encoding: bytes, *, limit: int) -> bytes:
    """What a gzip or deflate body holds, never unpacking more than `limit` bytes of it."""
    if encoding not in (b"gzip", b"x-gzip", b"deflate"):
        raise EncodingUnknown(f"Content-Encoding {encoding.decode('latin-1')!r}; expected gzip, deflate or identity")
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # 32: gzip or zlib, by their headers
    try:
        text = unpacker.decompress(body, limit + 1)
    except zlib.error as problem:
        raise BodyMalformed(f"the body is not {encoding.decode()}: {problem}") from problem
    if len(text) > limit:
        raise _too_large("the unpacked body", limit)
    if not unpacker.eof or unpacker.unused_data:
        raise BodyMalformed(f"the {encoding.decode()} body is cut short or has something after its end")
    return text


async def send_reply(send: Send, reply: Reply, headers: list[tuple[bytes, bytes]]) -> None:
    """Writes the reply, with headers that every reply carries."""
    length = (b"content-length", str(len(reply.body)).encode())
    start = [(b"content-type", reply.media_type), length, *reply.headers, *headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": start})
    await send({"type": "http.response.body", "body": reply.body})


async def _whole_body(receive: Receive, limit: int) -> bytes:
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise _too_large("the body", limit)
        return body
    with _Held() as held:
        while message["type"] != "http.disconnect":
            size = held.take(message.get("body", b""))
            if size > limit:
                raise _too_large("the body", limit)
            if not message.get("more_body", False):
                return b"".join(held.chunks)
            message = await receive()
    raise ClientGone


class _Held:
    """The pieces of a body that is still coming, counted with those of all others."""

    all_bytes: ClassVar[int] = 0

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self._size = 0

    def __enter__(self) -> _Held:
        return self

    def __exit__(self, *_: object) -> None:
        _Held.all_bytes -= self._size

    def take(self, chunk: bytes) -> int:
        """The size with this piece; raises BodiesTooMany."""
        if _Held.all_bytes + len(chunk) > _HELD_BYTES:
            raise BodiesTooMany(f"bodies of {_Held.all_bytes >> 20} MB are coming already", mend="try again in a second")
        self.chunks.append(chunk)
        self._size += len(chunk)
        _Held.all_bytes += len(chunk)
        return self._size


def _too_large(what: str, limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"{what} is larger than the limit of {limit} bytes", mend="send fewer rows a request")
