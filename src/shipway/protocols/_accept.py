"""Connections in portions, so that workers at one listening socket share them.

Whoever is told of new connections by libuv takes all that are there: of sixteen clients that connect at once, one worker of two
had sixteen. Here a worker that has connections leaves new ones to its neighbours for a moment, and takes a few at a time.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sized
from contextlib import suppress

_MOMENT = 0.001  # seconds, the least that libuv tells apart: a worker that has nothing to do takes a connection sooner
_BURST = 0.1  # seconds for which they are taken one by one: a hundred clients at once are shared, and nobody waits longer
_MANY = 64
_PAUSE = 0.5  # seconds without accepting where the process has no descriptor left


class Acceptor:
    """Accepts at a listening socket until it is closed; in the place of an asyncio.Server. The socket becomes its own.

    connections: those that are open, which its protocols enter and leave.
    """

    def __init__(self, listener: socket.socket, protocol: Callable[[], asyncio.Protocol], connections: Sized) -> None:
        listener.setblocking(False)
        self._listener, self._protocol, self._loop = listener, protocol, asyncio.get_running_loop()
        self._connecting: set[asyncio.Task[None]] = set()
        self._open, self._burst = connections, 0.0
        self._listen()

    def close(self) -> None:
        """Accepts no more; what was accepted goes on."""
        if self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener)
            self._listener.close()

    async def wait_closed(self) -> None:
        """Until each accepted connection has its protocol."""
        if self._connecting:
            await asyncio.wait(self._connecting)

    def _listen(self) -> None:
        if self._listener.fileno() >= 0:
            self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        self._burst = self._loop.time()
        if self._open or self._connecting:
            self._again(_MOMENT, self._take)
        else:
            self._take()

    def _again(self, seconds: float, what: Callable[[], None]) -> None:
        self._loop.remove_reader(self._listener)
        self._loop.call_later(seconds, what)

    def _take(self) -> None:
        """One, or many when there have been more for long; until there are none."""
        if self._listener.fileno() < 0:
            return
        try:
            for _ in range(1 if self._loop.time() - self._burst < _BURST else _MANY):
                self._begin(self._listener.accept()[0])
            self._again(_MOMENT, self._take)
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            self._listen()  # no more, a neighbour has it, or the client has gone
        except OSError:
            self._again(_PAUSE, self._listen)

    def _begin(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        task = self._loop.create_task(self._connect(connection))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, connection: socket.socket) -> None:
        with suppress(OSError):  # gone meanwhile
            await self._loop.connect_accepted_socket(self._protocol, connection)
