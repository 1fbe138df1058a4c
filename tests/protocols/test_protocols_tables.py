"""Tables of Arrow and Parquet at `/invocations`: what comes back, what does not fit, and files that mean no good."""

from __future__ import annotations

import asyncio
import datetime
import io
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from datatypes_model import VALUES, WHO, Echo, columns_of
from starlette.testclient import TestClient

from shipway.protocols import PredictorApp, _tables
from shipway.serve import Batcher, Cost, Predictor

ARROW, FILE = "application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.file"
PARQUET = "application/vnd.apache.parquet"
PLAIN = ["BOOL", "INT64", "UINT64", "FP32", "FP64", "BYTES"]
TABLE = pa.table({name.lower(): pa.array(columns_of(name)[name.lower()]) for name in PLAIN})


@pytest.fixture(name="app", scope="module")
def _app() -> Iterator[PredictorApp]:
    predictor = Predictor(Echo(*PLAIN), WHO, key=["flight"], time_column="scheduled")
    app = PredictorApp(Batcher(predictor, Cost(0.0, 0.0)), server_version="0", body_bytes=4 << 20)
    yield app
    app.close()


@pytest.fixture(name="client", scope="module")
def _client(app: PredictorApp) -> TestClient:
    return TestClient(app)


def stream(table: Any, **options: Any) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue()


def arrow_file(table: Any) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def parquet(table: Any, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def post(client: TestClient, body: bytes, media: str, accept: str = "*/*") -> Any:
    return client.post("/invocations", content=body, headers={"content-type": media, "accept": accept})


@pytest.mark.parametrize(
    ("body", "media"),
    [
        (stream(TABLE), ARROW),
        (stream(TABLE, compression="zstd"), ARROW),
        (arrow_file(TABLE), FILE),
        (parquet(TABLE), PARQUET),
        (parquet(TABLE.append_column("more", pa.nulls(2)), compression="zstd", use_dictionary=False), PARQUET),
    ],
)
def test_a_table_is_answered_as_json_and_as_a_table_to_the_last_bit(client: TestClient, body: bytes, media: str) -> None:
    found = post(client, body, media)
    rows = [dict(zip(TABLE.column_names, row, strict=True)) for row in zip(*(VALUES[name] for name in PLAIN), strict=True)]
    assert (found.status_code, found.json()) == (200, {"predictions": rows})
    answer = post(client, body, media, accept=f"{ARROW}, application/json")
    assert answer.headers["content-type"] == ARROW
    with pa.ipc.open_stream(answer.content) as reader:
        table = reader.read_all()
    assert table.to_pydict() == TABLE.to_pydict()
    assert table.schema.metadata == {
        b"shipway.release": WHO.release.encode(), b"shipway.request": answer.headers["x-shipway-request"].encode()
    }  # fmt: skip


def test_polars_own_streams_and_columns_to_log_are_read(client: TestClient) -> None:
    frame = pl.DataFrame(TABLE).with_columns(flight=pl.lit("UA1"), scheduled=pl.lit(datetime.datetime(2013, 2, 1)))
    sink = io.BytesIO()
    frame.write_ipc_stream(sink)
    found = post(client, sink.getvalue(), ARROW)
    assert found.status_code == 200, found.text
    assert found.json()["predictions"][0]["bytes"] == "ü"


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (TABLE.drop_columns(["int64"]), "column int64: expected INT64, given no such column"),
        (TABLE.set_column(1, "int64", pa.array([0.5, 1.0])), "column int64: expected INT64, given float64"),
        (TABLE.set_column(1, "int64", pa.array([1, None])), "column int64: expected INT64, given 1 missing values"),
        (TABLE.set_column(1, "int64", pa.array(["a", "b"])), "column int64: expected INT64"),
        (TABLE.set_column(5, "bytes", pa.array([["a"], ["b"]])), "column bytes: expected BYTES"),
        (TABLE.append_column("int64", pa.array([1, 2])), "cannot be read as"),
    ],
)
def test_a_table_that_does_not_fit_is_named(client: TestClient, table: Any, says: str) -> None:
    for body, media in ((stream(table), ARROW), (parquet(table), PARQUET)):
        found = post(client, body, media)
        assert (found.status_code, says in found.json()["message"]) == (400, True), found.text


def test_a_table_that_unpacks_to_more_than_a_body_may_have_is_refused_and_the_next_one_is_read(client: TestClient) -> None:
    rows = 2_000_000
    zeros = {name.lower(): pa.array(np.zeros(rows, np.int64)) for name in ("INT64",)}
    same = pa.table(zeros)
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(2_000, np.int32)), pa.array(["x" * 100_000]))
    bombs = [
        (parquet(same), PARQUET),
        (stream(same, compression="zstd"), ARROW),
        (stream(pa.table({"int64": pa.nulls(1 << 22)})), ARROW),
        (parquet(TABLE.slice(0, 0).select([]).append_column("bytes", pa.array([], pa.string()))), PARQUET),
        (stream(pa.table(dict.fromkeys(TABLE.column_names, text))), ARROW),
    ]
    for body, media in bombs:
        assert len(body) < 4 << 20
        assert post(client, body, media).status_code in (400, 413)
        assert post(client, stream(TABLE), ARROW).status_code == 200


def test_what_is_broken_is_a_400_and_what_kills_the_reader_costs_one_request(app: PredictorApp, client: TestClient) -> None:
    for torn in (b"", b"PAR1", b"PAR1" + bytes(50) + b"PAR1", bytes(1000), stream(TABLE)[:100], parquet(TABLE)[4:]):
        for media in (ARROW, FILE, PARQUET):
            assert post(client, torn, media).status_code == 400
    rng = random.Random(7)
    for good, media in ((stream(TABLE), ARROW), (arrow_file(TABLE), FILE), (parquet(TABLE), PARQUET)):
        for _ in range(60):
            damaged = bytearray(good)
            for _ in range(rng.randint(1, 4)):
                damaged[rng.randrange(len(damaged))] = rng.choice([0, 255, rng.randrange(256)])
            found = post(client, bytes(damaged), media)
            assert found.status_code in (200, 400, 413), found.text
    assert app.predicting._tables is not None
    assert app.predicting._tables._process is not None
    app.predicting._tables._process.kill()
    app.predicting._tables._process.wait()
    assert post(client, stream(TABLE), ARROW).status_code == 200


def test_a_reader_that_takes_too_long_is_ended(client: TestClient, app: PredictorApp, monkeypatch: pytest.MonkeyPatch) -> None:
    app.close()
    monkeypatch.setattr(_tables, "_SECONDS", 0.001)
    found = post(client, stream(TABLE), ARROW)
    assert (found.status_code, "after 0.001 s at the latest" in found.json()["message"]) == (400, True)


def test_without_pyarrow_and_elsewhere_a_table_is_a_415_that_says_why(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("/v2/models/echo/infer", "/v1/models/echo:predict"):
        assert client.post(path, content=stream(TABLE), headers={"content-type": ARROW}).status_code == 415
    monkeypatch.setattr(_tables, "find_spec", lambda _name: None)
    found = post(client, parquet(TABLE), PARQUET)
    assert (found.status_code, "no pyarrow to read it" in found.json()["message"]) == (415, True)


def test_the_reader_knows_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "secret")
    process = _tables._start()
    try:
        with open(f"/proc/{process.pid}/environ", "rb") as file:
            assert b"secret" not in file.read()
    finally:
        process.kill()
        process.communicate()


def test_other_requests_are_answered_while_a_table_is_read(app: PredictorApp) -> None:
    async def ask(path: str, method: str, body: bytes, headers: list[tuple[bytes, bytes]]) -> int:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(part: Any) -> None:
            sent.append(part)

        await app({"type": "http", "method": method, "path": path, "headers": headers}, receive, send)
        return int(sent[0]["status"])

    async def both() -> list[str]:
        order: list[str] = []

        async def note(name: str, path: str, method: str, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
            assert await ask(path, method, body, headers) == 200
            order.append(name)

        table = note("table", "/invocations", "POST", stream(TABLE), [(b"content-type", ARROW.encode())])
        await asyncio.gather(table, note("health", "/healthz", "GET", b"", []))
        return order

    assert asyncio.run(both()) == ["health", "table"]
