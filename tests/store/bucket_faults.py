"""A road to S3 that somebody cuts: a forwarder on the loopback, and servers that answer as a refusing S3 does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Road:
    """Forwards connections to an S3. After `allowed` bytes in one direction of a connection both ends are cut."""

    target: tuple[str, int]
    allowed: dict[str, int | None] = field(default_factory=lambda: {"there": None, "back": None})
    connections: int = 0
    url: str = ""

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                ours, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            theirs = socket.create_connection(self.target)
            for way, source, sink in (("there", ours, theirs), ("back", theirs, ours)):
                threading.Thread(target=self._forward, args=(way, source, sink), daemon=True).start()

    def _forward(self, way: str, source: socket.socket, sink: socket.socket) -> None:
        passed = 0
        with suppress(OSError):
            while data := source.recv(65_536):
                allowed = self.allowed[way]
                if allowed is not None and passed + len(data) > allowed:
                    sink.sendall(data[: max(0, allowed - passed)])
                    break
                sink.sendall(data)
                passed += len(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def road_to(endpoint: str) -> Iterator[Road]:
    """The road; its `url` is the endpoint to name."""
    parts = urlsplit(endpoint)
    road = Road((str(parts.hostname), int(parts.port or 80)))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        road.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=road.serve, args=(listener,), daemon=True)
        thread.start()
        yield road
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


@contextmanager
def always_answers(status: str, body: str) -> Iterator[str]:
    """The address of a server that gives every request this one answer."""
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/xml\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                one, _ = listener.accept()
            except OSError:
                return
            with one, suppress(OSError):
                one.recv(65_536)
                one.sendall((head + body).encode())

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)
