"""Clients that are slow, large, torn off or many: each ends with a clear answer or none, and health is answered meanwhile."""

from __future__ import annotations

import gzip
import json
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datatypes_model import echo_app
from hostile_help import Probes, Raw, impatient
from wire_help import Running, ask, binary_message

from shipway.protocols import _http, _patience

pytest_plugins = ["wire_fixtures"]

INFER = b"POST /v2/models/echo/infer HTTP/1.1\r\nHost: x\r\n"
MESSAGE = json.dumps({"inputs": [{"name": "fp64", "datatype": "FP64", "shape": [1], "data": [0.5]}]}).encode()
WHOLE = INFER + b"Content-Length: %d\r\n\r\n" % len(MESSAGE) + MESSAGE


@pytest.fixture(name="port", scope="module")
def _port() -> Iterator[int]:
    with impatient(echo_app("FP64")) as port, Probes(port):
        yield port


@pytest.mark.parametrize(
    ("begun", "goes_on", "says"),
    [
        (b"", b"POST /v2/models/echo/infer HTTP/1.1\r\nX-Long: " + b"y" * 1000, b"HTTP/1.1 408 "),
        (INFER + b"Content-Length: 5000\r\n\r\n", b" ", b"HTTP/1.1 408 "),
        (INFER + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", b"HTTP/1.1 408 "),
        (b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n", b" ", b"HTTP/1.1 404 "),
        (WHOLE, b"GET /healthz HTTP/1.1\r\nX-Long: " + b"y" * 1000, b"HTTP/1.1 200 "),
    ],
)
def test_a_client_that_trickles_is_told_to_go(port: int, begun: bytes, goes_on: bytes, says: bytes) -> None:
    with Raw(port) as raw:
        raw.send(begun)
        said = raw.trickle(goes_on, seconds=15)
    assert said.startswith(says), said
    assert (b"408 Request Timeout" in said) == (b"404" not in says)


@pytest.mark.parametrize("begun", [b"", INFER, INFER + b"Content-Length: 5000\r\n\r\n{", WHOLE + b"GET"])
def test_a_client_that_says_no_more_is_told_to_go(port: int, begun: bytes) -> None:
    with Raw(port) as raw:
        raw.send(begun)
        said = raw.rest()
    assert (b"408 Request Timeout" in said) == bool(begun), said


def test_a_client_that_takes_no_answer_is_cut_off(port: int) -> None:
    body, headers = binary_message({"fp64": np.zeros(1_000_000)}, parameters={"binary_data_output": True})
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", port))
    with connection:
        head = [f"{name}: {value}" for name, value in {**headers, "Content-Length": str(len(body))}.items()]
        connection.sendall(INFER + "\r\n".join(head).encode() + b"\r\n\r\n" + body)
        connection.settimeout(20)
        time.sleep(1.5)
        came = 0
        with suppress(ConnectionResetError):
            while piece := connection.recv(1 << 20):
                came += len(piece)
    assert came < len(body) / 2


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\nX-Long: " + b"y" * 500_000,
        b"GET /" + b"y" * 500_000,
        b"GET /healthz HTTP/1.1\r\n" + b"X-More: y\r\n" * 50_000,
    ],
)
def test_a_head_without_an_end_is_refused_before_it_is_kept(port: int, head: bytes) -> None:
    with Raw(port) as raw:
        raw.send(head)
        said = raw.rest()
    assert said.startswith(b"HTTP/1.1 431 ") or said == b"", said[:200]  # what it had not read yet may reset the connection


@pytest.mark.parametrize(
    "broken",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),  # TLS
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        INFER + b"Content-Length: -1\r\n\r\n",
        INFER + b"Content-Length: 1, 2\r\n\r\n{}",
        INFER + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        INFER + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n\r\n",
        INFER + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        b"GET /\x00 HTTP/1.1\r\n\r\n",
        b"\r\n\r\n\r\nnonsense\r\n",
    ],
)
def test_what_is_no_http_is_a_400_and_the_end(port: int, broken: bytes) -> None:
    with Raw(port) as raw:
        raw.send(broken)
        said = raw.rest()
    assert said.startswith(b"HTTP/1.1 400 "), said


@pytest.mark.parametrize("upto", [20, len(INFER), len(INFER) + 30, len(WHOLE) - 1])
def test_a_client_that_hangs_up_midway_costs_nothing(port: int, upto: int, caplog: pytest.LogCaptureFixture) -> None:
    with Raw(port) as raw:
        raw.send(WHOLE[:upto])
    with Raw(port) as raw:
        raw.send(INFER + b"Transfer-Encoding: chunked\r\n\r\n100\r\n" + MESSAGE[:40])
        raw.socket.shutdown(socket.SHUT_WR)
    assert ask(f"127.0.0.1:{port}", "POST", "/v2/models/echo/infer", MESSAGE).status == 200
    assert "Traceback" not in caplog.text


def test_requests_one_after_another_without_waiting_are_answered_in_order(port: int) -> None:
    def numbered(i: int) -> bytes:
        message = MESSAGE[:-1] + b', "id": "%d"}' % i
        return INFER + b"Content-Length: %d\r\n\r\n" % len(message) + message

    with Raw(port) as raw:
        raw.send(b"".join(map(numbered, range(200))))
        said = b""
        while said.count(b"HTTP/1.1 200") < 200 or not said.endswith(b"}"):
            said += raw.socket.recv(65536)
    found = [json.loads(part.split(b"\r\n\r\n")[1])["id"] for part in said.split(b"HTTP/1.1 200")[1:]]
    assert found == [str(i) for i in range(200)]


def test_one_connection_too_many_is_told_so(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with Raw(port) as first:
        first.send(WHOLE)
        assert first.socket.recv(65536).startswith(b"HTTP/1.1 200")
        monkeypatch.setattr(_patience, "most_connections", lambda: 0)
        with Raw(port) as second:
            said = second.rest()
        monkeypatch.undo()
    assert said.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1\r\n" in said


def test_many_large_bodies_at_once_are_refused_before_memory_ends(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_http, "_HELD_BYTES", 1 << 20)
    with Raw(port) as first:
        first.send(INFER + b"Content-Length: 2000000\r\n\r\n" + bytes(900_000))
        time.sleep(0.2)
        answer = ask(f"127.0.0.1:{port}", "POST", "/v2/models/echo/infer", bytes(900_000))
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert "bodies of 0 MB" in answer.error or "are coming already" in answer.error
    time.sleep(0.2)
    assert ask(f"127.0.0.1:{port}", "POST", "/v2/models/echo/infer", bytes(900_000)).status == 400
    assert _http._Held.all_bytes == 0


@cache
def bomb() -> bytes:
    """70 MB in 70 kB; made when it is asked for, which collecting the tests does not."""
    return gzip.compress(bytes(70 << 20), 1)


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("gzip", bomb, 413),
        ("deflate", lambda: zlib.compress(bytes(65 << 20), 1), 413),
        ("gzip", lambda: gzip.compress(bomb()), 400),  # what is inside is no JSON, and nobody unpacks it again
        ("gzip, gzip", lambda: gzip.compress(bomb()), 415),
        ("br", bomb, 415),
        ("zstd", bomb, 415),
        ("gzip", lambda: bomb()[: len(bomb()) // 2], 400),
        ("gzip", lambda: gzip.compress(b"[" * (20 << 20), 1), 400),
    ],
)
def test_a_bomb_takes_no_more_than_the_limit(running: Running, encoding: str, body: Callable[[], bytes], status: int) -> None:
    answer = ask(running.address, "POST", "/v2/models/delay/infer", body(), {"Content-Encoding": encoding})
    assert answer.status == status


def test_many_bombs_together_take_the_memory_of_one_and_health_is_answered(running: Running) -> None:
    def drop(packed: bytes) -> int:
        return ask(running.address, "POST", "/v2/models/delay/infer", packed, {"Content-Encoding": "gzip"}).status

    before = peak_bytes(running)
    with Probes(running.port), ThreadPoolExecutor(8) as many:
        assert set(many.map(drop, [bomb()] * 10)) == {413}
    assert peak_bytes(running) - before < 300 << 20


def peak_bytes(running: Running) -> int:
    status: Any = Path(f"/proc/{running.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024
