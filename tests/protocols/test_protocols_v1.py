"""KServe's V1 protocol: rows as lists or objects, the same answers as by Open Inference, and what is wrong said by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from wire_help import NUMBER_INPUTS, TEXT_INPUTS, Running, Served, ask, infer, rows_of, tensors

pytest_plugins = ["wire_fixtures"]

PATH = "/v1/models/delay:predict"
COLUMNS = rows_of(TEXT_INPUTS, 6, seed=3)
OBJECTS = [dict(zip(COLUMNS, row, strict=True)) for row in zip(*(array.tolist() for array in COLUMNS.values()), strict=True)]
LISTS = [list(row.values()) for row in OBJECTS]


def predict(running: Running, message: object) -> Any:
    return infer(running.address, message, path=PATH)


def test_rows_as_lists_and_as_objects_are_answered_as_by_the_other_protocol(running: Running) -> None:
    expected = infer(running.address, {"inputs": tensors(COLUMNS)}).json["outputs"][0]["data"]
    turned = [dict(reversed(row.items())) for row in OBJECTS]
    for instances in (LISTS, OBJECTS, turned):
        answer = predict(running, {"instances": instances})
        assert answer.status == 200
        assert answer.json == {"predictions": expected}
        assert answer.headers["x-shipway-release"].startswith("sha256:")


def test_a_model_of_twenty_numbers_takes_rows_of_twenty(running_numbers: Running) -> None:
    columns = rows_of(NUMBER_INPUTS, 3, seed=4)
    rows = [list(row) for row in zip(*(array.tolist() for array in columns.values()), strict=True)]
    expected = infer(running_numbers.address, {"inputs": tensors(columns)}).json["outputs"][0]["data"]
    np.testing.assert_array_equal(predict(running_numbers, {"instances": rows}).json["predictions"], expected)


def test_the_model_is_listed_and_ready(running: Running) -> None:
    assert ask(running.address, "GET", "/v1/models").json == {"models": ["delay"]}
    assert ask(running.address, "GET", "/v1/models/delay").json == {"name": "delay", "ready": True}
    assert ask(running.address, "GET", "/v1/models/other").error == "no model 'other': expected 'delay'"
    assert infer(running.address, {"instances": LISTS}, path="/v1/models/other:predict").status == 404
    assert ask(running.address, "GET", PATH).status == 405


def test_key_and_time_go_along_and_the_answer_says_the_id_that_outcomes_name(served: Served, running: Running) -> None:
    rows = [{**row, "flight": f"UA{at}", "scheduled": 1000 + at} for at, row in enumerate(OBJECTS)]
    answer = predict(running, {"instances": rows})
    assert answer.status == 200, answer.body
    assert answer.headers["x-shipway-request"]
    assert answer.json == predict(running, {"instances": LISTS}).json


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ({"instances": []}, "instances: expected a row or more, given none"),
        ({"inputs": LISTS}, "not a V1 request: Object missing required field `instances`"),
        (b"{", "the body is not JSON"),
        ({"instances": [LISTS[0], OBJECTS[1]]}, "row 1 is a list or an object where the first is the other"),
        ({"instances": [LISTS[0], LISTS[1][:3]]}, "row 1: expected 4 values, given 3"),
        (
            {"instances": [OBJECTS[0], {**OBJECTS[1], "wind": 3}]},
            "column wind: expected the same columns in every row, given other",
        ),
        ({"instances": [{**OBJECTS[0], "humidd": 1.0}]}, "column humidd: expected 'humid', given an unknown name"),
        ({"instances": [{k: v for k, v in OBJECTS[0].items() if k != "hour"}]}, "column hour: expected INT64, given no such"),
        ({"instances": [{**OBJECTS[0], "hour": 1.5}]}, "column hour: expected INT64"),
        ({"instances": [{**OBJECTS[0], "hour": "7"}]}, "column hour: expected INT64"),
        ({"instances": [{**OBJECTS[0], "flight": {"a": 1}}]}, "column flight: expected numbers, flags or text"),
        ({"instances": [3]}, "not a V1 request"),
    ],
)
def test_what_is_wrong_is_said_by_row_and_column(running: Running, message: object, says: str) -> None:
    answer = predict(running, message)
    assert answer.status == 400
    assert says in answer.error


def test_null_and_pythons_nan_are_missing_numbers(running: Running) -> None:
    gap = [{**OBJECTS[0], "humid": None}]
    body = b'{"instances": [' + str({**OBJECTS[0], "humid": "GAP"}).replace("'GAP'", "NaN").replace("'", '"').encode() + b"]}"
    one, two = predict(running, {"instances": gap}), predict(running, body)
    assert (one.status, two.status) == (200, 200)
    assert one.json == two.json
