"""Open Inference v2 as clients speak it: tritonclient over the whole surface, and the bytes themselves."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from wire_help import NUMBER_INPUTS, RELEASE, TEXT_INPUTS, Running, Served, ask, binary_message, infer, rows_of, tensors

from shipway.models import Array, Predictable, load_model
from shipway.serve import load_config

pytest_plugins = ["wire_fixtures"]


@pytest.fixture(scope="session")
def model(served: Served) -> Predictable:
    config = load_config(served.config())
    return load_model(config.model, served.folder / "model.skops")


@pytest.fixture
def client(running: Running) -> Iterator[Any]:
    http = pytest.importorskip("tritonclient.http")
    client = http.InferenceServerClient(running.address)
    yield client
    client.close()


def triton_inputs(columns: dict[str, Array], *, binary: bool) -> list[Any]:
    import tritonclient.http as http
    from tritonclient.utils import np_to_triton_dtype

    inputs = []
    for name, array in columns.items():
        tensor = http.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(array, binary_data=binary)
        inputs.append(tensor)
    return inputs


COLUMNS = rows_of(TEXT_INPUTS, 5, seed=3)


@pytest.mark.interop
def test_tritonclient_finds_health_metadata_and_repository(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("delay")
    assert client.is_model_ready("delay", RELEASE)
    assert not client.is_model_ready("other")
    assert client.get_server_metadata()["extensions"] == [
        "binary_tensor_data",
        "model_repository",
        "model_configuration",
        "statistics",
    ]
    metadata = client.get_model_metadata("delay")
    assert metadata == client.get_model_metadata("delay", RELEASE)
    assert metadata["versions"] == [RELEASE]
    assert metadata["inputs"] == [{"name": n, "datatype": d, "shape": [-1]} for n, d in TEXT_INPUTS.items()]
    assert metadata["outputs"] == [{"name": "probability", "datatype": "FP64", "shape": [-1]}]
    (entry,) = client.get_model_repository_index()
    assert (entry["name"], entry["version"], entry["state"]) == ("delay", RELEASE, "READY")


@pytest.mark.interop
@pytest.mark.parametrize("binary_in", [False, True])
@pytest.mark.parametrize("binary_out", [False, True])
@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
def test_tritonclient_gets_the_models_own_answer(
    client: Any, model: Predictable, binary_in: bool, binary_out: bool, compression: str | None
) -> None:
    import tritonclient.http as http

    answer = client.infer(
        "delay",
        triton_inputs(COLUMNS, binary=binary_in),
        request_id="r-17",
        outputs=[http.InferRequestedOutput("probability", binary_data=binary_out)],
        request_compression_algorithm=compression,
        response_compression_algorithm=compression,
    )
    head = answer.get_response()
    assert (head["id"], head["model_name"], head["model_version"]) == ("r-17", "delay", RELEASE)
    assert head["parameters"]["release"] == RELEASE
    np.testing.assert_array_equal(answer.as_numpy("probability"), model.predict(COLUMNS)["probability"])


@pytest.mark.interop
def test_tritonclient_asks_a_version_without_naming_outputs(client: Any, model: Predictable) -> None:
    answer = client.infer("delay", triton_inputs(COLUMNS, binary=True), model_version=RELEASE)
    np.testing.assert_array_equal(answer.as_numpy("probability"), model.predict(COLUMNS)["probability"])


@pytest.mark.interop
def test_tritonclient_understands_our_errors(client: Any) -> None:
    from tritonclient.utils import InferenceServerException

    with pytest.raises(InferenceServerException, match="no model 'other'"):
        client.infer("other", triton_inputs(COLUMNS, binary=True))
    with pytest.raises(InferenceServerException, match="column hour: expected INT64, given FP64"):
        client.infer("delay", triton_inputs({**COLUMNS, "hour": np.zeros(5)}, binary=True))
    with pytest.raises(InferenceServerException, match="no version '7'"):
        client.infer("delay", triton_inputs(COLUMNS, binary=True), model_version="7")


def test_every_answer_names_its_release(running: Running) -> None:
    for path in ("/healthz", "/nowhere", "/metrics"):
        assert ask(running.address, "GET", path).headers["x-shipway-release"] == RELEASE
    assert infer(running.address, {"inputs": tensors(COLUMNS)}).headers["x-shipway-release"] == RELEASE


def test_nested_and_flat_data_of_one_column_are_the_same(running: Running, model: Predictable) -> None:
    flat = tensors(COLUMNS)
    column = [{**t, "shape": [5, 1]} for t in flat]
    nested = [{**t, "shape": [5, 1], "data": [[value] for value in t["data"]]} for t in flat]
    expected = model.predict(COLUMNS)["probability"].tolist()
    for inputs in (flat, column, nested):
        assert infer(running.address, {"inputs": inputs}).json["outputs"][0]["data"] == expected


def test_a_missing_number_is_null_or_nan(running: Running, model: Predictable) -> None:
    columns = {**COLUMNS, "humid": np.array([np.nan, 1, 2, 3, 4])}
    expected = model.predict(columns)["probability"].tolist()
    message = {"inputs": tensors(columns)}
    assert infer(running.address, message).json["outputs"][0]["data"] == expected  # Python writes NaN
    message["inputs"][-1]["data"][0] = None
    assert infer(running.address, message).json["outputs"][0]["data"] == expected
    assert math.isnan(columns["humid"][0])


def test_an_id_is_made_when_none_is_given(running: Running) -> None:
    first, second = (infer(running.address, {"inputs": tensors(COLUMNS)}).json["id"] for _ in range(2))
    assert len(first) == 32
    assert first < second


def test_key_and_time_are_taken_and_need_not_be_there(running: Running) -> None:
    aside = {"flight": np.array(["a"] * 5, dtype=object), "scheduled": np.arange(5)}
    assert infer(running.address, {"inputs": tensors({**COLUMNS, **aside})}).status == 200


def test_a_matrix_stands_for_all_numeric_inputs(running_numbers: Running, numbers: Served) -> None:
    columns = rows_of(NUMBER_INPUTS, 4, seed=4)
    matrix = np.stack([columns[name].astype(float) for name in NUMBER_INPUTS], axis=1)
    by_column = infer(running_numbers.address, {"inputs": tensors(columns)}).json["outputs"]
    nested = {"name": "input", "shape": [4, 20], "datatype": "FP64", "data": matrix.tolist()}
    flat = {**nested, "data": matrix.ravel().tolist()}
    for tensor in (nested, flat):
        assert infer(running_numbers.address, {"inputs": [tensor]}).json["outputs"] == by_column
    body, headers = binary_message({"input": matrix})
    assert infer(running_numbers.address, body, headers).json["outputs"] == by_column


def test_a_matrix_that_the_signature_cannot_hold_is_refused_by_column(running_numbers: Running, running: Running) -> None:
    half = {"name": "input", "shape": [1, 20], "datatype": "FP64", "data": [0.5] * 20}
    answer = infer(running_numbers.address, {"inputs": [half]})
    assert (answer.status, answer.error) == (400, "column weekday: expected values that INT64 can hold, given 0.5")
    narrow = {**half, "shape": [1, 3], "data": [0.5] * 3}
    assert "FP64 of shape [n, 20], given FP64 of shape [1, 3]" in infer(running_numbers.address, {"inputs": [narrow]}).error
    assert "'carrier' is text" in infer(running.address, {"inputs": [half]}).error


def test_binary_output_for_all_by_a_parameter(running: Running, model: Predictable) -> None:
    answer = infer(running.address, {"inputs": tensors(COLUMNS), "parameters": {"binary_data_output": True}})
    size = int(answer.headers["inference-header-content-length"])
    expected = model.predict(COLUMNS)["probability"]
    assert answer.headers["content-type"] == "application/octet-stream"
    np.testing.assert_array_equal(np.frombuffer(answer.body[size:], "<f8"), expected)


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("GZIP", gzip.compress)])
def test_packed_bodies_are_read(running: Running, encoding: str, pack: Any) -> None:
    body, headers = binary_message(COLUMNS)
    assert infer(running.address, pack(body), {**headers, "Content-Encoding": encoding}).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "says"),
    [
        ("GET", "/v2/models/delay/infer", 405, "POST to infer"),
        ("POST", "/healthz", 405, "does not answer this method"),
        ("POST", "/metrics", 405, "does not answer this method"),
        ("GET", "/v2/models/other", 404, "no model 'other': expected 'delay'"),
        ("GET", "/v2/models/delay/versions/1/ready", 404, f"no version '1' of 'delay': expected '{RELEASE}'"),
        ("GET", "/v2/models/delay/other", 404, "nothing at '/v2/models/delay/other'"),
        ("GET", "/v2/models/", 404, "no model ''"),
        ("GET", "/v3", 404, "nothing at '/v3'"),
    ],
)
def test_a_wrong_address_or_method_is_told(running: Running, method: str, path: str, status: int, says: str) -> None:
    answer = ask(running.address, method, path)
    assert answer.status == status
    assert says in answer.error


def test_head_asks_for_health_without_a_body(running: Running) -> None:
    assert ask(running.address, "HEAD", "/readyz")[::2] == (200, b"")
