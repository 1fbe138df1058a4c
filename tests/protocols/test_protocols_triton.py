"""What Triton's and KServe's own clients ask over the whole surface, beside the plain answers of Open Inference."""

from __future__ import annotations

import gzip
import json
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc_help as second
import numpy as np
import pytest
from datatypes_model import VALUES, answering, columns_of, echo_app
from starlette.testclient import TestClient
from wire_help import RELEASE, TEXT_INPUTS, Running, ask, infer, rows_of, tensors

from shipway import __version__
from shipway.protocols._packing import accepted

pytest_plugins = ["wire_fixtures"]

COLUMNS = rows_of(TEXT_INPUTS, 5, seed=3)
KSERVE = Path(__file__).parents[2] / ".venv" / "kserve" / "bin" / "python"


@pytest.fixture(name="echo", scope="module")
def _echo() -> Iterator[str]:
    with answering(echo_app()) as address:
        yield address


def triton(address: str) -> Any:
    return pytest.importorskip("tritonclient.http").InferenceServerClient(address, concurrency=4)


def triton_inputs(columns: Any, *, binary: bool) -> list[Any]:
    import tritonclient.http as http

    inputs = []
    for name, array in columns.items():
        tensor = http.InferInput(name, list(array.shape), name.upper())
        tensor.set_data_from_numpy(array, binary_data=binary)
        inputs.append(tensor)
    return inputs


@pytest.mark.interop
def test_tritonclient_gets_every_datatype_back_to_the_last_bit(echo: str) -> None:
    client, columns = triton(echo), columns_of()
    answer = client.infer("echo", triton_inputs(columns, binary=True))
    for name, array in columns.items():
        found = answer.as_numpy(name)
        found = np.array([text.decode() for text in found], object) if name == "bytes" else found
        assert found.tolist() == array.tolist(), name
        assert found.dtype == array.dtype
    client.close()


@pytest.mark.interop
def test_tritonclient_sends_json_and_binary_mixed_and_asks_for_some_outputs_in_its_order(echo: str) -> None:
    import tritonclient.http as http

    client, columns = triton(echo), columns_of()
    plain = {name: array for name, array in columns.items() if name != "fp16"}
    inputs = triton_inputs(plain, binary=False) + triton_inputs({"fp16": columns["fp16"]}, binary=True)
    outputs = [http.InferRequestedOutput("uint64", binary_data=False), http.InferRequestedOutput("fp16", binary_data=True)]
    answer = client.infer("echo", inputs, outputs=outputs)
    assert [output["name"] for output in answer.get_response()["outputs"]] == ["uint64", "fp16"]
    assert answer.get_response()["outputs"][0]["data"] == VALUES["UINT64"]
    assert answer.as_numpy("fp16").tolist() == VALUES["FP16"]
    client.close()


@pytest.mark.interop
def test_tritonclient_asks_many_at_once_with_parameters_that_change_nothing(echo: str) -> None:
    client, inputs = triton(echo), triton_inputs(columns_of(), binary=True)
    more: dict[str, Any] = {"sequence_id": 7, "sequence_start": True, "sequence_end": True, "priority": 1, "timeout": 1_000_000}
    asked = [client.async_infer("echo", inputs, request_id=f"r{i}", parameters={"own": i}, **more) for i in range(8)]
    assert [one.get_result().get_response()["id"] for one in asked] == [f"r{i}" for i in range(8)]
    client.close()


@pytest.mark.interop
def test_tritonclient_reads_configuration_and_statistics(running: Running) -> None:
    client = triton(running.address)
    before = client.get_inference_statistics("delay")["model_stats"][0]
    for _ in range(3):
        assert infer(running.address, {"inputs": tensors(COLUMNS)}).status == 200
    assert infer(running.address, b"{").status == 400
    (after,) = client.get_inference_statistics()["model_stats"]
    assert after["inference_count"] - before["inference_count"] == 15
    assert after["execution_count"] - before["execution_count"] == 3
    for kind, more in (("success", 3), ("fail", 1)):
        counts = [found["inference_stats"][kind] for found in (before, after)]
        assert counts[1]["count"] - counts[0]["count"] == more
        assert counts[1]["ns"] > counts[0]["ns"]
    for kind in ("queue", "compute_input", "compute_infer", "compute_output"):
        counts = [found["inference_stats"][kind] for found in (before, after)]
        assert (counts[1]["count"] - counts[0]["count"], counts[1]["ns"] > counts[0]["ns"]) == (3, True), kind
    assert client.get_inference_statistics("delay", RELEASE)["model_stats"][0]["version"] == RELEASE
    config = client.get_model_config("delay")
    assert config == client.get_model_config("delay", RELEASE)
    assert [field["data_type"] for field in config["input"]] == ["TYPE_STRING", "TYPE_INT64", "TYPE_FP64", "TYPE_FP64"]
    assert {"model_configuration", "statistics"} <= {*client.get_server_metadata()["extensions"]}
    client.close()


@pytest.mark.interop
def test_tritonclient_is_told_why_what_a_predictor_does_not_have_is_refused(running: Running) -> None:
    import tritonclient.http as http
    from tritonclient.utils import InferenceServerException

    client = triton(running.address)
    refused = {
        "the one release that it was started with": [
            lambda: client.load_model("delay"),
            lambda: client.load_model("other", config="{}"),
            lambda: client.unload_model("delay"),
        ],
        "no trace settings": [
            client.get_trace_settings,
            lambda: client.get_trace_settings("delay"),
            lambda: client.update_trace_settings(settings={"trace_level": "OFF"}),
        ],
        "no log settings": [client.get_log_settings, lambda: client.update_log_settings({"log_info": False})],
        "shares no memory": [
            lambda: client.register_system_shared_memory("r", "/r", 8),
            lambda: client.register_cuda_shared_memory("r", b"handle", 0, 8),
            lambda: client.get_system_shared_memory_status("r"),
        ],
        "no model 'other'": [
            lambda: client.get_model_config("other"),
            lambda: client.get_inference_statistics("other"),
            lambda: client.get_trace_settings("other"),
        ],
    }
    for words, calls in refused.items():
        for call in calls:
            with pytest.raises(InferenceServerException, match=words):
                call()
    assert client.get_system_shared_memory_status() == client.get_cuda_shared_memory_status() == []
    client.unregister_system_shared_memory()
    client.unregister_cuda_shared_memory()
    columns = {"carrier": COLUMNS["carrier"]}
    tensor = http.InferInput("carrier", [5], "BYTES")
    tensor.set_data_from_numpy(columns["carrier"])
    with pytest.raises(InferenceServerException, match="no classification"):
        client.infer("delay", [tensor], outputs=[http.InferRequestedOutput("probability", class_count=3)])
    tensor.set_shared_memory("region", 8)
    with pytest.raises(InferenceServerException, match="column carrier: expected its data in the body, given a region"):
        client.infer("delay", [tensor])
    client.close()


@pytest.mark.parametrize("datatype", VALUES)
def test_a_datatype_other_than_the_signatures_is_named_with_both(datatype: str) -> None:
    name, other = datatype.lower(), "INT16" if datatype == "INT8" else "INT8"
    tensor = {"name": name, "shape": [2], "datatype": other, "data": [0, 1]}
    refused = TestClient(echo_app(datatype)).post("/v2/models/echo/infer", json={"inputs": [tensor]})
    assert refused.status_code == 400
    assert f"column {name}: expected {datatype}, given {other}" in refused.json()["error"]


def test_fp16_goes_as_binary_data_alone_both_ways() -> None:
    client = TestClient(echo_app("FP16"))
    column = {"name": "fp16", "shape": [2], "datatype": "FP16"}
    asked = client.post("/v2/models/echo/infer", json={"inputs": [{**column, "data": [1.5, 2]}]})
    assert (asked.status_code, "column fp16: expected FP16 as binary data" in asked.json()["error"]) == (400, True)
    head = json.dumps({"inputs": [{**column, "parameters": {"binary_data_size": 4}}]}).encode()
    binary = {"inference-header-content-length": str(len(head)), "content-type": "application/octet-stream"}
    given = client.post("/v2/models/echo/infer", content=head + b"\x00\x3e\x00\x40", headers=binary)
    assert (given.status_code, "output 'fp16': FP16 has no form in JSON" in given.json()["error"]) == (400, True)


@pytest.mark.parametrize(
    ("accepts", "unpack"), [("gzip", gzip.decompress), ("br, deflate", zlib.decompress), ("*", gzip.decompress)]
)
def test_a_large_answer_is_packed_for_who_accepts_that(running: Running, accepts: str, unpack: Any) -> None:
    message = {"inputs": tensors(rows_of(TEXT_INPUTS, 500)), "id": "large"}
    plain = infer(running.address, message)
    found = infer(running.address, message, {"Accept-Encoding": accepts})
    assert "content-encoding" not in plain.headers
    assert found.headers["vary"] == "accept-encoding"
    assert len(found.body) < len(plain.body)
    assert unpack(found.body) == plain.body
    small = infer(running.address, {"inputs": tensors(COLUMNS)}, {"Accept-Encoding": accepts})
    assert "content-encoding" not in small.headers


def test_a_packing_that_the_client_refuses_is_not_taken(running: Running) -> None:
    message = {"inputs": tensors(rows_of(TEXT_INPUTS, 500))}
    for accepts in ("identity", "br", "gzip;q=0", "gzip; q=0.000"):
        assert "content-encoding" not in infer(running.address, message, {"Accept-Encoding": accepts}).headers
    assert accepted(b"gzip;q=0, deflate;q=0.5") == b"deflate"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/v2/models/delay/config", "GET"),
        ("POST", "/v2/models/stats", "GET"),
        ("GET", "/v2/repository/models/delay/load", "POST"),
        ("DELETE", "/v2/logging", "GET, POST"),
        ("GET", "/v2/systemsharedmemory/unregister", "POST"),
        ("POST", "/v2/cudasharedmemory/region/r/status", "GET"),
    ],
)
def test_a_wrong_method_of_these_addresses_is_told(running: Running, method: str, path: str, allow: str) -> None:
    answer = ask(running.address, method, path)
    assert (answer.status, answer.headers["allow"]) == (405, allow)


def test_kserves_and_mlflows_pages_are_there(running: Running) -> None:
    assert ask(running.address, "GET", "/").json == {"status": "alive"}
    assert ask(running.address, "GET", "/v2/models").json == {"models": ["delay"]}
    version = ask(running.address, "GET", "/version")
    assert (version.headers["content-type"], version.body) == ("text/plain; charset=utf-8", __version__.encode())


@pytest.mark.interop
def test_kserves_client_passes_over_v1_and_v2(echo: str, running: Running) -> None:
    script = Path(__file__).with_name("kserve_client.py")
    typed = [name for name in VALUES if name != "FP16"]
    with second.answering(echo_app()) as raw, second.answering(echo_app(*typed)) as words:
        command: list[str | Path] = [KSERVE, script, running.address, echo, raw.address, words.address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    for name, array in columns_of().items():
        assert found["echoed"][name] == found["grpc"]["raw"][name] == array.tolist(), name
        assert found["grpc"]["typed"].get(name) == (None if name == "fp16" else array.tolist()), name
    assert (found["grpc"]["live"], found["grpc"]["id"]) == ([True, True, True], "k-1")
    assert "no model 'other'" in found["grpc"]["other"]
    assert found["v2"] == found["v1"] == infer(running.address, {"inputs": tensors(COLUMNS)}).json["outputs"][0]["data"]
    assert found["live"] == [True, True, True, True]
    assert found["model_ready"] == [True, True, False]
    assert "expected INT64, given FP64" in found["refused"]
    assert found["id"] == "k-1"


@pytest.mark.interop
@pytest.mark.filterwarnings("ignore")  # MLflow's own
def test_mlflows_scoring_client_passes(running: Running) -> None:
    import pandas as pd  # type: ignore[import-untyped]
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    host, port = running.address.split(":")
    client = ScoringServerClient(host, port)
    client.wait_server_ready(timeout=5)
    assert client.get_version()
    expected = infer(running.address, {"inputs": tensors(COLUMNS)}).json["outputs"][0]["data"]
    frame = pd.DataFrame(COLUMNS)
    assert client.invoke(frame).get_predictions("dataframe")[0].tolist() == expected
    with pytest.raises(Exception, match="column hour: expected INT64"):
        client.invoke(frame.assign(hour=0.5))
    with pytest.raises(Exception, match="params: this model takes none"):
        client.invoke(frame, params={"n": 1})
