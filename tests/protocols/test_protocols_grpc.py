"""Open Inference v2 over gRPC as clients speak it: tritonclient over the whole surface, grpcio with messages of every form."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio
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
from starlette.testclient import TestClient
from tritonclient.utils import InferenceServerException
from wire_help import RELEASE, tensors

from shipway.protocols._grpc_messages import kinds

SERVICE = "inference.GRPCInferenceService"


@pytest.fixture(name="mirror", scope="module")
def _mirror() -> Iterator[Answering]:
    with answering(mirror_app({name: name for name in VALUES})) as found:
        yield found


@pytest.fixture(name="client", scope="module")
def _client(mirror: Answering) -> Iterator[Any]:
    with triton.InferenceServerClient(mirror.address) as found:
        yield found


def inputs_of(columns: dict[str, Any], kind: Any = triton.InferInput) -> list[Any]:
    found = []
    for name, array in columns.items():
        tensor = kind(name, list(array.shape), "BYTES" if array.dtype == object else name.partition("_")[0])
        tensor.set_data_from_numpy(array)
        found.append(tensor)
    return found


def texts(array: Any) -> list[Any]:
    return [value.decode() if isinstance(value, bytes) else value for value in array.tolist()]


@pytest.mark.interop
def test_tritonclient_finds_health_metadata_and_repository(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(MIRROR)
    assert client.is_model_ready(MIRROR, RELEASE)
    assert client.get_server_metadata(as_json=True)["name"] == "shipway"
    model = client.get_model_metadata(MIRROR, as_json=True)
    assert (model["name"], model["versions"]) == (MIRROR, [RELEASE])
    assert [(one["name"], one["datatype"], one["shape"]) for one in model["inputs"]] == [(n, n, ["-1"]) for n in VALUES]
    (entry,) = client.get_model_repository_index(as_json=True)["models"]
    assert entry == {"name": MIRROR, "version": RELEASE, "state": "READY"}
    config = client.get_model_config(MIRROR, as_json=True)["config"]
    assert [(one["name"], one["data_type"]) for one in config["output"]][-1] == ("same_BYTES", "TYPE_STRING")
    client.infer(MIRROR, inputs_of(columns_of_all_types()))
    (of_model,) = client.get_inference_statistics(as_json=True)["model_stats"]
    (named,) = client.get_inference_statistics(MIRROR, RELEASE, as_json=True)["model_stats"]
    assert int(named["inference_count"]) >= 2
    assert int(named["inference_stats"]["success"]["ns"]) > 0
    assert (of_model["name"], of_model["version"]) == (MIRROR, RELEASE)
    assert client.get_system_shared_memory_status(as_json=True) == {}
    client.unregister_system_shared_memory()
    client.unregister_cuda_shared_memory()
    with pytest.raises(InferenceServerException, match="UNIMPLEMENTED"):
        client.register_system_shared_memory("here", "/here", 8)
    for refused in (client.load_model, client.unload_model):
        with pytest.raises(InferenceServerException, match=r"UNIMPLEMENTED\] a predictor serves the one release"):
            refused(MIRROR)


@pytest.mark.interop
def test_tritonclient_gets_every_datatype_back(client: Any) -> None:
    columns = columns_of_all_types()
    result = client.infer(MIRROR, inputs_of(columns), request_id="mine", headers={"x-more": "1"}, client_timeout=20)
    for name, array in columns.items():
        found = result.as_numpy(f"same_{name}")
        assert found.dtype == array.dtype
        assert texts(found) == array.tolist()
    response = result.get_response()
    assert (response.model_name, response.model_version, response.id) == (MIRROR, RELEASE, "mine")
    assert response.parameters["release"].string_param == RELEASE
    only = [triton.InferRequestedOutput(name) for name in ("same_BYTES", "same_INT8")]
    result = client.infer(MIRROR, inputs_of(columns), model_version=RELEASE, outputs=only, compression_algorithm="gzip")
    assert [output.name for output in result.get_response().outputs] == ["same_BYTES", "same_INT8"]
    assert client.infer(MIRROR, inputs_of(columns), compression_algorithm="deflate").get_response().id


@pytest.mark.interop
def test_tritonclient_in_asyncio_asks_many_at_once(mirror: Answering) -> None:
    columns = columns_of_all_types()

    async def ask() -> list[Any]:
        async with tritonclient.grpc.aio.InferenceServerClient(mirror.address) as client:
            assert await client.is_server_ready()
            asked = (client.infer(MIRROR, inputs_of(columns), request_id=f"{i}") for i in range(50))
            return [result.get_response().id for result in await asyncio.gather(*asked)]

    assert asyncio.run(ask()) == [f"{i}" for i in range(50)]


@pytest.mark.interop
def test_tritonclient_streams_and_an_error_in_the_middle_ends_nothing(mirror: Answering) -> None:
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    columns = columns_of_all_types()
    with triton.InferenceServerClient(mirror.address) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        for i in range(20):
            model = MIRROR if i != 7 else "other"
            client.async_stream_infer(model, inputs_of(columns), request_id=f"{i}", enable_empty_final_response=True)
        found = [answers.get(timeout=20) for _ in range(20)]
        client.stop_stream()
    errors = [(i, str(error)) for i, (_, error) in enumerate(found) if error]
    assert errors == [(7, "no model 'other': expected 'mirror'")]
    ids = [result.get_response().id for result, error in found if not error]
    assert ids == [f"{i}" for i in range(20) if i != 7]
    assert found[0][0].get_response().parameters["triton_final_response"].bool_param


@pytest.mark.interop
def test_tritonclient_understands_our_errors(client: Any) -> None:
    columns = columns_of_all_types()
    wrong = dict(columns)
    wrong["FP64"] = np.array(["a", "b"], dtype=object)
    for asked, options, says in (
        (columns, {"model_name": "other"}, "NOT_FOUND] no model 'other': expected 'mirror'"),
        (columns, {"model_version": "2"}, "NOT_FOUND] no version '2' of 'mirror'"),
        (columns, {"outputs": [triton.InferRequestedOutput("nothing")]}, "INVALID_ARGUMENT] output 'nothing': expected one of"),
        (wrong, {}, "INVALID_ARGUMENT] column FP64: expected FP64, given BYTES"),
        (dict(list(columns.items())[1:]), {}, "INVALID_ARGUMENT] column BOOL: expected BOOL, given no such column"),
    ):
        with pytest.raises(InferenceServerException) as problem:
            client.infer(**{"model_name": MIRROR, "inputs": inputs_of(asked), **options})
        assert says in str(problem.value)
    with pytest.raises(InferenceServerException, match="UNIMPLEMENTED"):
        client.get_trace_settings()


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "typed"])
def test_an_answer_comes_as_its_request_came_with_the_same_bits(mirror: Answering, raw: bool) -> None:
    columns = columns_of_all_types()
    with channel(mirror.address) as found:
        answer = call(found, f"{SERVICE}/ModelInfer", infer_message(columns, raw=raw, id="a"))
    response = kinds().messages["inference.ModelInferResponse"].FromString(answer)
    assert bool(response.raw_output_contents) is raw
    again = kinds().messages["inference.ModelInferRequest"].FromString(infer_message(columns, raw=raw))
    assert list(response.raw_output_contents) == list(again.raw_input_contents)
    assert [output.contents for output in response.outputs] == [tensor.contents for tensor in again.inputs]


def test_answers_are_those_of_http_to_the_bit(mirror: Answering) -> None:
    columns = columns_of_all_types()
    columns["FP32"] = np.array([0.1, 1e30], "<f4")  # JSON has no infinity
    http = TestClient(mirror.app)
    outputs = http.post(f"/v2/models/{MIRROR}/infer", json={"inputs": tensors(columns)}).json()["outputs"]
    with channel(mirror.address) as found:
        answers = [call(found, f"{SERVICE}/ModelInfer", infer_message(columns, raw=raw)) for raw in (True, False)]
    response, typed = (kinds().messages["inference.ModelInferResponse"].FromString(answer) for answer in answers)
    for number, (output, array) in enumerate(zip(outputs, columns.values(), strict=True)):
        ((_, elements),) = typed.outputs[number].contents.ListFields()
        found_texts = [value.decode() if isinstance(value, bytes) else value for value in elements]
        assert np.array(found_texts, array.dtype).tolist() == array.tolist()
        assert np.array(output["data"], array.dtype).tolist() == array.tolist()
        if array.dtype != object:
            assert response.raw_output_contents[number] == array.tobytes()


@pytest.mark.interop
def test_half_precision_goes_raw_both_ways() -> None:
    column = np.array([0.1, 65504.0, np.nan], "<f2")
    with answering(mirror_app({"FP16": "FP16"})) as server, triton.InferenceServerClient(server.address) as client:
        found = client.infer(MIRROR, inputs_of({"FP16": column})).as_numpy("same_FP16")
    assert (found.dtype, found.tobytes()) == (column.dtype, column.tobytes())


def changed(edit: Any) -> bytes:
    """A typed request for the mirror, changed."""
    message = kinds().messages["inference.ModelInferRequest"].FromString(infer_message(columns_of_all_types(), raw=False))
    edit(message)
    return bytes(message.SerializeToString())


def other_field(message: Any) -> None:
    message.inputs[10].contents.Clear()
    message.inputs[10].contents.fp32_contents.extend([1.0, 2.0])


def both(message: Any) -> None:
    for _ in message.inputs:
        message.raw_input_contents.append(b"\0\1")


def classes(message: Any) -> None:
    message.outputs.add(name="same_INT8").parameters["classification"].int64_param = 3


def in_shared_memory(message: Any) -> None:
    message.inputs[0].parameters["shared_memory_region"].string_param = "here"


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (other_field, "column FP64: expected fp64_contents for FP64, given fp32_contents"),
        (lambda m: m.inputs[5].contents.uint_contents.append(1), "column UINT8: expected 2 elements of uint_contents"),
        (lambda m: m.inputs[1].contents.int_contents.__setitem__(0, 200), "column INT8: expected values that INT8 can hold"),
        (
            lambda m: m.inputs[11].contents.bytes_contents.__setitem__(0, b"\xff"),
            "column BYTES: expected BYTES elements in UTF-8",
        ),
        (lambda m: m.inputs[1].shape.__setitem__(0, -2), "column INT8: expected a shape of one size or more"),
        (lambda m: setattr(m.inputs[1], "datatype", "FP16"), "column INT8: expected raw_input_contents for FP16"),
        (lambda m: setattr(m.inputs[1], "datatype", "INT7"), "column INT8: expected a datatype of BOOL"),
        (lambda m: setattr(m.inputs[1], "name", "INT16"), "column INT16: expected each input once"),
        (lambda m: setattr(m, "id", "x" * 300), "id: expected at most 256 characters, given 300"),
        (
            lambda m: m.raw_input_contents.append(b"\0"),
            "raw_input_contents: expected one for each of 12 inputs or none, given 1",
        ),
        (classes, "output 'same_INT8': a predictor gives no classification"),
        (both, "column BOOL: expected raw_input_contents or contents, given both"),
        (in_shared_memory, "column BOOL: expected its data in the message, given a region of shared memory"),
    ],
)
def test_what_does_not_fit_is_named_with_expected_and_given(mirror: Answering, edit: Any, says: str) -> None:
    with channel(mirror.address) as found:
        code, words = refusal(found, f"{SERVICE}/ModelInfer", changed(edit))
    assert (code, says in words) == (grpc.StatusCode.INVALID_ARGUMENT, True), words


def test_health_is_answered_as_probes_ask_it(mirror: Answering) -> None:
    response = kinds().messages["grpc.health.v1.HealthCheckResponse"]
    request = kinds().messages["grpc.health.v1.HealthCheckRequest"]
    with channel(mirror.address) as found:
        for service in ("", SERVICE, MIRROR):
            asked = request(service=service).SerializeToString()
            assert response.FromString(call(found, "grpc.health.v1.Health/Check", asked)).status == 1
        assert refusal(found, "grpc.health.v1.Health/Check", request(service="other").SerializeToString()) == (
            grpc.StatusCode.NOT_FOUND,
            "no service 'other' here",
        )


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_describes_the_services_and_their_messages(mirror: Answering, version: str) -> None:
    messages = kinds().messages
    request = messages[f"grpc.reflection.{version}.ServerReflectionRequest"]
    asked = [
        request(list_services=""),
        request(file_containing_symbol=f"{SERVICE}.ModelInfer"),
        request(file_containing_symbol="inference.ModelInferRequest.InferInputTensor"),
        request(file_by_filename="health.proto"),
        request(file_containing_symbol="nothing.Here"),
    ]
    path = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    with channel(mirror.address) as found:
        said = found.stream_stream(path)(iter([one.SerializeToString() for one in asked]), timeout=20)
        listed, method, message, health, nothing = (
            messages[f"grpc.reflection.{version}.ServerReflectionResponse"].FromString(one) for one in said
        )
    assert SERVICE in [service.name for service in listed.list_services_response.service]
    for one, name in ((method, "inference"), (message, "inference"), (health, "health")):
        (file,) = one.file_descriptor_response.file_descriptor_proto
        assert name.encode() in file
    assert nothing.error_response.error_code == 5


def test_our_messages_have_the_names_and_numbers_that_tritonclient_knows() -> None:
    from tritonclient.grpc import model_config_pb2, service_pb2

    known = {**service_pb2.DESCRIPTOR.message_types_by_name, **model_config_pb2.DESCRIPTOR.message_types_by_name}
    for name, kind in kinds().messages.items():
        if name.startswith("inference."):
            check_fields(kind.DESCRIPTOR, known[name.removeprefix("inference.")])
    (service,) = service_pb2.DESCRIPTOR.services_by_name.values()
    assert service.full_name == SERVICE


def check_fields(ours: Any, theirs: Any) -> None:
    fields = {field.name: field for field in theirs.fields}
    for field in ours.fields:
        other = fields[field.name]
        assert (field.number, field.type) == (other.number, other.type), field.full_name
    for nested in ours.nested_types:
        check_fields(nested, theirs.nested_types_by_name[nested.name])
