"""The description of a predictor's API: what an OpenAPI validator takes, and what a generator of requests cannot break."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from starlette.testclient import TestClient
from wire_help import NUMBER_INPUTS, TEXT_INPUTS, Served, rows_of, tensors

from shipway.models import Column, Signature
from shipway.protocols import PredictorApp
from shipway.protocols._openapi import describe_api, value_schema
from shipway.serve import Batcher, Identity, load_config, open_model, open_predictor

pytest_plugins = ["wire_fixtures"]

WHO = Identity("delay", "prod", "sha256:" + "ab" * 32, "sha256:" + "cd" * 32, "live", "delay")


@pytest.fixture(name="app", scope="module")
def _app(served: Served) -> Iterator[PredictorApp]:
    config = load_config(served.config(log_directory=None))
    ready = open_model(config)
    batcher = Batcher(open_predictor(config, ready.model, None), ready.cost)
    yield PredictorApp(batcher, server_version="0", golden=ready.golden)
    batcher.close()


@pytest.fixture(name="document", scope="module")
def _document(app: PredictorApp) -> Any:
    return TestClient(app).get("/openapi.json").json()


@pytest.mark.interop
def test_the_description_is_valid_openapi_and_its_examples_are_answered_as_they_say(app: PredictorApp, document: Any) -> None:
    import jsonschema
    import openapi_spec_validator

    openapi_spec_validator.validate(document)
    client = TestClient(app)
    for path in ("/v1/models/delay:predict", "/v2/models/delay/infer"):
        operation = document["paths"][path]["post"]
        asked = operation["requestBody"]["content"]["application/json"]
        answer = operation["responses"]["200"]["content"]["application/json"]
        jsonschema.validate(asked["example"], asked["schema"])
        found = client.post(path, json=asked["example"])
        assert (found.status_code, found.json()) == (200, answer["example"])
        jsonschema.validate(found.json(), answer["schema"])


def test_columns_are_typed_as_the_signature_says_and_those_to_log_are_optional(document: Any) -> None:
    import jsonschema

    schema = document["paths"]["/v1/models/delay:predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    named, listed = schema["properties"]["instances"]["anyOf"]
    assert list(named["items"]["properties"]) == [*TEXT_INPUTS, "flight", "scheduled"]
    assert named["items"]["required"] == list(TEXT_INPUTS)
    assert [value["type"] for value in listed["items"]["prefixItems"]] == [
        ["string", "null"], "integer", ["number", "null"], ["number", "null"],
    ]  # fmt: skip
    jsonschema.validate({"instances": [["UA", 3, None, 0.5]]}, schema)
    for wrong in (["UA", 3, 0.5], ["UA", 3.5, 0.5, 0.5], ["UA", "3", 0.5, 0.5], [1, 3, 0.5, 0.5]):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"instances": [wrong]}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"instances": [{"carrier": "UA", "hour": 1, "distance": 1, "humid": 1, "other": 1}]}, schema)


def test_every_datatype_and_several_outputs_are_described() -> None:
    import openapi_spec_validator

    kinds = ("BOOL", "INT8", "INT64", "UINT8", "UINT64", "FP32", "FP64", "BYTES")
    signature = Signature(tuple(Column(kind, kind) for kind in kinds), (Column("a", "FP64"), Column("b", "BYTES")))
    document = describe_api(WHO, signature, golden=({}, {}), aside=(), server_version="0", base="/delay")
    openapi_spec_validator.validate(json.loads(json.dumps(document)))
    assert document["servers"] == [{"url": "/delay"}]
    responses = document["paths"]["/v1/models/delay:predict"]["post"]["responses"]["200"]
    prediction = responses["content"]["application/json"]["schema"]["properties"]["predictions"]["items"]
    assert prediction["required"] == ["a", "b"]
    assert value_schema("UINT8") == {"type": "integer", "minimum": 0, "maximum": 255}


def test_a_model_of_numbers_alone_takes_one_matrix() -> None:
    import jsonschema

    signature = Signature(tuple(Column(*item) for item in NUMBER_INPUTS.items()), (Column("probability", "FP64"),))
    document = describe_api(WHO, signature, golden=({}, {}), aside=(), server_version="0")
    infer = document["paths"]["/v2/models/delay/infer"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    tensor = {"name": "input", "shape": [1, 20], "datatype": "FP64", "data": [[0.5] * 20]}
    jsonschema.validate({"inputs": [tensor]}, infer)
    jsonschema.validate({"inputs": tensors(rows_of(NUMBER_INPUTS, 3))}, infer)


@pytest.mark.interop
@pytest.mark.parametrize("examples", [8, pytest.param(400, marks=pytest.mark.slow)])
@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_requests_that_schemathesis_makes_get_an_answer_that_is_described_and_never_a_5xx(
    app: PredictorApp, mode: str, examples: int
) -> None:
    """What is valid by the schema may still be refused: a shape that does not fit its data, 2.0 for a whole number."""
    import schemathesis

    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    for operation in schema.get_all_operations():
        found: Any = operation.ok()
        asks = found.path.endswith(("infer", "predict", "invocations"))
        if (asks or mode == "positive") and (examples > 8 or "/versions/" not in found.path):
            _ask_all(found, schemathesis.GenerationMode(mode), examples)


def _ask_all(operation: Any, mode: Any, examples: int) -> None:
    import schemathesis

    left_out = [schemathesis.checks.CHECKS.get_one(name) for name in ("positive_data_acceptance", "negative_data_rejection")]

    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    def ask(case: Any) -> None:
        response = case.call()
        assert response.status_code < 500, response.text
        case.validate_response(response, excluded_checks=left_out)

    ask()
