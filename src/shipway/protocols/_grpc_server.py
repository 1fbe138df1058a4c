"""The second port of a predictor: listens for gRPC on a socket that its neighbours listen on too, watches, and drains."""

from __future__ import annotations

import asyncio
import socket
from typing import NamedTuple

from shipway.protocols._accept import Acceptor
from shipway.protocols._app import PredictorApp
from shipway.protocols._grpc_call import Call
from shipway.protocols._grpc_service import GrpcService
from shipway.protocols._http2 import Connection
from shipway.protocols._http2_frames import ENHANCE_YOUR_CALM, NO_ERROR
from shipway.protocols._http2_headers import RequestHeaders
from shipway.protocols._http2_stream import Stream

_LAST_REQUESTS_SECONDS = 1.0  # a client hears that we drain, and what it sent before arrives
_LOOK_SECONDS = 1.0


class Patience(NamedTuple):
    """Seconds: for a client's first words and for a block of headers; for a message; with an answer not taken; with nothing."""

    head: float = 10.0
    message: float = 60.0
    taking: float = 60.0
    idle: float = 900.0


class GrpcServer:
    """Answers gRPC in the loop that starts it. listener: a listening socket, which may be shared with other processes."""

    def __init__(self, app: PredictorApp, listener: socket.socket, *, patience: Patience | None = None) -> None:
        self._service, self._listener, self._patience = GrpcService(app), listener, patience or Patience()
        self._connections: set[Connection] = set()
        self._server: Acceptor | None = None
        self._looking: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """That of the listener."""
        return int(self._listener.getsockname()[1])

    async def start(self) -> None:
        """Listens from now on, also after it has left."""
        loop = asyncio.get_running_loop()
        self._service.stay()
        self._server = Acceptor(self._listener.dup(), self._connected, self._connections)
        self._looking = self._looking or loop.create_task(self._look())

    def leave(self) -> None:
        """Accepts no more, and tells who is connected, so that their next calls go to whoever listens then."""
        if self._server:
            self._server.close()
        self._service.drain()
        for connection in list(self._connections):
            connection.drain()

    def settle(self) -> None:
        """What clients had sent before they heard that we leave has come by now: their connections end with the last answer."""
        for connection in list(self._connections):
            connection.settle()

    async def drain(self, seconds: float) -> None:
        """Leaves, answers what has been asked, and ends, within so many seconds."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        self.leave()
        if self._server:
            await self._server.wait_closed()
        self.leave()  # and tells those who were just accepted
        await self._until_gone(min(seconds, _LAST_REQUESTS_SECONDS))
        self.settle()
        await self._until_gone(end - loop.time())
        for connection in list(self._connections):
            connection.abort()
        if self._looking:
            self._looking.cancel()
        self._listener.close()

    async def _until_gone(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while self._connections and loop.time() < end:  # noqa: ASYNC110 - connections go one by one, with no event
            await asyncio.sleep(0.01)

    def _connected(self) -> Connection:
        connection = Connection(self._accept, self._connections)
        if self._service.leaves:  # it was accepted just before
            connection.drain()
        return connection

    def _accept(self, stream: Stream, headers: RequestHeaders) -> Call:
        call = Call(self._service, stream, headers)
        call.begin()
        return call

    async def _look(self) -> None:
        """Whoever holds something and goes on with nothing is left."""
        loop, seconds = asyncio.get_running_loop(), min(_LOOK_SECONDS, *self._patience)
        while True:
            await asyncio.sleep(seconds)
            for connection in list(self._connections):
                connection.refresh(seconds)
                self._look_at(connection, loop.time())

    def _look_at(self, connection: Connection, now: float) -> None:
        patience = self._patience
        if now - connection.opened > patience.head and not connection.spoke:
            connection.abort()
        elif connection.since_block is not None and now - connection.since_block > patience.head:
            connection.end(ENHANCE_YOUR_CALM, "headers that do not end")
        elif connection.stuck_for(now) > patience.taking:
            connection.abort()
        elif not connection.streams and now - connection.heard > patience.idle:
            connection.end(NO_ERROR, "idle")
        for stream in list(connection.streams.values()):
            if isinstance(stream.receiver, Call):
                stream.receiver.look(now, patience.message)
