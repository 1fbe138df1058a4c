"""MLflow's scoring protocol: each form of a table, what does not fit, and the answers of MLflow's own server beside ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient
from wire_help import TEXT_INPUTS, Served, rows_of

from shipway.models import Array, Column, Signature
from shipway.protocols import PredictorApp
from shipway.serve import Batcher, Cost, Identity, Predictor, load_config, open_model, open_predictor

pytest_plugins = ["wire_fixtures"]

ROWS = rows_of(TEXT_INPUTS, 3, seed=4)
RECORDS = [dict(zip(ROWS, row, strict=True)) for row in zip(*(array.tolist() for array in ROWS.values()), strict=True)]
LISTS = [list(row.values()) for row in RECORDS]
CSV = "\r\n".join([",".join(ROWS), *(",".join(map(str, row)) for row in LISTS), ""])


@pytest.fixture(name="client", scope="module")
def _client(served: Served) -> Iterator[TestClient]:
    config = load_config(served.config(log_directory=None))
    ready = open_model(config)
    batcher = Batcher(open_predictor(config, ready.model, None), ready.cost)
    yield TestClient(PredictorApp(batcher, server_version="0", golden=ready.golden))
    batcher.close()


def test_every_form_gives_the_answers_of_the_other_protocols(client: TestClient) -> None:
    expected = client.post("/v1/models/delay:predict", json={"instances": RECORDS}).json()
    more = [{**row, "other": {"deep": 1}} for row in RECORDS]
    aside = [{**row, "flight": f"UA{number}", "scheduled": "2013-02-01"} for number, row in enumerate(RECORDS)]
    forms: list[dict[str, Any]] = [
        {"dataframe_split": {"columns": list(ROWS), "index": [5, 6, 7], "data": LISTS}},
        {"dataframe_split": {"columns": [*ROWS, "flight"], "data": [[*row, "UA1"] for row in LISTS]}, "params": {}},
        {"dataframe_records": RECORDS},
        {"dataframe_records": aside},
        {"dataframe_records": more},
        {"instances": RECORDS},
        {"instances": LISTS},
        {"inputs": {name: array.tolist() for name, array in ROWS.items()}},
        {"inputs": RECORDS},
    ]
    for form in forms:
        found = client.post("/invocations", json=form)
        assert (found.status_code, found.json()) == (200, expected), form
    for text in (CSV, CSV.replace("\r\n", "\n"), CSV.replace("carrier", '"carrier"')):
        found = client.post("/invocations", content=text, headers={"content-type": "text/csv; charset=utf-8"})
        assert (found.status_code, found.json()) == (200, expected)
    for path in ("/ping", "/health"):
        assert (client.get(path).status_code, client.get(path).text) == (200, "\n")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "expected exactly one of dataframe_split, dataframe_records, instances, inputs, given none"),
        ({"instances": LISTS, "inputs": LISTS}, "given instances, inputs"),
        ({"instances": []}, "instances: expected a row or more"),
        ({"instances": LISTS, "params": {"n": 1}}, "params: this model takes none, given n"),
        ({"inputs": {"carrier": ["UA"]}}, "column hour: expected INT64, given no such column"),
        ({"dataframe_split": {"columns": list(ROWS), "data": [["UA", 1.5, 0.5, 0.5]]}}, "column hour: expected INT64"),
        ({"dataframe_split": {"columns": list(ROWS), "data": [["UA", 1]]}}, "row 0: expected 4 values, given 2"),
        ({"dataframe_split": {"columns": ["hour", "hour"], "data": []}}, "a column comes twice"),
        ({"dataframe_records": [{**RECORDS[0], "hour": "7"}]}, "column hour: expected INT64"),
        ([1], "not an MLflow request"),
    ],
)
def test_what_does_not_fit_is_said_in_mlflows_form(client: TestClient, body: Any, says: str) -> None:
    found = client.post("/invocations", json=body)
    assert found.status_code == 400
    assert found.json()["error_code"] == "BAD_REQUEST"
    assert says in found.json()["message"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is no CSV"),
        ("carrier,hour\nUA\n", "CSV: row 0: expected 2 values, given 1"),
        ("carrier,hour,distance,humid\nUA,1.5,0,0\n", "column hour: expected INT64, given '1.5'"),
        ("carrier,hour,distance,humid\nUA,1_0,0,0\n", "column hour: expected INT64, given '1_0'"),
        ("carrier,hour,distance,humid\nUA,,0,0\n", "column hour: expected INT64, given ''"),
        ("carrier,hour,distance,humid\nUA,99999999999999999999,0,0\n", "column hour: expected INT64"),
        ('carrier,hour,distance,humid\n"UA,1,0,0\n', "not CSV"),
    ],
)
def test_csv_that_does_not_fit_is_named(client: TestClient, text: str, says: str) -> None:
    found = client.post("/invocations", content=text, headers={"content-type": "text/csv"})
    assert (found.status_code, says in found.json()["message"]) == (400, True), found.text


def test_missing_values_are_missing_and_other_media_types_are_415(client: TestClient) -> None:
    text = "carrier,hour,distance,humid\n,1,,0.5\n"
    found = client.post("/invocations", content=text, headers={"content-type": "text/csv"}).json()
    same = client.post("/invocations", json={"instances": [[None, 1, None, 0.5]]}).json()
    assert found == same
    assert client.post("/invocations", content=b"PK", headers={"content-type": "application/zip"}).status_code == 415
    assert client.post("/v2/models/delay/infer", content=text, headers={"content-type": "text/csv"}).status_code == 415


class _Logistic:
    """A logistic regression as MLflow answers with it: the class."""

    signature = Signature((Column("x", "FP64"), Column("n", "INT64")), (Column("prediction", "INT64"),))

    def __init__(self, model: Any) -> None:
        self._model = model

    def predict(self, columns: dict[str, Array]) -> dict[str, Array]:
        return {"prediction": self._model.predict(np.column_stack([columns["x"], columns["n"]]).astype(float)).astype(np.int64)}


@pytest.mark.interop
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # MLflow's own
def test_mlflows_own_server_answers_the_same(tmp_path: Any) -> None:
    import mlflow.pyfunc
    import mlflow.sklearn
    from mlflow.deployments import PredictionsResponse
    from mlflow.models import ModelSignature
    from mlflow.pyfunc import scoring_server
    from mlflow.types import ColSpec, Schema

    points = np.random.default_rng(0).normal(size=(80, 2)).round(1)
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit(points, points.sum(axis=1) > 0)
    schema = Schema([ColSpec("double", "x"), ColSpec("long", "n")])
    mlflow.sklearn.save_model(
        model, str(tmp_path / "m"), signature=ModelSignature(inputs=schema), serialization_format="skops",
        pip_requirements=[],
    )  # fmt: skip
    theirs = TestClient(scoring_server.init(mlflow.pyfunc.load_model(str(tmp_path / "m"))))
    predictor = Predictor(_Logistic(model), Identity("a", "b", "r", "d", "live", "m"))  # type: ignore[arg-type]
    ours = TestClient(PredictorApp(Batcher(predictor, Cost(0.0, 0.0)), server_version="0"))
    rows: list[dict[str, float]] = [{"x": 0.5, "n": 1}, {"x": -2.5, "n": 1}, {"x": 1, "n": -3}]
    lists = [list(row.values()) for row in rows]
    same: list[Any] = [
        {"dataframe_split": {"columns": ["n", "x", "more"], "data": [[row["n"], row["x"], 7] for row in rows]}},
        {"dataframe_records": rows},
        {"instances": rows},
        {"inputs": {"x": [0.5, -2.5, 1.0], "n": [1, 1, -3]}},
    ]
    for body in same:
        answers = [client.post("/invocations", json=body) for client in (theirs, ours)]
        assert [answer.status_code for answer in answers] == [200, 200], (body, answers[0].text, answers[1].text)
        assert [int(value) for value in answers[0].json()["predictions"]] == answers[1].json()["predictions"], body
    text = "x,n\n" + "\n".join(",".join(map(str, row)) for row in lists)
    csv = [client.post("/invocations", content=text, headers={"content-type": "text/csv"}) for client in (theirs, ours)]
    assert [int(value) for value in csv[0].json()["predictions"]] == csv[1].json()["predictions"]
    for wrong in ({}, {"instances": rows, "inputs": rows}, [1], {"dataframe_records": [{"x": 1.0}]}):
        status = {client.post("/invocations", json=wrong).status_code for client in (theirs, ours)}
        assert status == {400}, wrong
    for name in ("/ping", "/health"):
        assert theirs.get(name).text == ours.get(name).text
    errors = [client.post("/invocations", json={}).json() for client in (theirs, ours)]
    assert {"error_code", "message"} == errors[1].keys() <= errors[0].keys()
    assert errors[0]["error_code"] == errors[1]["error_code"]
    read = PredictionsResponse.from_json(ours.post("/invocations", json=same[0]).text).get_predictions("dataframe")
    assert read[0].tolist() == ours.post("/invocations", json=same[1]).json()["predictions"]
