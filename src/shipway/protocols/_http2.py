"""HTTP/2 without TLS, as far as gRPC needs it: one connection of a server, on asyncio. It knows nothing of messages.

What a client may make us hold or do is bounded: streams, headers, frames that ask for an answer and bring no call. A header
block that a connection sends again and again is decoded once. Source: RFC 9113.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import cast

from shipway.protocols import _http2_frames as h2
from shipway.protocols._http2_headers import BLOCK, Broken, HeaderBlocks, RequestHeaders, Unfinished
from shipway.protocols._http2_stream import STREAM_WINDOW, Receiver, Stream

STREAMS = 256  # at once, a connection
CONNECTION_WINDOW = 16 << 20  # bytes that a client may send before it hears from us
PATIENCE = 1000.0  # frames that bring no call; it comes back with calls and with time
_PATIENCE_A_SECOND = 20.0
_MOST_WRITTEN = 1 << 20  # bytes that wait for the network before no more are read

Accept = Callable[[Stream, RequestHeaders], Receiver]


class Connection(asyncio.Protocol):
    """One connection of a client. accept: is given each stream, with its headers; connections: where it stands, alive."""

    def __init__(self, accept: Accept, connections: set[Connection]) -> None:
        self._accept, self._connections = accept, connections
        self._rest = b""
        self._preface = False
        self._blocks = HeaderBlocks()
        self._block: Unfinished | None = None
        self._last, self._unread, self._owed = 0, CONNECTION_WINDOW, 0
        self._initial = h2.WINDOW
        self._draining = self._settled = self._closing = self._paused = False
        self.window, self.frame = h2.WINDOW, h2.FRAME
        self.streams: dict[int, Stream] = {}
        self.waiting: set[Stream] = set()
        self._written: list[bytes] = []
        self._reading = False
        self._loop = asyncio.get_running_loop()
        self._patience = PATIENCE
        self.opened = self.heard = self._loop.time()
        self._stuck_since: float | None = None  # since when the client takes nothing of what waits for it

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # who watches may be long gone
        transport.set_write_buffer_limits(high=_MOST_WRITTEN)
        self._connections.add(self)

    def connection_lost(self, _problem: Exception | None) -> None:
        self._closing = True
        self._connections.discard(self)
        for stream in list(self.streams.values()):
            stream.close()
        self.streams.clear()
        self.waiting.clear()

    def pause_writing(self) -> None:
        """Who does not read is not read either."""
        self._paused = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._paused, self._stuck_since = False, None
        self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        self.heard, self._reading = self._loop.time(), True
        try:
            self._read(self._rest + data if self._rest else data)
        except Broken as problem:
            self.end(problem.reason, problem.words)
        finally:
            self._reading = False
            self._send_written()

    # what streams ask

    def write(self, data: bytes) -> None:
        """Bytes to the client; those of one read go out together."""
        if self._closing:
            return
        self._written.append(data)
        if not self._reading and len(self._written) == 1:
            self._loop.call_soon(self._send_written)

    def answered(self) -> None:
        """A message went out: a client that gets answers may send what goes with them, also on one stream for hours."""
        self._patience = min(PATIENCE, self._patience + 1)

    def forget(self, stream: Stream) -> None:
        """The stream is over."""
        if self.streams.pop(stream.id, None):
            self.waiting.discard(stream)
            self._patience = min(PATIENCE, self._patience + 1)
            stream.close()
            self._end_if_drained()

    # what a server asks

    def drain(self) -> None:
        """No stream that is not on its way already; the connection ends with the last one."""
        if self._closing or self._draining:
            return
        self._draining = True
        if self._preface:
            self._say_draining()
        for stream in list(self.streams.values()):
            if stream.receiver:
                stream.receiver.drain()

    def _say_draining(self) -> None:
        self.write(h2.goaway(h2.LARGEST, h2.NO_ERROR) + h2.frame(h2.PING, 0, 0, b"draining"))

    def settle(self) -> None:
        """What was on its way when the drain began has come by now."""
        if self._draining and not self._settled and not self._closing:
            self.write(h2.goaway(self._last, h2.NO_ERROR))
            self._settled = True
            self._end_if_drained()

    def end(self, reason: int, words: str = "") -> None:
        """Says why and hangs up; streams are cut."""
        if not self._closing:
            self.write(h2.goaway(self._last, reason, words.encode()))
            self._send_written()
            self._closing = True
            self._transport.close()

    def abort(self) -> None:
        """Hangs up without a word."""
        self._closing = True
        self._transport.abort()

    @property
    def since_block(self) -> float | None:
        """Since when headers are incomplete."""
        return self._block.since if self._block else None

    @property
    def spoke(self) -> bool:
        """Whether the client has begun in HTTP/2."""
        return self._preface

    def stuck_for(self, now: float) -> float:
        """For how many seconds answers have waited for the client, as far as somebody looks."""
        if not self._paused and not self.waiting:
            self._stuck_since = None
        elif self._stuck_since is None:
            self._stuck_since = now
        return 0.0 if self._stuck_since is None else now - self._stuck_since

    def _end_if_drained(self) -> None:
        if self._settled and not self.streams and not self._closing:
            self._send_written()
            self._closing = True
            self._transport.close()

    def _send_written(self) -> None:
        if self._written and not self._transport.is_closing():
            self._transport.write(b"".join(self._written))
        self._written.clear()

    # reading

    def _read(self, data: bytes) -> None:
        at = 0
        if not self._preface:
            if not data.startswith(h2.PREFACE):
                self._await_preface(data)
                return
            self._preface, at = True, len(h2.PREFACE)
            asked = {h2.MAX_CONCURRENT_STREAMS: STREAMS, h2.INITIAL_WINDOW_SIZE: STREAM_WINDOW, h2.MAX_HEADER_LIST_SIZE: BLOCK}
            more = h2.number(CONNECTION_WINDOW - h2.WINDOW)
            self.write(h2.settings(asked.items()) + h2.frame(h2.WINDOW_UPDATE, 0, 0, more))
            if self._draining:
                self._say_draining()
        size, unpack = len(data), h2.HEAD.unpack_from
        while size - at >= 9 and not self._closing:
            head, flags, id = unpack(data, at)
            length = head >> 8
            if length > h2.FRAME:
                raise Broken(h2.FRAME_SIZE_ERROR, f"a frame of {length} bytes, expected at most {h2.FRAME}")
            end = at + 9 + length
            if end > size:
                break
            self._frame(head & 255, flags, id & h2.LARGEST, data[at + 9 : end])
            at = end
        self._rest = data[at:]

    def _await_preface(self, data: bytes) -> None:
        if h2.PREFACE.startswith(data):
            self._rest = data
            return
        words = b"this port speaks gRPC (HTTP/2 without TLS)\n"
        length = str(len(words)).encode()
        self._closing = True
        self._transport.write(
            b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: " + length + b"\r\n\r\n" + words
        )
        self._transport.close()

    def _frame(self, kind: int, flags: int, id: int, payload: bytes) -> None:
        if self._block is not None and (kind != h2.CONTINUATION or id != self._block.stream):
            raise Broken(h2.PROTOCOL_ERROR, "expected the rest of a header block")
        if kind == h2.DATA:
            self._data(flags, id, payload)
        elif kind == h2.HEADERS:
            self._headers(flags, id, payload)
        elif reader := _READERS.get(kind):
            reader(self, flags, id, payload)
        elif kind == h2.PUSH_PROMISE:
            raise Broken(h2.PROTOCOL_ERROR, "a client pushes nothing")
        else:
            self._tire()  # a kind that we do not know is passed over

    def _tire(self) -> None:
        """A frame that brings no call. A client that sends many of them and little else is left."""
        self._patience -= 1
        if self._patience < 0:
            raise Broken(h2.ENHANCE_YOUR_CALM, "too many frames that bring no call")

    def refresh(self, seconds: float) -> None:
        """So much time went by."""
        self._patience = min(PATIENCE, self._patience + seconds * _PATIENCE_A_SECOND)

    def _unopened(self, id: int) -> bool:
        """Whether nothing may come on a stream yet. Once we drain, one that came too late may go on, and is not listened to."""
        return id > self._last and not self._settled

    def _data(self, flags: int, id: int, payload: bytes) -> None:
        size = len(payload)
        if id == 0 or self._unopened(id):
            raise Broken(h2.PROTOCOL_ERROR, f"data on stream {id}, which is not open")
        self._unread -= size
        if self._unread < 0:
            raise Broken(h2.FLOW_CONTROL_ERROR, "more data than the window of the connection")
        self._owed += size
        if self._owed >= CONNECTION_WINDOW // 2:
            self.write(h2.frame(h2.WINDOW_UPDATE, 0, 0, h2.number(self._owed)))
            self._unread, self._owed = self._unread + self._owed, 0
        ended = bool(flags & h2.END_STREAM)
        if not size and not ended:
            self._tire()
        stream = self.streams.get(id)
        if stream is None or stream.receiver is None:
            return  # of a stream that is over already
        if stream.ended:
            stream.reset(h2.STREAM_CLOSED)
            return
        stream.unread -= size
        if stream.unread < 0:
            stream.reset(h2.FLOW_CONTROL_ERROR)
            return
        data = _unpadded(flags, payload)
        if size != len(data):
            stream.credit(size - len(data))
        stream.ended = ended
        stream.receiver.received(data, ended=ended)

    def _headers(self, flags: int, id: int, payload: bytes) -> None:
        payload = _unpadded(flags, payload)
        if flags & h2.HAS_PRIORITY:
            if len(payload) < 5:
                raise Broken(h2.FRAME_SIZE_ERROR, "headers too short for their priority")
            payload = payload[5:]
        if flags & h2.END_HEADERS:
            self._open(flags, id, payload)
        else:
            self._block = Unfinished(id, flags, payload, self.heard)

    def _continuation(self, flags: int, _id: int, payload: bytes) -> None:
        block = self._block
        if block is None:
            raise Broken(h2.PROTOCOL_ERROR, "the rest of no header block")
        self._tire()
        block.more(payload)
        if flags & h2.END_HEADERS:
            self._block = None
            self._open(block.flags, block.stream, bytes(block.data))

    def _open(self, flags: int, id: int, block: bytes) -> None:
        if not id % 2:
            raise Broken(h2.PROTOCOL_ERROR, f"a client opens no stream {id}")
        if id <= self._last:
            self._trail(flags, id, block)
            return
        headers = self._blocks.request(block)
        if self._settled:
            return  # beyond the last that was promised an answer
        self._last = id
        stream = Stream(self, id, self._initial)
        stream.ended = bool(flags & h2.END_STREAM)
        if headers is None or len(self.streams) >= STREAMS:
            self._tire()
            why = h2.PROTOCOL_ERROR if headers is None else h2.REFUSED_STREAM
            self.write(h2.frame(h2.RST_STREAM, 0, id, h2.number(why)))
            return
        self.streams[id] = stream
        stream.receiver = self._accept(stream, headers)
        if stream.ended and id in self.streams:
            stream.receiver.received(b"", ended=True)

    def _trail(self, flags: int, id: int, block: bytes) -> None:
        """Headers on a stream that was opened: trailers, which say nothing to us."""
        formed, stream = self._blocks.trailers(block), self.streams.get(id)
        if stream is None:
            self._tire()  # of one that is over already
        elif stream.ended:
            raise Broken(h2.STREAM_CLOSED, f"headers after the end of stream {id}")
        elif not flags & h2.END_STREAM:
            raise Broken(h2.PROTOCOL_ERROR, f"headers in the middle of stream {id}")
        elif not formed:
            self._tire()
            stream.reset(h2.PROTOCOL_ERROR)
        else:
            stream.ended = True
            if stream.receiver:
                stream.receiver.received(b"", ended=True)

    def _settings(self, flags: int, id: int, payload: bytes) -> None:
        if id or len(payload) % 6 or (flags & h2.ACK and payload):
            raise Broken(h2.FRAME_SIZE_ERROR if not id else h2.PROTOCOL_ERROR, "settings of a wrong form")
        self._tire()
        if flags & h2.ACK:
            return
        for key, value in h2.parse_settings(payload):
            if key == h2.INITIAL_WINDOW_SIZE:
                self._set_window(value)
            elif key == h2.MAX_FRAME_SIZE:
                if not h2.FRAME <= value < 1 << 24:
                    raise Broken(h2.PROTOCOL_ERROR, f"frames of {value} bytes")
                self.frame = min(value, 1 << 20)
            elif key == h2.ENABLE_PUSH and value > 1:
                raise Broken(h2.PROTOCOL_ERROR, "push is 0 or 1")
        self.write(h2.frame(h2.SETTINGS, h2.ACK, 0))

    def _set_window(self, value: int) -> None:
        if value > h2.LARGEST:
            raise Broken(h2.FLOW_CONTROL_ERROR, "a window beyond 2^31-1")
        for stream in list(self.streams.values()):
            stream.window += value - self._initial
            if stream.window > h2.LARGEST:
                raise Broken(h2.FLOW_CONTROL_ERROR, "a window beyond 2^31-1")
        self._initial = value
        for stream in list(self.waiting):
            stream.flush()

    def _window_update(self, _flags: int, id: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise Broken(h2.FRAME_SIZE_ERROR, "an increment of other than 4 bytes")
        more = int.from_bytes(payload, "big") & h2.LARGEST
        stream = self.streams.get(id)
        if not more or self._unopened(id):
            raise Broken(h2.PROTOCOL_ERROR, f"an increment of {more} on stream {id}")
        self._stuck_since = None
        if id == 0:
            self.window += more
            if self.window > h2.LARGEST:
                raise Broken(h2.FLOW_CONTROL_ERROR, "a window beyond 2^31-1")
            if not self.waiting:
                self._patience -= 0.01  # one after each answer is usual
            for waiting in list(self.waiting):
                waiting.flush()
        elif stream is None:
            self._patience -= 0.01
        elif stream.window + more > h2.LARGEST:
            stream.reset(h2.FLOW_CONTROL_ERROR)
        else:
            stream.window += more
            self._patience -= 0.01
            stream.flush()
        if self._patience < 0:
            self._tire()

    def _reset(self, _flags: int, id: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise Broken(h2.FRAME_SIZE_ERROR, "a reset of other than 4 bytes")
        if id == 0 or self._unopened(id):
            raise Broken(h2.PROTOCOL_ERROR, f"a reset of stream {id}, which is not open")
        self._tire()
        if stream := self.streams.pop(id, None):
            self.waiting.discard(stream)
            stream.close()
            self._end_if_drained()

    def _ping(self, flags: int, id: int, payload: bytes) -> None:
        if id or len(payload) != 8:
            raise Broken(h2.PROTOCOL_ERROR if id else h2.FRAME_SIZE_ERROR, "a ping of a wrong form")
        self._tire()
        if not flags & h2.ACK:
            self.write(h2.frame(h2.PING, h2.ACK, 0, payload))
        elif payload == b"draining":
            self.settle()

    def _priority(self, _flags: int, id: int, payload: bytes) -> None:
        if len(payload) != 5 or id == 0:
            raise Broken(h2.FRAME_SIZE_ERROR if id else h2.PROTOCOL_ERROR, "a priority of a wrong form")
        self._tire()

    def _goaway(self, _flags: int, id: int, payload: bytes) -> None:
        if id or len(payload) < 8:
            raise Broken(h2.PROTOCOL_ERROR if id else h2.FRAME_SIZE_ERROR, "a farewell of a wrong form")
        self._tire()  # what is open it still wants, and it opens no more


def _unpadded(flags: int, payload: bytes) -> bytes:
    if not flags & h2.PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise Broken(h2.PROTOCOL_ERROR, "more padding than payload")
    return payload[1 : len(payload) - payload[0]]


_READERS: dict[int, Callable[[Connection, int, int, bytes], None]] = {
    h2.PRIORITY: Connection._priority,
    h2.RST_STREAM: Connection._reset,
    h2.SETTINGS: Connection._settings,
    h2.PING: Connection._ping,
    h2.GOAWAY: Connection._goaway,
    h2.WINDOW_UPDATE: Connection._window_update,
    h2.CONTINUATION: Connection._continuation,
}
