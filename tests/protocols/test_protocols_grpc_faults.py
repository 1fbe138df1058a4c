"""What may go wrong with gRPC: broken messages and frames, too much of anything, clients that wait or are gone, the end."""

from __future__ import annotations

import gzip
import http.client
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import grpc
import hpack
import numpy as np
import pytest
from grpc_help import (
    MIRROR,
    VALUES,
    Answering,
    answering,
    call,
    channel,
    columns_of_all_types,
    infer_message,
    mirror_app,
    refusal,
)

from shipway.protocols import _http2_frames as h2
from shipway.protocols._grpc_messages import kinds
from shipway.protocols._grpc_server import Patience
from shipway.serve import Cost

INFER = "inference.GRPCInferenceService/ModelInfer"
ROW = {"FP64": np.array([0.5])}
SLOW = Cost(1.0, 0.0)  # so slow that it goes to the worker's thread


@pytest.fixture(name="mirror", scope="module")
def _mirror() -> Iterator[Answering]:
    with answering(mirror_app({name: name for name in VALUES}, body_bytes=20_000)) as found:
        yield found


@pytest.fixture(autouse=True, name="_still_answers")
def _answers(mirror: Answering) -> Iterator[None]:
    yield
    with channel(mirror.address) as found:
        assert call(found, INFER, infer_message(columns_of_all_types()))
    assert mirror.faults == []
    assert mirror.server._service.room.held == 0


class Raw:
    """A client that writes frames as it likes."""

    def __init__(self, address: str, *, settings: bytes = b"") -> None:
        host, _, port = address.partition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=20)
        self._rest, self._decoder = b"", hpack.Decoder()
        self.headers: dict[str, str] = {}
        self.send(h2.PREFACE + h2.frame(h2.SETTINGS, 0, 0, settings))

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def ask(self, stream: int, message: bytes = b"", **more: str) -> None:
        """Headers of a call, and a message."""
        self.send(h2.frame(h2.HEADERS, h2.END_HEADERS, stream, block(**more)))
        if message:
            self.send(h2.frame(h2.DATA, h2.END_STREAM, stream, framed(message)))

    def frame(self) -> tuple[int, int, int, bytes]:
        """The next frame: kind, flags, stream, payload."""
        head = self._read(9)
        length, flags, stream = h2.HEAD.unpack(head)
        return length & 255, flags, stream, self._read(length >> 8)

    def until(self, kind: int, stream: int = 0) -> bytes:
        """The payload of the next frame of a kind, on a stream."""
        while True:
            found, _, on, payload = self.frame()
            if found == h2.HEADERS:
                self.headers = {str(name): str(value) for name, value in self._decoder.decode(payload)}
            if (found, on) == (kind, stream):
                return payload

    def _read(self, size: int) -> bytes:
        while len(self._rest) < size:
            more = self._socket.recv(65536)
            if not more:
                raise EOFError
            self._rest += more
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


REQUEST = {":method": "POST", ":path": f"/{INFER}", ":scheme": "http", "content-type": "application/grpc", "te": "trailers"}


def block(**more: str) -> bytes:
    headers = REQUEST | {name.replace("_", "-"): value for name, value in more.items()}
    return hpack.Encoder().encode(headers.items(), huffman=False)


def framed(message: bytes, *, packed: int = 0) -> bytes:
    return struct.pack(">BI", packed, len(message)) + message


def reason(raw: Raw) -> int:
    """Why the server leaves."""
    return int.from_bytes(raw.until(h2.GOAWAY)[4:8], "big")


def test_broken_messages_are_invalid_arguments(mirror: Answering) -> None:
    rng = random.Random(7)
    whole = [infer_message(columns_of_all_types(), raw=raw, id="x") for raw in (True, False)]
    codes = set()
    with channel(mirror.address) as found:
        for _ in range(400):
            data = bytearray(rng.choice(whole))
            for _ in range(rng.randint(1, 6)):
                way, at = rng.randrange(4), rng.randrange(len(data))
                if way == 0:
                    data[at] = rng.randrange(256)
                elif way == 1:
                    del data[at : at + rng.randint(1, 9)]
                elif way == 2:
                    data[at:at] = rng.randbytes(rng.randint(1, 9))
                else:
                    data[at:] = b""
                data = data or bytearray(b"\xff")
            try:
                call(found, INFER, bytes(data))
            except grpc.RpcError as problem:
                codes.add(problem.code())
        code, words = refusal(found, INFER, b"\xff\xff")
    assert codes == {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}
    assert (code, "the message is no inference.ModelInferRequest" in words) == (grpc.StatusCode.INVALID_ARGUMENT, True)


def test_other_methods_are_asked_with_broken_messages_too(mirror: Answering) -> None:
    with channel(mirror.address) as found:
        for name in ("ServerLive", "ModelReady", "ModelMetadata", "RepositoryIndex"):
            code, _ = refusal(found, f"inference.GRPCInferenceService/{name}", b"\xff")
            assert code == grpc.StatusCode.INVALID_ARGUMENT, name
        assert refusal(found, "inference.GRPCInferenceService/TraceSetting", b"")[0] == grpc.StatusCode.UNIMPLEMENTED


def test_frames_at_random_end_their_connection_and_no_other(mirror: Answering) -> None:
    rng = random.Random(11)
    for _ in range(60):
        with Raw(mirror.address) as raw, suppress(OSError):
            for _ in range(rng.randint(1, 12)):
                stream = rng.choice((0, 1, 1, 2, 3, 2**31 - 1))
                raw.send(
                    h2.frame(rng.randrange(12), rng.randrange(256), stream, rng.randbytes(rng.choice((0, 4, 5, 6, 8, 60))))
                )


# a prediction that waits for its turn, its client having said everything
_OPEN = h2.frame(h2.HEADERS, h2.END_HEADERS, 1, block()) + h2.frame(
    h2.DATA, h2.END_STREAM, 1, framed(infer_message(columns_of_all_types()))
)


@pytest.mark.parametrize(
    ("frames", "why"),
    [
        (h2.frame(h2.DATA, 0, 0, b"x"), h2.PROTOCOL_ERROR),
        (h2.frame(h2.DATA, 0, 5, b"x"), h2.PROTOCOL_ERROR),
        (h2.frame(h2.HEADERS, h2.END_HEADERS, 2, block()), h2.PROTOCOL_ERROR),
        (h2.frame(h2.HEADERS, h2.END_HEADERS, 1, b"\xff" * 9), h2.COMPRESSION_ERROR),
        (h2.frame(h2.HEADERS, 0, 1, block()) + h2.frame(h2.PING, 0, 0, bytes(8)), h2.PROTOCOL_ERROR),
        (h2.frame(h2.HEADERS, h2.END_HEADERS | h2.PADDED, 1, b"\x09abc"), h2.PROTOCOL_ERROR),
        (h2.frame(h2.CONTINUATION, h2.END_HEADERS, 1, b""), h2.PROTOCOL_ERROR),
        (h2.frame(h2.PUSH_PROMISE, 0, 1, bytes(4)), h2.PROTOCOL_ERROR),
        (h2.frame(h2.SETTINGS, 0, 0, bytes(5)), h2.FRAME_SIZE_ERROR),
        (h2.settings([(h2.INITIAL_WINDOW_SIZE, 2**31)]), h2.FLOW_CONTROL_ERROR),
        (h2.settings([(h2.MAX_FRAME_SIZE, 1)]), h2.PROTOCOL_ERROR),
        (h2.frame(h2.WINDOW_UPDATE, 0, 0, h2.number(0)), h2.PROTOCOL_ERROR),
        (h2.frame(h2.WINDOW_UPDATE, 0, 0, h2.number(2**31 - 1)), h2.FLOW_CONTROL_ERROR),
        (h2.frame(h2.PING, 0, 0, bytes(7)), h2.FRAME_SIZE_ERROR),
        (h2.HEAD.pack(20_000 << 8, 0, 1), h2.FRAME_SIZE_ERROR),
        (h2.frame(h2.RST_STREAM, 0, 1, bytes(4)), h2.PROTOCOL_ERROR),
        (h2.frame(h2.HEADERS, h2.END_HEADERS, 1, block()) + h2.frame(h2.RST_STREAM, 0, 1, bytes(3)), h2.FRAME_SIZE_ERROR),
        (h2.frame(h2.WINDOW_UPDATE, 0, 1, h2.number(1)), h2.PROTOCOL_ERROR),
        (h2.frame(h2.WINDOW_UPDATE, 0, 0, bytes(3)), h2.FRAME_SIZE_ERROR),
        (h2.frame(h2.SETTINGS, h2.ACK, 0, bytes(6)), h2.FRAME_SIZE_ERROR),
        (h2.frame(h2.SETTINGS, 0, 1), h2.PROTOCOL_ERROR),
        (h2.settings([(h2.ENABLE_PUSH, 2)]), h2.PROTOCOL_ERROR),
        (h2.settings([(h2.MAX_FRAME_SIZE, 1 << 24)]), h2.PROTOCOL_ERROR),
        (h2.frame(h2.PING, 0, 1, bytes(8)), h2.PROTOCOL_ERROR),
        (h2.frame(h2.PRIORITY, 0, 1, bytes(4)), h2.FRAME_SIZE_ERROR),
        (h2.frame(h2.PRIORITY, 0, 0, bytes(5)), h2.PROTOCOL_ERROR),
        (h2.frame(h2.GOAWAY, 0, 1, bytes(8)), h2.PROTOCOL_ERROR),
        (h2.frame(h2.GOAWAY, 0, 0, bytes(7)), h2.FRAME_SIZE_ERROR),
        (h2.frame(h2.HEADERS, 0, 1, block()) + h2.frame(h2.CONTINUATION, h2.END_HEADERS, 3, b""), h2.PROTOCOL_ERROR),
        (h2.frame(h2.HEADERS, h2.END_HEADERS, 1, block()) * 2, h2.PROTOCOL_ERROR),
        (_OPEN + h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 1, block()), h2.STREAM_CLOSED),
    ],
)
def test_frames_that_break_the_protocol_are_answered_with_the_reason(mirror: Answering, frames: bytes, why: int) -> None:
    with Raw(mirror.address) as raw:
        raw.send(frames)
        assert reason(raw) == why


@pytest.mark.parametrize(
    "wrong",
    [
        {"Upper": "case"},
        {":status": "200"},
        {":path": ""},
        {"connection": "close"},
        {"transfer-encoding": "chunked"},
        {"te": "gzip"},
        {"a b": "c"},
        {"x": "a\r\nb"},
        {":late": "after the others"},
    ],
    ids=str,
)
def test_headers_that_no_request_may_have_end_their_stream_and_nothing_else(mirror: Answering, wrong: dict[str, str]) -> None:
    odd = hpack.Encoder().encode({**REQUEST, **wrong}.items(), huffman=False)
    with Raw(mirror.address) as raw:
        for stream in (1, 3):  # the second block is a remembered one
            raw.send(h2.frame(h2.HEADERS, h2.END_HEADERS, stream, odd))
            assert raw.until(h2.RST_STREAM, stream) == h2.number(h2.PROTOCOL_ERROR)
        raw.ask(5, infer_message(columns_of_all_types()))
        while "grpc-status" not in raw.headers:
            raw.until(h2.HEADERS, 5)
        assert raw.headers["grpc-status"] == "0"


def test_clients_with_eager_keepalives_and_long_streams_are_not_cut(mirror: Answering) -> None:
    """The C core sends at most a ping a second, whatever it is told; gRPC's own servers take two in five minutes."""
    options = [
        ("grpc.use_local_subchannel_pool", 1), ("grpc.keepalive_time_ms", 10), ("grpc.keepalive_timeout_ms", 500),
        ("grpc.keepalive_permit_without_calls", 1), ("grpc.http2.max_pings_without_data", 0),
    ]  # fmt: skip
    message, before = infer_message(columns_of_all_types()), set(mirror.server._connections)
    with grpc.insecure_channel(mirror.address, options=options) as found:
        ask = found.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")
        assert sum(1 for _ in ask(iter([message] * 500), timeout=20)) == 500
        (own,) = mirror.server._connections - before
        assert own._patience > 990, "a message that is answered gives back what goes with it"
        time.sleep(1.3)
        assert call(found, INFER, message)
        assert own in mirror.server._connections


@pytest.mark.parametrize(
    "flood",
    [
        [h2.frame(h2.PING, 0, 0, bytes(8))] * 2000,
        [h2.frame(h2.SETTINGS, 0, 0)] * 2000,
        [
            h2.frame(h2.HEADERS, h2.END_HEADERS, 2 * i + 1, block()) + h2.frame(h2.RST_STREAM, 0, 2 * i + 1, h2.number(8))
            for i in range(2000)
        ],
        [h2.frame(h2.HEADERS, 0, 1, b"")] + [h2.frame(h2.CONTINUATION, 0, 1, b"")] * 2000,
        [h2.frame(h2.HEADERS, 0, 1, b"")] + [h2.frame(h2.CONTINUATION, 0, 1, bytes(1000))] * 100,
        [h2.frame(h2.HEADERS, h2.END_HEADERS, 1, block())] + [h2.frame(h2.DATA, 0, 1)] * 2000,
    ],
    ids=["pings", "settings", "rapid reset", "continuations", "endless headers", "empty data"],
)
def test_floods_of_frames_that_bring_no_call_are_left(mirror: Answering, flood: list[bytes]) -> None:
    with Raw(mirror.address) as raw:
        with suppress(OSError):
            raw.send(b"".join(flood))
        with suppress(ConnectionResetError):  # what it had not read it answers with a reset
            assert reason(raw) == h2.ENHANCE_YOUR_CALM


def test_what_is_too_large_is_refused_before_it_is_held(mirror: Answering) -> None:
    columns = {"FP64": np.zeros(10_000)}
    with channel(mirror.address) as found:
        assert refusal(found, INFER, infer_message(columns))[0] == grpc.StatusCode.RESOURCE_EXHAUSTED
        bomb = gzip.compress(bytes(50 << 20))
        with Raw(mirror.address) as raw:
            raw.ask(1, grpc_encoding="gzip")
            data = framed(bomb, packed=1)
            for at in range(0, len(data), h2.FRAME):
                raw.send(h2.frame(h2.DATA, 0, 1, data[at : at + h2.FRAME]))
            raw.until(h2.HEADERS, 1)
            assert raw.headers["grpc-status"] == "8"
        with Raw(mirror.address) as raw:
            raw.ask(1)
            raw.send(h2.frame(h2.DATA, 0, 1, struct.pack(">BI", 0, 2**32 - 1)))
            raw.until(h2.HEADERS, 1)
            assert "limit is 20000" in raw.headers["grpc-message"]


def test_packed_messages_and_those_that_pretend(mirror: Answering) -> None:
    message = infer_message(columns_of_all_types())
    for stream, (encoding, data, status) in enumerate(
        (
            ("gzip", framed(gzip.compress(message), packed=1), "0"),
            ("gzip", framed(message), "0"),
            ("gzip", framed(message, packed=1), "3"),
            ("identity", framed(message, packed=1), "3"),
            ("br", framed(message, packed=1), "12"),
            ("gzip", framed(message, packed=7), "3"),
            ("identity", framed(message) * 2, "3"),
            ("identity", framed(message)[:-1], "3"),
            ("identity", b"", "3"),
        )
    ):
        with Raw(mirror.address) as raw:
            raw.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 1, block(grpc_encoding=encoding)))
            raw.send(h2.frame(h2.DATA, h2.END_STREAM, 1, data))
            while True:
                raw.until(h2.HEADERS, 1)
                if "grpc-status" in raw.headers:
                    break
            assert raw.headers["grpc-status"] == status, (stream, encoding)


def test_messages_cut_into_bytes_and_padded_are_whole(mirror: Answering) -> None:
    data = framed(infer_message(columns_of_all_types()))
    with Raw(mirror.address) as raw:
        raw.send(h2.frame(h2.HEADERS, 0, 1, block()[:30]) + h2.frame(h2.CONTINUATION, h2.END_HEADERS, 1, block()[30:]))
        for at in range(len(data)):
            raw.send(h2.frame(h2.DATA, h2.PADDED, 1, b"\x03" + data[at : at + 1] + bytes(3)))
        raw.send(h2.frame(h2.DATA, h2.END_STREAM, 1))
        raw.until(h2.DATA, 1)
        raw.until(h2.HEADERS, 1)
        assert raw.headers == {"grpc-status": "0"}


def test_an_answer_waits_for_the_clients_window(mirror: Answering) -> None:
    message = infer_message(columns_of_all_types())
    with Raw(mirror.address, settings=struct.pack(">HI", h2.INITIAL_WINDOW_SIZE, 10)) as raw:
        raw.ask(1, message)
        whole = raw.until(h2.DATA, 1)
        size = 5 + int.from_bytes(whole[1:5], "big")
        while len(whole) < size:
            raw.send(h2.frame(h2.WINDOW_UPDATE, 0, 1, h2.number(7)))
            whole += raw.until(h2.DATA, 1)
            assert len(whole) % 7 == 3 or len(whole) == size
        raw.until(h2.HEADERS, 1)
        assert raw.headers == {"grpc-status": "0"}


def test_who_speaks_no_grpc_is_told_so(mirror: Answering) -> None:
    connection = http.client.HTTPConnection(mirror.address, timeout=20)
    connection.request("GET", "/v2")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (400, b"this port speaks gRPC (HTTP/2 without TLS)\n")
    connection.close()
    for more, status in (({"content_type": "application/json"}, "415"), ({":method": "GET"}, "405")):
        with Raw(mirror.address) as raw:
            raw.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 1, block(**more)))
            raw.until(h2.HEADERS, 1)
            assert raw.headers[":status"] == status
    with Raw(mirror.address) as raw:
        raw.ask(1, origin="https://example.org")
        raw.until(h2.HEADERS, 1)
        assert raw.headers["grpc-status"] == "7"


def test_who_holds_a_connection_and_says_nothing_is_left() -> None:
    patience = Patience(head=0.2, message=0.2, taking=0.2, idle=1.0)
    large = {"FP64": np.zeros(100_000)}
    with answering(mirror_app({"FP64": "FP64"}), patience) as found:
        host, _, port = found.address.partition(":")
        with socket.create_connection((host, int(port)), timeout=20) as silent:
            assert not _rest(silent)
        with Raw(found.address) as raw:
            raw.send(h2.frame(h2.HEADERS, 0, 1, b""))
            assert reason(raw) == h2.ENHANCE_YOUR_CALM
        with Raw(found.address) as raw:
            raw.ask(1)
            raw.until(h2.HEADERS, 1)
            assert raw.headers["grpc-status"] == "4"
            assert reason(raw) == h2.NO_ERROR
        with Raw(found.address, settings=struct.pack(">HI", h2.INITIAL_WINDOW_SIZE, 0)) as raw:
            data = framed(infer_message(large))
            raw.ask(1)
            for at in range(0, len(data), h2.FRAME):
                raw.send(h2.frame(h2.DATA, h2.END_STREAM if at + h2.FRAME >= len(data) else 0, 1, data[at : at + h2.FRAME]))
            with pytest.raises((EOFError, ConnectionResetError)):
                raw.until(h2.DATA, 1)


def _rest(silent: socket.socket) -> bytes:
    """What comes after the server's own first words, until it hangs up."""
    with suppress(ConnectionResetError):
        while silent.recv(4096):
            pass
    return b""


def test_a_deadline_that_passes_is_told_by_the_server_and_the_row_is_not_predicted() -> None:
    asked, go = [], threading.Event()

    def hook() -> None:
        asked.append(time.monotonic())
        go.wait(20)

    with answering(mirror_app({"FP64": "FP64"}, hook=hook, cost=SLOW)) as found, Raw(found.address) as raw:
        raw.ask(1, infer_message(ROW))  # keeps the model busy
        while not asked:
            time.sleep(0.01)
        raw.ask(3, infer_message(ROW), grpc_timeout="100m")
        raw.until(h2.HEADERS, 3)
        assert raw.headers["grpc-status"] == "4"
        go.set()
        raw.until(h2.DATA, 1)
        assert len(asked) == 1
        raw.ask(5, infer_message(ROW), grpc_timeout="soon")
        raw.until(h2.HEADERS, 5)
        assert raw.headers["grpc-status"] == "3"


def test_a_full_queue_is_unavailable_and_says_when_to_come_back() -> None:
    go, asked = threading.Event(), threading.Event()

    def hook() -> None:
        asked.set()
        go.wait(20)

    with answering(mirror_app({"FP64": "FP64"}, hook=hook, cost=SLOW, queue_rows=1)) as found, Raw(found.address) as raw:
        raw.ask(1, infer_message(ROW))
        assert asked.wait(20)
        raw.ask(3, infer_message(ROW))
        raw.ask(5, infer_message(ROW))
        raw.until(h2.HEADERS, 5)
        assert (raw.headers["grpc-status"], int(raw.headers["grpc-retry-pushback-ms"]) >= 1000) == ("14", True)
        go.set()
        raw.until(h2.DATA, 1)
        raw.until(h2.DATA, 3)


def test_a_client_that_cancels_or_is_gone_costs_nothing_but_its_row(mirror: Answering) -> None:
    with Raw(mirror.address) as raw:
        raw.ask(1)
        raw.send(h2.frame(h2.DATA, 0, 1, framed(bytes(500))[:100]))
        raw.send(h2.frame(h2.RST_STREAM, 0, 1, h2.number(h2.CANCEL)))
        raw.ask(3)
        raw.send(h2.frame(h2.DATA, 0, 3, framed(bytes(500))[:100]))
    with Raw(mirror.address) as raw:
        raw.ask(1, infer_message(columns_of_all_types()))


def test_a_model_that_fails_is_internal_and_names_its_request() -> None:
    def hook() -> None:
        raise RuntimeError("broken")

    with answering(mirror_app({"FP64": "FP64"}, hook=hook)) as found, channel(found.address) as one:
        code, words = refusal(one, INFER, infer_message(ROW, id="mine"))
    assert (code, words) == (grpc.StatusCode.INTERNAL, "the model failed: RuntimeError; request mine")


def test_a_drain_answers_what_is_in_flight_and_tells_who_watches() -> None:
    go, asked = threading.Event(), threading.Event()

    def hook() -> None:
        asked.set()
        go.wait(20)

    health = kinds().messages["grpc.health.v1.HealthCheckResponse"]
    with (
        answering(mirror_app({"FP64": "FP64"}, hook=hook, cost=SLOW)) as found,
        channel(found.address) as one,
        channel(found.address) as other,
    ):
        flight = one.unary_unary(f"/{INFER}").future(infer_message(ROW), timeout=20)
        watching = other.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=20)
        assert health.FromString(next(watching)).status == 1
        assert asked.wait(20)
        found.drain()
        assert health.FromString(next(watching)).status == 2
        time.sleep(0.1)
        go.set()
        assert flight.result(timeout=20)
        with channel(found.address) as late:
            assert refusal(late, INFER, infer_message(ROW))[0] == grpc.StatusCode.UNAVAILABLE


def test_a_call_that_comes_after_the_last_goodbye_cuts_nobody() -> None:
    asked, go = threading.Event(), threading.Event()

    def hook() -> None:
        asked.set()
        go.wait(10)

    message = infer_message(ROW)
    with answering(mirror_app({"FP64": "FP64"}, cost=SLOW, hook=hook)) as found, Raw(found.address) as raw:
        raw.ask(1, message)
        assert asked.wait(10)
        for step in (found.server.leave, found.server.settle):
            found.loop.call_soon_threadsafe(step)
            raw.until(h2.GOAWAY)
        raw.ask(3, message)
        raw.send(h2.frame(h2.WINDOW_UPDATE, 0, 3, h2.number(9)) + h2.frame(h2.RST_STREAM, 0, 3, h2.number(8)))
        go.set()
        while "grpc-status" not in raw.headers:
            raw.until(h2.HEADERS, 1)
        assert raw.headers["grpc-status"] == "0"


def test_a_stream_of_requests_ends_with_the_server_and_loses_none() -> None:
    def messages() -> Iterator[bytes]:
        for _ in range(5):
            yield infer_message(ROW)
        wait.wait(20)

    wait = threading.Event()
    path = "/inference.GRPCInferenceService/ModelStreamInfer"
    with answering(mirror_app({"FP64": "FP64"})) as found, channel(found.address) as one:
        answers: Any = one.stream_stream(path)(messages(), timeout=20)
        for _ in range(5):
            assert next(answers)
        found.drain()
        with pytest.raises(grpc.RpcError) as problem:
            next(answers)
        assert problem.value.code() == grpc.StatusCode.UNAVAILABLE
        wait.set()


def test_metrics_count_grpc_by_the_status_that_http_would_have() -> None:
    with answering(mirror_app({"FP64": "FP64"})) as found, channel(found.address) as one:
        call(one, INFER, infer_message(ROW))
        refusal(one, INFER, b"\xff")
        refusal(one, INFER, infer_message(ROW, model="other"))
        answered = list(one.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")(iter([infer_message(ROW)] * 3)))
        page = found.app.figures.own().splitlines()
    assert len(answered) == 3
    for line in (
        'shipway_predictor_requests_total{status="200"} 4',
        'shipway_predictor_requests_total{status="400"} 1',
        'shipway_predictor_requests_total{status="404"} 1',
        "shipway_predictor_rows_total 4",
    ):
        assert line in page
    assert MIRROR in "".join(page)
