"""Clients that mean no good: raw connections, and a server in this process whose patience is short."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType

import pytest

from shipway.protocols import PredictorApp
from shipway.protocols._patience import Patience, PatientServer
from shipway.protocols._server import _settings


class Impatient(PatientServer):
    """As in production, with a shorter patience."""

    patience = Patience(head=0.4, pause=0.4, body=1.0, quiet=0.4)
    ticks = 1


@contextmanager
def impatient(app: PredictorApp) -> Iterator[int]:
    """The port of a server in a thread of this process."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Impatient(_settings(app))
    thread = threading.Thread(target=asyncio.run, args=(server.serve([listener]),))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


class Raw:
    """One connection, byte by byte."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> bool:
        """Whether it could be sent."""
        try:
            self.socket.sendall(data)
        except OSError:
            return False
        return True

    def trickle(self, data: bytes, *, seconds: float) -> bytes:
        """Sends a byte each twentieth of a second until the server has had enough, or for so long; what it said."""
        self.socket.settimeout(0.05)
        end, said = time.monotonic() + seconds, b""
        for i in range(1_000_000):
            with suppress(TimeoutError, OSError):
                piece = self.socket.recv(65536)
                said += piece
                if not piece:
                    return said
            if time.monotonic() > end:
                raise AssertionError(f"still open; it said {said!r}")
            self.send(data[i % len(data) : i % len(data) + 1])
        return said

    def rest(self) -> bytes:
        """All that comes until the server closes."""
        said = b""
        with suppress(OSError):
            while piece := self.socket.recv(65536):
                said += piece
        return said


class Probes:
    """Asks for health all the while. longest: the seconds of the slowest answer."""

    def __init__(self, port: int) -> None:
        self.longest, self.asked, self._stop, self._port = 0.0, 0, threading.Event(), port
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Probes:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        if problem is None:
            assert self.asked > 1
            if self.longest > 10:  # a fraction of a millisecond where nothing else runs; tests run four at a time
                pytest.fail(f"a health probe waited {self.longest:.1f} s")

    def _ask(self) -> None:
        while not self._stop.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
            started = time.monotonic()
            connection.request("GET", "/v2/health/live")
            assert connection.getresponse().status == 200
            self.longest, self.asked = max(self.longest, time.monotonic() - started), self.asked + 1
            connection.close()
            self._stop.wait(0.05)
