"""A server that waits for nobody for ever: limits on how long a client may take, and on how many may be connected.

uvicorn limits only how long a connection may be quiet between two requests. Once a second each connection is looked at, so that
a request pays for the count of its bytes and no more.
"""

from __future__ import annotations

import resource
from typing import Any, NamedTuple

import msgspec
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 1 << 16
_CONNECTIONS = 8192
_OWN_FILES = 128  # log, sockets, libraries: what a process has open beside its connections
_REASONS = {408: b"Request Timeout", 431: b"Request Header Fields Too Large", 503: b"Service Unavailable"}


class Patience(NamedTuple):
    """Seconds: for the head of a request once it has begun, between two pieces of a body or of an answer that is taken, for a
    whole body, and for a connection that has asked nothing yet.
    """

    head: float = 20.0
    pause: float = 20.0
    body: float = 300.0
    quiet: float = 75.0


class _Seen(NamedTuple):
    """What a connection was at when it was looked at: since when, how far, and when it last came on."""

    work: object
    since: float
    far: int
    moved: float


_received = HttpToolsProtocol.data_received


class GuardedProtocol(HttpToolsProtocol):
    """A connection whose bytes are counted; a head that is too large, and a connection too many, end it."""

    received = head_bytes = 0
    seen: _Seen | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > most_connections():
            self.refuse(503, "too many connections", b"retry-after: 1\r\n")

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        scope, cycle = self.scope, self.cycle
        if scope is not None and (cycle is None or cycle.scope is not scope):  # as in_head, which every request would pay for
            self.head_bytes += len(data)
            if self.head_bytes > HEAD_BYTES:
                self.refuse(431, f"the head of a request: expected at most {HEAD_BYTES} bytes")
                return
        elif self.head_bytes:
            self.head_bytes = 0
        _received(self, data)

    def in_head(self) -> bool:
        """Whether no request has begun yet, or its head is not complete."""
        return self.cycle is None or self.cycle.scope is not self.scope

    def refuse(self, status: int, words: str, more: bytes = b"") -> None:
        """The last words on this connection, where an answer has not begun."""
        if self.transport.is_closing():
            return
        if self.cycle is None or self.in_head() or not self.cycle.response_started:
            body = msgspec.json.encode({"error": words})
            head = b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n" % (
                status, _REASONS[status], len(body),
            )  # fmt: skip
            self.transport.write(head + more + b"connection: close\r\n\r\n" + body)
        self.transport.close()

    def look(self, now: float, patience: Patience) -> None:
        """Ends the connection when it has waited too long for its client."""
        work, far, pause, whole = self._work(patience)
        seen = self.seen
        if work is None or seen is None or seen.work is not work:
            self.seen = _Seen(work, now, far, now) if work is not None else None
            return
        if far != seen.far:
            self.seen = seen = seen._replace(far=far, moved=now)
        if now - seen.moved <= pause and now - seen.since <= whole:
            return
        if work is self.transport:
            self.transport.abort()
        elif self.scope is None:
            self.transport.close()
        else:
            self.refuse(408, "the request did not come in time")

    def _work(self, patience: Patience) -> tuple[object, int, float, float]:
        """What the client is waited for, how far it is, and for how long at most: for each piece, and for all."""
        waiting = self.transport.get_write_buffer_size()
        if waiting:
            return self.transport, waiting, patience.pause, float("inf")
        if self.scope is None:
            return self, 0, patience.quiet, patience.quiet
        if self.in_head():
            return self.scope, self.received, patience.head, patience.head
        if self.cycle.more_body and not self.flow.read_paused:
            return self.cycle, self.received, patience.pause, patience.body
        return None, 0, 0.0, 0.0


class PatientServer(uvicorn.Server):
    """uvicorn, whose settings name GuardedProtocol, with an end to its patience."""

    patience = Patience()
    ticks = 10  # of uvicorn's loop, a tenth of a second each, from look to look

    async def on_tick(self, counter: int) -> bool:
        if counter % self.ticks == 0:
            for connection in list(self.server_state.connections):
                if isinstance(connection, GuardedProtocol):
                    connection.look(connection.loop.time(), self.patience)
        return await super().on_tick(counter)


def most_connections() -> int:
    """How many clients may be connected: what the system gives this process of files, less its own."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _CONNECTIONS
    return max(1, min(_CONNECTIONS, soft - _OWN_FILES))
