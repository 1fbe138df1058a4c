"""A corpus of broken requests: each gets a 4xx that names the input, what was expected and what was given; none a 5xx."""

from __future__ import annotations

import gzip
import json
import random
import socket
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from wire_help import TEXT_INPUTS, Running, ask, binary_message, infer, rows_of, tensors

pytest_plugins = ["wire_fixtures"]

COLUMNS = rows_of(TEXT_INPUTS, 3)
Change = Callable[[dict[str, Any]], None]


def hour(**changes: object) -> Change:
    """Changes of the tensor `hour`."""
    return lambda message: message["inputs"][1].update(changes)


def drop_hour(message: dict[str, Any]) -> None:
    del message["inputs"][1]


def drop_data(message: dict[str, Any]) -> None:
    del message["inputs"][1]["data"]


def twice(message: dict[str, Any]) -> None:
    message["inputs"].append(message["inputs"][1])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (hour(datatype="FP64"), "column hour: expected INT64, given FP64"),
        (hour(datatype="INT23"), "column hour: expected a datatype of BOOL"),
        (hour(datatype="BF16"), "column hour: expected a datatype of BOOL"),
        (hour(datatype="FP16"), "column hour: expected FP16 as binary data"),
        (hour(name="hours"), "column hours: expected 'hour', given an unknown name"),
        (hour(name="zzz"), "column zzz: expected carrier, hour, distance, humid, flight, scheduled"),
        (hour(shape=[4]), "column hour: expected data of shape [4], given data of shape [3]"),
        (hour(shape=[1, 3]), "column hour: expected shape [n], given shape [1, 3]"),
        (hour(shape=[]), "column hour: expected a shape of one size or more"),
        (hour(shape=[-3]), "none negative, given shape [-3]"),
        (hour(shape=[2**70]), "hour"),
        (hour(shape=3), "shape"),
        (hour(data=[1, 2]), "column hour: expected data of shape [3], given data of shape [2]"),
        (hour(data=[1, 2, 2.5]), "column hour: expected INT64 data of shape [3], given `float` at `[2]`"),
        (hour(data=[1, 2, "3"]), "column hour: expected INT64 data of shape [3], given `str` at `[2]`"),
        (hour(data=[1, 2, None]), "column hour: expected INT64"),
        (hour(data=[1, 2, True]), "column hour: expected INT64"),
        (hour(data=[1, 2, 2**63]), "column hour: expected INT64"),
        (hour(data=[[1], [2], [3]]), "column hour: expected INT64"),
        (hour(data={"a": 1}), "column hour: expected INT64"),
        (hour(data=[], shape=[0]), "column hour: expected 3 rows"),
        (hour(parameters={"binary_data_size": 24}), "column hour: expected 24 bytes of binary data, given 0 bytes"),
        (hour(parameters={"binary_data_size": -1}), "column hour: expected -1 bytes"),
        (drop_hour, "column hour: expected INT64, given no such column"),
        (drop_data, "column hour: expected data, or binary_data_size"),
        (twice, "column hour: expected each input once"),
        (lambda m: m["inputs"][0].update(data=[1, 2, 3]), "column carrier: expected BYTES"),
        (lambda m: m.update(inputs={}), "inputs"),
        (lambda m: m.pop("inputs"), "inputs"),
        (lambda m: m.update(id=7), "id"),
        (lambda m: m.update(id="x" * 300), "id: expected at most 256 characters, given 300"),
        (lambda m: m.update(outputs=[{"name": "score"}]), "output 'score': expected one of probability"),
        (lambda m: m["inputs"][3].update(data=[float("inf"), 1, 2]), "Infinity can only be sent as binary data"),
    ],
)
def test_a_broken_message_is_named(running: Running, change: Change, says: str) -> None:
    message: dict[str, Any] = {"inputs": tensors(COLUMNS)}
    change(message)
    answer = infer(running.address, message)
    assert answer.status == 400
    assert says in answer.error


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"inputs": [', b"NaN", b'{"inputs": "NaN"', b'["\\ud800", NaN]', b"[" * 100_000],
)
def test_a_body_that_is_no_message_is_refused(running: Running, body: bytes) -> None:
    answer = infer(running.address, body)
    assert answer.status == 400
    assert "not JSON" in answer.error or "not an Open Inference request" in answer.error


def test_binary_data_cut_short_or_too_long_is_refused(running: Running) -> None:
    body, headers = binary_message(COLUMNS)
    assert "column humid: expected 24 bytes of binary data, given 19 bytes" in infer(running.address, body[:-5], headers).error
    assert "after the JSON" in infer(running.address, body + b"12345", headers).error
    assert "Inference-Header-Content-Length" in infer(running.address, b"{}", headers).error
    assert "given '-5'" in infer(running.address, body, {"Inference-Header-Content-Length": "-5"}).error


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\x02\x00", "expected 4 bytes at 0 of its data, given 2"),
        (b"\xff\xff\xff\xffUA", "expected 4294967295 bytes at 4"),
        (b"\x02\x00\x00\x00UA", "expected 3 elements for shape [3], given 1"),
        (b"\x01\x00\x00\x00\xff" * 3, "expected BYTES elements in UTF-8"),
    ],
)
def test_binary_text_that_does_not_add_up_is_refused(running: Running, data: bytes, says: str) -> None:
    tensor = {"name": "carrier", "shape": [3], "datatype": "BYTES", "parameters": {"binary_data_size": len(data)}}
    head = json.dumps({"inputs": [tensor, *tensors(COLUMNS)[1:]]}).encode()
    answer = infer(running.address, head + data, {"Inference-Header-Content-Length": str(len(head))})
    assert answer.status == 400
    assert f"column carrier: {says}" in answer.error


def test_a_gzip_bomb_is_refused_after_the_limit(running: Running) -> None:
    bomb = gzip.compress(bytes(70 << 20))
    assert len(bomb) < 100_000
    answer = infer(running.address, bomb, {"Content-Encoding": "gzip"})
    assert (answer.status, "67108864 bytes" in answer.error) == (413, True)


def test_packed_bodies_that_are_broken_are_refused(running: Running) -> None:
    packed = gzip.compress(json.dumps({"inputs": tensors(COLUMNS)}).encode())
    for body, says in ((packed[:-9], "cut short"), (packed + b"x", "after its end"), (b"plain", "not gzip")):
        answer = infer(running.address, body, {"Content-Encoding": "gzip"})
        assert (answer.status, says in answer.error) == (400, True)


def test_an_unknown_encoding_or_media_type_is_415(running: Running) -> None:
    message = {"inputs": tensors(COLUMNS)}
    encoding = infer(running.address, message, {"Content-Encoding": "br"})
    media = infer(running.address, message, {"Content-Type": "text/csv; charset=utf-8"})
    assert (encoding.status, media.status) == (415, 415)
    assert "given 'text/csv'" in media.error


def test_a_body_that_is_declared_or_grows_too_large_is_413(running: Running) -> None:
    answer = ask(running.address, "POST", "/v2/models/delay/infer", b"", {"Content-Length": str(65 << 20)})
    assert (answer.status, "68157440 bytes" in answer.error) == (413, True)
    with socket.create_connection(running.address.split(":"), timeout=20) as connection:  # type: ignore[arg-type]
        head = b"POST /v2/models/delay/infer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head)
        chunk = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
        try:
            for _ in range(80):
                connection.sendall(chunk)
        except OSError:
            pass
        else:
            assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_random_damage_never_gets_a_5xx_and_the_server_lives(running: Running) -> None:
    rng = random.Random()
    text = json.dumps({"inputs": tensors(COLUMNS)}).encode()
    binary, headers = binary_message(COLUMNS)
    for round_ in range(200):
        body, head = (text, {}) if round_ % 2 else (binary, headers)
        damaged = bytearray(body)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        answer = infer(running.address, bytes(damaged[: rng.randrange(len(damaged))] if rng.random() < 0.3 else damaged), head)
        assert answer.status < 500, (answer, bytes(damaged))
    assert ask(running.address, "GET", "/healthz").status == 200
    assert np.isfinite(infer(running.address, {"inputs": tensors(COLUMNS)}).json["outputs"][0]["data"]).all()
