"""KServe's CloudEvents around V1 and V2, in both modes, and CloudEvents' own library for Python at the other end."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from datatypes_model import VALUES, answering, columns_of, echo_app
from starlette.testclient import TestClient
from wire_help import binary_message

INFER, PREDICT = "/v2/models/echo/infer", "/v1/models/echo:predict"
TENSOR: dict[str, Any] = {"name": "fp64", "shape": [2], "datatype": "FP64", "data": VALUES["FP64"]}
BODIES: dict[str, Any] = {INFER: {"inputs": [TENSOR]}, PREDICT: {"instances": [{"fp64": value} for value in VALUES["FP64"]]}}
HEADERS = {"ce-specversion": "1.0", "ce-id": "e-7", "ce-source": "tests", "ce-type": "asks", "content-type": "application/json"}
EVENT = {"specversion": "1.0", "id": "e-7", "source": "tests", "type": "asks", "time": "2026-11-29T12:00:00Z"}
STRUCTURED = {"content-type": "application/cloudevents+json; charset=utf-8"}
PYTHON = Path(__file__).parents[2] / ".venv" / "kserve" / "bin" / "python"


@pytest.fixture(name="client", scope="module")
def _client() -> TestClient:
    return TestClient(echo_app("FP64"))


@pytest.fixture(name="address", scope="module")
def _address() -> Iterator[str]:
    with answering(echo_app("FP64")) as address:
        yield address


@pytest.mark.parametrize("path", BODIES)
def test_an_event_in_headers_is_answered_with_one_in_headers(client: TestClient, path: str) -> None:
    plain, found = client.post(path, json=BODIES[path]), client.post(path, json=BODIES[path], headers=HEADERS)
    assert found.status_code == 200
    answer = found.json()
    if path == INFER:
        assert answer.pop("id") == "e-7"
        assert answer == {name: value for name, value in plain.json().items() if name != "id"}
    else:
        assert (answer, found.headers["x-shipway-request"]) == (plain.json(), "e-7")
    assert (found.headers["ce-specversion"], found.headers["ce-id"]) == ("1.0", "e-7")
    assert found.headers["ce-type"] == "io.kserve.inference.response"
    assert found.headers["ce-source"] == "io.kserve.inference.echo"
    assert found.headers["ce-time"].endswith("+00:00")


@pytest.mark.parametrize("path", BODIES)
def test_an_event_as_a_body_is_answered_with_one_as_a_body(client: TestClient, path: str) -> None:
    found = client.post(path, content=json.dumps({**EVENT, "data": BODIES[path]}), headers=STRUCTURED)
    assert (found.status_code, found.headers["content-type"]) == (200, "application/cloudevents+json")
    event = found.json()
    assert event.pop("time")
    data = event.pop("data")
    assert data.get("predictions", data.get("outputs", [{}])[0:1]) in (VALUES["FP64"], data.get("outputs"))
    assert event == {
        "specversion": "1.0", "id": "e-7", "source": "io.kserve.inference.echo", "type": "io.kserve.inference.response",
        "datacontenttype": "application/json",
    }  # fmt: skip


def test_a_bodys_own_id_wins_and_binary_tensors_go_along_both_ways(client: TestClient) -> None:
    body, length = binary_message(columns_of("FP64"), id="own", parameters={"binary_data_output": True})
    found = client.post(INFER, content=body, headers={**HEADERS, **length, "content-type": "application/octet-stream"})
    assert (found.status_code, found.headers["ce-id"]) == (200, "own")
    assert found.content[int(found.headers["inference-header-content-length"]) :] == columns_of("FP64")["fp64"].tobytes()
    event = {**EVENT, "datacontenttype": "application/octet-stream", "data_base64": base64.b64encode(body).decode()}
    answer = client.post(INFER, content=json.dumps(event), headers={**STRUCTURED, **length})
    assert answer.json()["datacontenttype"] == "application/octet-stream"
    assert base64.b64decode(answer.json()["data_base64"]).endswith(columns_of("FP64")["fp64"].tobytes())


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ({**EVENT}, "expected either data or data_base64"),
        ({**EVENT, "data": BODIES[INFER], "data_base64": "e30="}, "expected either data or data_base64"),
        ({**EVENT, "data_base64": "e30"}, "data_base64 is not base64"),
        ({**EVENT, "data_base64": "ü"}, "data_base64 is not base64"),
        ({**EVENT, "specversion": "2.0", "data": {}}, "specversion: expected 1.0 or 0.3, given '2.0'"),
        ({**EVENT, "id": "", "data": {}}, "expected a id, given none"),
        ({**EVENT, "id": "x" * 300, "data": {}}, "at most 256 characters"),
        ({**EVENT, "datacontenttype": "text/xml", "data": {}}, "datacontenttype: expected application/json"),
        ({"data": {}}, "not a CloudEvent"),
        (
            {**EVENT, "data": {"inputs": [{**TENSOR, "datatype": "FP32"}]}},
            "column fp64: expected numbers that FP32 can hold, given a larger one",
        ),
        ({**EVENT, "data": {"inputs": [{**TENSOR, "datatype": "INT8", "data": [1, 2]}]}}, "expected FP64, given INT8"),
    ],
)
def test_an_event_that_is_none_is_told_why(client: TestClient, event: Any, says: str) -> None:
    found = client.post(INFER, content=json.dumps(event), headers=STRUCTURED)
    assert (found.status_code, says in found.json()["error"]) == (400, True), found.text


def test_an_event_in_headers_that_is_none_is_told_why(client: TestClient) -> None:
    for wrong in ({"ce-specversion": "3"}, {"ce-id": ""}, {"ce-type": ""}):
        assert client.post(INFER, json=BODIES[INFER], headers={**HEADERS, **wrong}).status_code == 400
    assert client.post(INFER, json={}, headers={**HEADERS, "content-type": "text/csv"}).status_code == 415
    assert client.post("/invocations", content="{}", headers=STRUCTURED).status_code == 415


@pytest.mark.interop
def test_cloudevents_own_library_reads_what_it_is_answered(address: str) -> None:
    code = f"""
import json, urllib.request
from cloudevents.http import CloudEvent, from_http, to_binary, to_structured
for pack in (to_binary, to_structured):
    event = CloudEvent({{"type": "asks", "source": "tests", "id": "e-9"}}, {BODIES[INFER]!r})
    headers, body = pack(event)
    headers = {{"content-type": "application/json", **headers}}
    with urllib.request.urlopen(urllib.request.Request("http://{address}{INFER}", body, headers)) as answer:
        found = from_http(dict(answer.headers), answer.read())
    data = found.data if isinstance(found.data, dict) else json.loads(found.data)
    print(json.dumps([found["id"], found["type"], data["outputs"][0]["data"]]))
"""
    done = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    expected = ["e-9", "io.kserve.inference.response", VALUES["FP64"]]
    assert [json.loads(line) for line in done.stdout.splitlines()] == [expected, expected]
