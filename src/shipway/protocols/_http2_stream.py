"""One stream of an HTTP/2 connection: where an answer is written, as fast as the client's windows take it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from shipway.protocols import _http2_frames as h2

STREAM_WINDOW = 1 << 20  # bytes that a client may send on a stream before it hears from us


class Receiver(Protocol):
    """Who a stream's bytes are for."""

    def received(self, data: bytes, *, ended: bool) -> None: ...
    def gone(self) -> None: ...
    def drain(self) -> None: ...


class Wire(Protocol):
    """What a stream needs of its connection. window, frame: bytes that the client takes now, and in one frame."""

    window: int
    frame: int
    waiting: set[Stream]

    def write(self, data: bytes) -> None: ...
    def answered(self) -> None: ...
    def forget(self, stream: Stream) -> None: ...


class Stream:
    """One stream: where an answer is written, within the windows of the client."""

    __slots__ = (
        "_connection", "_drained", "_tail", "_waiting", "credit_owed", "ended", "id", "receiver", "unread", "window",
    )  # fmt: skip

    def __init__(self, connection: Wire, id: int, window: int) -> None:
        self.id, self.window, self.unread, self.credit_owed = id, window, STREAM_WINDOW, 0
        self.ended = False  # by the client
        self.receiver: Receiver | None = None
        self._connection = connection
        self._waiting: deque[memoryview] = deque()
        self._tail: bytes | None = None
        self._drained: asyncio.Future[None] | None = None

    def answer(self, head: bytes, data: bytes, tail: bytes) -> None:
        """The whole answer: headers, data and trailers, the blocks ready made."""
        self._connection.write(h2.frame(h2.HEADERS, h2.END_HEADERS, self.id, head))
        self.send(data)
        self.finish(tail)

    def begin(self, head: bytes) -> None:
        """The headers of an answer that comes in parts."""
        self._connection.write(h2.frame(h2.HEADERS, h2.END_HEADERS, self.id, head))

    def send(self, data: bytes) -> None:
        """Data, as soon as the client's windows take them."""
        if data:
            self._connection.answered()
            self._waiting.append(memoryview(data))
            self.flush()

    def finish(self, block: bytes) -> None:
        """The trailers, after the data; or headers that are the whole answer. The stream is over."""
        self._tail = block
        self.flush()

    def reset(self, reason: int) -> None:
        """Ends the stream at once."""
        self._connection.write(h2.frame(h2.RST_STREAM, 0, self.id, h2.number(reason)))
        self._connection.forget(self)

    async def drained(self) -> None:
        """Returns once the client has taken the windows' worth of all data; raises CancelledError when it is gone."""
        if self._waiting:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained

    def credit(self, size: int) -> None:
        """The client may send so many bytes more on this stream."""
        self.credit_owed += size
        if self.credit_owed >= STREAM_WINDOW // 2 and not self.ended:
            self._connection.write(h2.frame(h2.WINDOW_UPDATE, 0, self.id, h2.number(self.credit_owed)))
            self.unread += self.credit_owed
            self.credit_owed = 0

    def flush(self) -> None:
        """Sends what the windows allow."""
        connection = self._connection
        while self._waiting and (room := min(self.window, connection.window, connection.frame)) > 0:
            data = self._waiting[0]
            piece, rest = data[:room], data[room:]
            if rest:
                self._waiting[0] = rest
            else:
                self._waiting.popleft()
            self.window -= len(piece)
            connection.window -= len(piece)
            connection.write(h2.frame(h2.DATA, 0, self.id, bytes(piece)))
        if self._waiting:
            connection.waiting.add(self)
            return
        connection.waiting.discard(self)
        if self._drained and not self._drained.done():
            self._drained.set_result(None)
        if self._tail is not None:
            connection.write(h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, self.id, self._tail))
            if not self.ended:  # it need not send the rest
                connection.write(h2.frame(h2.RST_STREAM, 0, self.id, h2.number(h2.NO_ERROR)))
            connection.forget(self)

    def close(self) -> None:
        """Nothing can be written any more."""
        if self._drained and not self._drained.done():
            self._drained.cancel()
        if self.receiver:
            self.receiver.gone()
