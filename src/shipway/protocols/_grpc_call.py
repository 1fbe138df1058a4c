"""One call of gRPC on a stream of HTTP/2: messages in and out, deadline, encoding, status. It knows no message's meaning."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from shipway.kernel.errors import ShipwayError
from shipway.protocols._grpc_status import TRAILER_OK, CallFailed, timeout_seconds, trailers
from shipway.protocols._http import Headers, unpack
from shipway.protocols._http2_frames import CANCEL, header_block
from shipway.protocols._http2_stream import Stream

_PREFIX = 5  # bytes before a message: whether it is packed, and its length
_AHEAD = 16  # messages of a stream that wait to be taken, before the client has to
_ENCODINGS = b"identity, gzip, deflate"


class Observe(Protocol):
    """Told of a prediction that was answered, by the status that HTTP would have; as RequestMetrics.observe."""

    def __call__(self, status: int, seconds: float, *, rows: int = 0, decode: float = 0.0, encode: float = 0.0) -> None: ...


Answer = Callable[[bytes, "Call"], bytes]
Predict = Callable[[bytes, "Call"], Awaitable[bytes]]
Converse = Callable[["Call"], Coroutine[None, None, None]]


class Method(NamedTuple):
    """How a method answers, by one of these: at once, by a prediction, or in a conversation. Predictions are counted."""

    answer: Answer | None = None
    predict: Predict | None = None
    converse: Converse | None = None


@dataclass(slots=True)
class Room:
    """What all calls of a process share: the largest message, what may be held of incomplete ones, and what is."""

    message_bytes: int
    held_bytes: int
    held: int = 0


class Host(Protocol):
    """What a call asks of its server."""

    room: Room
    head: bytes  # of every answer, as a block

    def method(self, path: bytes) -> Method | None: ...
    def refused(self, problem: Exception) -> CallFailed: ...
    @property
    def observe(self) -> Observe: ...


class Call:
    """A call from its headers to its status. It is the receiver of its stream.

    head: of its answer, as a block; rows, decode, encode: of a prediction, how many and how long it took to read and to write.
    """

    __slots__ = (
        "_begun", "_came", "_data", "_deadline", "_held", "_host", "_inbox", "_method", "_over", "_owed", "_stream",
        "_task", "_unpacker", "_wakes", "decode", "draining", "encode", "ended", "head", "headers", "opened", "rows",
    )  # fmt: skip

    def __init__(self, host: Host, stream: Stream, headers: Headers) -> None:
        self._host, self._stream, self.headers = host, stream, headers
        self._method = Method()
        self._data, self._held = bytearray(), 0
        self._inbox: deque[bytes] = deque()
        self._unpacker = b"identity"
        self._owed, self._came = 0, 0.0
        self._begun = self._over = self.ended = self.draining = False
        self._task: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._wakes: asyncio.Future[None] | None = None
        self.head, self.rows, self.decode, self.encode = host.head, 0, 0.0, 0.0
        self.opened = asyncio.get_running_loop().time()

    def begin(self) -> None:
        """Looks at the headers; a call that cannot be one is refused."""
        headers = self.headers
        media, path = headers.get(b"content-type", b""), headers.get(b":path", b"")
        if headers.get(b":method") != b"POST" or not _is_grpc(media):
            self._refuse_http(405 if headers.get(b":method") != b"POST" else 415)
            return
        try:
            found = self._host.method(path)
            if found is None:
                raise CallFailed(501, f"no method {path[:200].decode('latin-1')!r} here")
            self._method = found
            if b"origin" in headers:
                raise CallFailed(403, "a page in a browser asks; ask from a program, without Origin")
            self._unpacker = _encoding(headers.get(b"grpc-encoding", b"identity"))
            if timeout := headers.get(b"grpc-timeout"):
                seconds = timeout_seconds(timeout)
                self._deadline = asyncio.get_running_loop().call_later(seconds, self._expire)
        except CallFailed as failed:
            self.fail(failed)
            return
        if self._method.converse:
            self._task = asyncio.get_running_loop().create_task(self._conversation(self._method.converse))

    # the stream's side

    def received(self, data: bytes, *, ended: bool) -> None:
        """Data of the client, and whether that was all."""
        if self._over:
            return
        try:
            self._take(data)
            if ended and self._data:
                raise CallFailed(400, f"the stream ended within a message, after {len(self._data)} bytes of it")
            if ended:
                self._end()
        except CallFailed as failed:
            self.fail(failed)
        except ShipwayError as problem:
            self.fail(self._host.refused(problem))

    def gone(self) -> None:
        """The stream is over, answered or not."""
        self._host.room.held -= self._held
        self._held = 0
        if self._deadline:
            self._deadline.cancel()
        if not self._over:
            self._over = True
            self._count(499)
            self._cancel()

    def drain(self) -> None:
        """The server ends: a conversation answers what it has been asked, and ends."""
        self.draining = True
        self._wake()

    def look(self, now: float, patience: float) -> None:
        """Ends a call whose one message does not come. now: of the loop, as `opened`."""
        if not self._method.converse and not self.ended and now - self.opened > patience:
            self.fail(CallFailed(504, f"the message did not come in {patience:.0f} s"))

    # what answers it

    async def messages(self) -> AsyncIterator[bytes]:
        """The client's messages, as they come; the end of it, or a drain, ends them."""
        while True:
            while self._inbox:
                message = self._inbox.popleft()
                self._credit()
                yield message
            if self.ended or self.draining:
                return
            self._wakes = asyncio.get_running_loop().create_future()
            await self._wakes

    async def send(self, message: bytes) -> None:
        """One message of a conversation, which waits for a client that does not take it."""
        if not self._begun:
            self._begun = True
            self._stream.begin(self.head)
        self._stream.send(_framed(message))
        await self._stream.drained()

    def fail(self, failed: CallFailed) -> None:
        """Ends the call with a status that is not OK."""
        if self._over:
            return
        self._over = True
        self._count(failed.status)
        block = header_block(trailers(failed))
        if not self._begun:
            more = header_block([(b"grpc-accept-encoding", _ENCODINGS)]) if failed.status == 415 else b""
            block = self.head + more + block
        self._stream.finish(block)
        self._cancel()

    # within

    def _take(self, data: bytes) -> None:
        room = self._host.room
        if not self._data and len(data) >= _PREFIX and int.from_bytes(data[1:_PREFIX], "big") == len(data) - _PREFIX:
            self._message(data[0], data[_PREFIX:])  # one frame of data is one message, as it mostly is
        else:
            self._data += data
            self._hold(len(data))
            while len(self._data) >= _PREFIX:
                size = int.from_bytes(self._data[1:_PREFIX], "big")
                if size > room.message_bytes:
                    raise CallFailed(413, f"a message of {size} bytes, and the limit is {room.message_bytes}; send fewer rows")
                if len(self._data) < _PREFIX + size:
                    break
                packed, message = self._data[0], bytes(self._data[_PREFIX : _PREFIX + size])
                del self._data[: _PREFIX + size]
                self._hold(-_PREFIX - size)
                self._message(packed, message)
        self._owed += len(data)
        self._credit()

    def _hold(self, size: int) -> None:
        room = self._host.room
        self._held += size
        room.held += size
        if size > 0 and room.held > room.held_bytes:
            raise CallFailed(429, f"unfinished messages hold {room.held_bytes} bytes already; try again")

    def _message(self, packed: int, message: bytes) -> None:
        if packed > 1:
            raise CallFailed(400, f"a message that begins with {packed}, expected 0 or 1")
        if packed:
            if self._unpacker == b"identity":
                raise CallFailed(400, "a packed message, and grpc-encoding does not say how")
            message = unpack(message, self._unpacker, limit=self._host.room.message_bytes)
        elif len(message) > self._host.room.message_bytes:
            raise CallFailed(413, f"a message of {len(message)} bytes is too large; send fewer rows")
        if not self._method.converse and self._inbox:
            raise CallFailed(400, "more than one message to a method that takes one")
        self._inbox.append(message)
        self._wake()

    def _credit(self) -> None:
        if self._owed and len(self._inbox) < _AHEAD:
            self._stream.credit(self._owed)
            self._owed = 0

    def _wake(self) -> None:
        if self._wakes and not self._wakes.done():
            self._wakes.set_result(None)

    def _end(self) -> None:
        """The client has said everything."""
        self.ended, self._came = True, time.perf_counter()
        self._wake()
        method = self._method
        if method.converse:
            return
        if not self._inbox:
            raise CallFailed(400, "no message to a method that takes one")
        message = self._inbox.popleft()
        if method.predict:
            self._task = asyncio.get_running_loop().create_task(self._predict(method.predict, message))
        elif method.answer:
            try:
                found = method.answer(message, self)
            except Exception as problem:
                self.fail(self._host.refused(problem))
            else:
                self._succeed(found)

    async def _predict(self, predict: Predict, message: bytes) -> None:
        try:
            message = await predict(message, self)
        except Exception as problem:
            self.fail(self._host.refused(problem))
        else:
            if not self._over:
                self._succeed(message)

    async def _conversation(self, converse: Converse) -> None:
        try:
            await converse(self)
            if self.draining and not self.ended:
                raise CallFailed(503, "this predictor ends; open the stream again", after=0.0)
        except Exception as problem:
            self.fail(self._host.refused(problem))
            return
        if not self._over:
            self._over = True
            self._stream.finish(TRAILER_OK if self._begun else self.head + TRAILER_OK)

    def _succeed(self, message: bytes) -> None:
        self._over = True
        self._count(200)
        self._stream.answer(self.head, _framed(message), TRAILER_OK)

    def _expire(self) -> None:
        if self._over:  # and the answer waits for a client that does not want it any more
            self._stream.reset(CANCEL)
            return
        self.fail(CallFailed(504, "the deadline of the call passed"))

    def _cancel(self) -> None:
        if self._task and self._task is not asyncio.current_task():
            self._task.cancel()

    def _count(self, status: int) -> None:
        if self._method.predict:
            seconds = time.perf_counter() - self._came if self._came else 0.0
            if status == 200:
                self._host.observe(status, seconds, rows=self.rows, decode=self.decode, encode=self.encode)
            else:
                self._host.observe(status, seconds)

    def _refuse_http(self, status: int) -> None:
        """Who asks so speaks no gRPC, and is answered in HTTP."""
        self._over = True
        self._stream.finish(header_block([(b"content-length", b"0")], status=status))


def _framed(message: bytes) -> bytes:
    return b"\x00" + len(message).to_bytes(4, "big") + message


def _is_grpc(media: bytes) -> bool:
    return media.startswith(b"application/grpc") and media[16:17] in (b"", b"+", b";")


def _encoding(given: bytes) -> bytes:
    if given not in (b"identity", b"gzip", b"deflate"):
        raise CallFailed(415, f"grpc-encoding {given[:40].decode('latin-1')!r}; expected gzip, deflate or identity")
    return given
