"""What a real process cannot be made to do on purpose: faults of the model and of ourselves, seen through the application."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from wire_help import tensors

from shipway.models import Array, Column, Signature
from shipway.protocols import PredictorApp
from shipway.protocols._http import Reply
from shipway.protocols._metrics import METRICS, RequestMetrics
from shipway.serve import Batcher, Cost, Identity, Predictor

SIGNATURE = Signature((Column("x", "FP64"),), (Column("probability", "FP64"), Column("label", "BYTES")))
IDENTITY = Identity("delay", "prod", "sha256:r", "sha256:d", "live", "delay")


class Doubling:
    """A model that doubles, and raises for what it was told to raise for."""

    signature = SIGNATURE

    def predict(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        x = columns["x"].astype(float)
        if np.any(x < 0):
            raise RuntimeError("secret detail of the model")
        return {"probability": 2 * x, "label": np.array([f"ü{value:g}" for value in x], dtype=object)}


def post(app: PredictorApp, message: object, path: str = "/v2/models/delay/infer") -> tuple[int, dict[bytes, bytes], bytes]:
    return asyncio.run(exchange(app, message, path))


async def exchange(
    app: PredictorApp, message: object, path: str, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": json.dumps(message).encode(), "more_body": False}

    async def send(part: Any) -> None:
        sent.append(part)

    await app({"type": "http", "method": "POST", "path": path, "headers": [*headers]}, receive, send)
    head, body = sent
    return head["status"], dict(head["headers"]), body["body"]


def app(cost: Cost = Cost(0.0, 0.0), **options: Any) -> PredictorApp:  # noqa: B008
    return PredictorApp(Batcher(Predictor(Doubling(), IDENTITY), cost, **options), server_version="1")


def x(*values: float) -> dict[str, Any]:
    return {"inputs": tensors({"x": np.array(values)})}


def test_a_model_that_raises_is_a_500_with_the_requests_id_and_no_detail(caplog: pytest.LogCaptureFixture) -> None:
    status, _, body = post(app(), {**x(-1.0), "id": "r-9"})
    assert (status, json.loads(body)) == (500, {"error": "the model failed: RuntimeError; request r-9"})
    assert "secret detail" in caplog.text


def test_a_fault_of_ours_is_a_500_with_an_id_to_look_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fault(*_: object) -> Reply:
        raise ZeroDivisionError

    broken = app()
    for path, wire in list(broken._wires.items()):
        monkeypatch.setitem(broken._wires, path, wire._replace(render=fault))
    status, _, body = post(broken, x(1.0))
    assert status == 500
    id = json.loads(body)["error"].removeprefix("internal error, request ")
    assert len(id) == 32
    assert id in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_outputs_come_in_the_order_asked_for_some_as_binary() -> None:
    outputs = [{"name": "label", "parameters": {"binary_data": True}}, {"name": "probability"}]
    status, headers, body = post(app(), {**x(1.0, 2.0), "outputs": outputs})
    size = int(headers[b"inference-header-content-length"])
    label, probability = json.loads(body[:size])["outputs"]
    assert (status, label["parameters"], probability["data"]) == (200, {"binary_data_size": 14}, [2.0, 4.0])
    assert body[size:] == b"\x03\x00\x00\x00\xc3\xbc1" * 1 + b"\x03\x00\x00\x00\xc3\xbc2"


def test_text_outputs_are_json_strings() -> None:
    _, _, body = post(app(), x(1.5))
    assert json.loads(body)["outputs"][1] == {"name": "label", "datatype": "BYTES", "shape": [1], "data": ["ü1.5"]}


def test_a_page_in_a_browser_is_not_answered() -> None:
    path = "/v2/models/delay/infer"
    status, _, body = asyncio.run(exchange(app(), x(1), path, ((b"origin", b"http://evil.example"),)))
    assert (status, b"http://evil.example" in body) == (403, True)


def test_a_full_queue_is_a_503_with_retry_after() -> None:
    busy = app(Cost(call=0.5, row=1.0), queue_rows=2)

    async def crowd() -> list[Any]:
        return await asyncio.gather(*(exchange(busy, x(1.0), "/v2/models/delay/infer") for _ in range(3)))

    answers = asyncio.run(crowd())
    assert sorted(status for status, _, _ in answers) == [200, 200, 503]
    (refused,) = [answer for answer in answers if answer[0] == 503]
    assert refused[1][b"retry-after"] == b"3"
    assert "2 rows wait" in json.loads(refused[2])["error"]


def test_a_client_that_hangs_up_gets_no_answer() -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(part: Any) -> None:
        sent.append(part)

    scope = {"type": "http", "method": "POST", "path": "/v2/models/delay/infer", "headers": []}
    asyncio.run(app()(scope, receive, send))
    assert sent == []


def test_every_metric_is_declared_with_help_and_type() -> None:
    text = RequestMetrics().render({"shipway_predictor_info": [({"model_name": 'a"b\n\\'}, 1)]})
    assert 'shipway_predictor_info{model_name="a\\"b\\n\\\\"} 1' in text
    for name in METRICS:
        assert f"# HELP {name} " in text
        assert f"# TYPE {name} " in text
