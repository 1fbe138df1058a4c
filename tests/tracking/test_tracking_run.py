"""Asking a tracking server for a run: with whom it speaks, and to whom it gives a password."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from shipway.tracking import RunUnread, fetch_run


class Server(HTTPServer):
    """Answers every question alike, and keeps what was asked."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.body, self.to = status, body, ""
        self.asked: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        self.send_response(self.server.status)
        if self.server.to:
            self.send_header("Location", self.server.to)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    made = [Server(200, b'{"run": {}}'), Server(302, b"")]
    threads = [threading.Thread(target=server.serve_forever, args=(0.01,)) for server in made]
    for thread in threads:
        thread.start()
    yield made
    for server, thread in zip(made, threads, strict=True):
        server.shutdown()
        thread.join()
        server.server_close()


PASSWORD = {"MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_PASSWORD": "secret"}
BASIC = "Basic " + base64.b64encode(b"ann:secret").decode()
WAYS: list[tuple[dict[str, str], str | None]] = [({}, None), (PASSWORD, BASIC), ({"MLFLOW_TRACKING_TOKEN": "t"}, "Bearer t")]


@pytest.mark.parametrize(("environ", "sent"), WAYS)
def test_it_asks_as_mlflows_own_client_does(servers: list[Server], environ: dict[str, str], sent: str | None) -> None:
    answer = fetch_run(servers[0].url + "/", "a/b&c", environ=environ)
    assert answer == servers[0].body
    assert servers[0].asked == [("/api/2.0/mlflow/runs/get?run_id=a%2Fb%26c", sent)]


def test_a_password_does_not_go_where_a_server_points(servers: list[Server]) -> None:
    there, here = servers
    here.to = there.url
    with pytest.raises(RunUnread, match="302"):
        fetch_run(here.url, "r1", environ=PASSWORD)
    assert there.asked == []


def test_an_answer_without_end_is_not_read_to_the_end(servers: list[Server]) -> None:
    servers[0].body = bytes(16 * 2**20 + 1)
    with pytest.raises(RunUnread, match="larger than"):
        fetch_run(servers[0].url, "r1", environ={})


@pytest.mark.parametrize(
    "url", ["", "sqlite:///mlflow.db", "file:///etc/passwd", "http://127.0.0.1:1", "http://", "http://[", "mlruns"]
)
def test_what_is_no_server_is_told(url: str) -> None:
    with pytest.raises(RunUnread):
        fetch_run(url, "r1", environ={})
