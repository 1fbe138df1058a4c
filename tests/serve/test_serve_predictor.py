"""The predictor without a wire: what it refuses, what it answers, what it writes down."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from served_model import TEXT_INPUTS, Served, make_served, rows_of

from shipway.kernel.errors import ShipwayError
from shipway.models import (
    Array,
    Column,
    GoldenMismatch,
    InputMismatch,
    ModelDamaged,
    Predictable,
    Signature,
    decode_columns,
    golden_blob,
    load_model,
    matrix_of,
    stack,
)
from shipway.serve import (
    Batcher,
    ConfigMalformed,
    Cost,
    Identity,
    ModelMissing,
    Overloaded,
    PredictionFailed,
    Predictor,
    Request,
    Response,
    load_config,
    open_log,
    open_model,
    open_predictor,
)
from shipway.store import PredictionRecord, SegmentWriter, decode_record, list_segments, read_segment

NOW = datetime(2013, 2, 1, tzinfo=UTC)
IDENTITY = Identity("delay", "prod", "sha256:r", "sha256:d", "live", "delay")


class FixedClock:
    def now(self) -> datetime:
        return NOW


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    return make_served(tmp_path_factory.mktemp("served"), TEXT_INPUTS)


@pytest.fixture(scope="module")
def model(served: Served) -> Predictable:
    return open_model(load_config(served.config())).model


def predictor(model: Predictable, log: SegmentWriter | None = None) -> Predictor:
    return Predictor(model, IDENTITY, key=["flight"], time_column="scheduled", log=log, clock=FixedClock())


def test_the_answer_is_the_models_own(model: Predictable) -> None:
    columns = rows_of(TEXT_INPUTS, 7, seed=1)
    response = predictor(model).predict(Request("r1", columns))
    np.testing.assert_array_equal(response.outputs["probability"], model.predict(columns)["probability"])
    assert (response.id, response.rows, response.release, response.logged) == ("r1", 7, "sha256:r", False)


def test_columns_may_come_in_any_order(model: Predictable) -> None:
    columns = rows_of(TEXT_INPUTS, 3, seed=2)
    backwards = dict(reversed(columns.items()))
    given = predictor(model).predict(Request(None, backwards)).outputs["probability"]
    np.testing.assert_array_equal(given, model.predict(columns)["probability"])


def test_a_request_is_one_record_with_key_time_inputs_and_outputs(model: Predictable, served: Served, tmp_path: Path) -> None:
    served = served.logging_to(tmp_path)
    log = open_log(load_config(served.config()))
    assert log is not None
    columns = rows_of(TEXT_INPUTS, 2)
    aside = {"flight": np.array(["a", "b"], dtype=object), "scheduled": np.array(["2013-02-01T05:00", None], dtype=object)}
    response = predictor(model, log).predict(Request(None, {**aside, **columns}))
    log.close()
    (record,) = served.records()
    assert (record.request, record.rows, record.arm, record.v) == (response.id, 2, "live", 1)
    assert record.recorded == int(NOW.timestamp() * 1e6)
    assert 0 < record.latency_us < 10_000_000
    logged = decode_columns(record.columns)
    assert set(logged) == {"flight", "scheduled", *TEXT_INPUTS}
    assert logged["flight"].tolist() == ["a", "b"]
    np.testing.assert_array_equal(decode_columns(record.outputs)["probability"], response.outputs["probability"])


class Total:
    """The sum of two numbers."""

    signature = Signature((Column("a", "FP64"), Column("b", "FP64")), (Column("total", "FP64"),))

    def predict(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        return {"total": stack(columns, self.signature).sum(axis=1)}


@pytest.mark.parametrize("rows", [1, 3])
def test_a_matrix_is_logged_with_the_bytes_of_its_columns(rows: int, tmp_path: Path) -> None:
    model, values = Total(), np.arange(2.0 * rows).reshape(rows, 2)
    payloads = []
    for name, asked in (
        ("columns", {"a": values[:, 0], "b": values[:, 1]}),
        ("matrix", matrix_of(values, model.signature, name="m")),
    ):
        log = SegmentWriter(tmp_path / name, "w")
        answering = Predictor(model, IDENTITY, log=log, clock=FixedClock(), timer=lambda: 0.0)
        assert answering.predict(Request("r", asked)).outputs["total"].tolist() == values.sum(axis=1).tolist()
        log.close()
        (segment,) = list_segments(tmp_path / name)
        payloads.append(read_segment(segment.path).frames[0].payload)
    assert payloads[0] == payloads[1]


def test_a_request_without_rows_is_answered_and_not_logged(model: Predictable, served: Served, tmp_path: Path) -> None:
    log = SegmentWriter(tmp_path, "w")
    assert predictor(model, log).predict(Request(None, rows_of(TEXT_INPUTS, 0))).outputs["probability"].shape == (0,)
    log.close()
    assert list(tmp_path.iterdir()) == []


def without(columns: Mapping[str, Array], name: str) -> dict[str, Array]:
    return {key: array for key, array in columns.items() if key != name}


GOOD = rows_of(TEXT_INPUTS, 3)


@pytest.mark.parametrize(
    ("columns", "column", "expected", "given"),
    [
        (without(GOOD, "hour"), "hour", "INT64", "no such column"),
        ({**GOOD, "hour": GOOD["hour"].astype(float)}, "hour", "INT64", "FP64"),
        ({**GOOD, "carrier": np.zeros(3)}, "carrier", "BYTES", "FP64"),
        ({**GOOD, "humid": np.zeros((3, 2))}, "humid", "one value a row", "[3, 2]"),
        ({**GOOD, "humid": np.zeros(2)}, "humid", "3 rows", "2"),
        ({**without(GOOD, "distance"), "distence": np.zeros(3)}, "distence", "'distance'", "an unknown name"),
        ({**GOOD, "flight": np.zeros(3, "M8[s]")}, "flight", "an Open Inference datatype", "datetime64"),
    ],
)
def test_what_does_not_fit_is_named(
    model: Predictable, columns: dict[str, Array], column: str, expected: str, given: str
) -> None:
    with pytest.raises(InputMismatch) as problem:
        predictor(model).predict(Request(None, columns))
    assert problem.value.column == column
    assert expected in problem.value.expected
    assert given in problem.value.given


class Fussy:
    """A model that cannot stand the airline XX, answers the hour, and counts its calls."""

    def __init__(self, signature: Signature, seconds: float = 0.0) -> None:
        self.signature, self.seconds = signature, seconds
        self.calls: list[int] = []
        self.threads: set[str] = set()

    def predict(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        self.calls.append(len(columns["hour"]))
        self.threads.add(threading.current_thread().name)
        time.sleep(self.seconds)
        if "XX" in columns["carrier"].tolist():
            raise ZeroDivisionError("XX")
        return {"probability": columns["hour"].astype(float)}


def fussy(model: Predictable, seconds: float = 0.0) -> Fussy:
    return Fussy(model.signature, seconds)


def one_row(hour: int, carrier: str = "UA") -> Request:
    columns = rows_of(TEXT_INPUTS, 1)
    return Request(None, {**columns, "hour": np.array([hour]), "carrier": np.array([carrier], dtype=object)})


def answers(batcher: Batcher, requests: list[Request]) -> list[Response | ShipwayError]:
    async def together() -> list[Response | ShipwayError]:
        found = await asyncio.gather(*(batcher.predict(request) for request in requests), return_exceptions=True)
        batcher.close()
        return found  # type: ignore[return-value]

    return asyncio.run(together())


def hours(found: list[Response | ShipwayError]) -> list[float | str]:
    return [x.outputs["probability"][0].item() if isinstance(x, Response) else x.code for x in found]


QUICK, SLOW = Cost(0.0, 0.0), Cost(1.0, 0.0)


def test_requests_of_one_turn_of_the_loop_share_a_prediction(model: Predictable) -> None:
    fake = fussy(model)
    found = answers(Batcher(predictor(fake), QUICK), [one_row(hour) for hour in range(20)])
    assert hours(found) == list(range(20))
    assert fake.calls == [20]


def test_a_bad_row_fails_alone(model: Predictable, caplog: pytest.LogCaptureFixture) -> None:
    fake = fussy(model)
    found = answers(Batcher(predictor(fake), QUICK), [one_row(1), one_row(2, "XX"), one_row(3)])
    assert hours(found) == [1, "serve.prediction-failed", 3]
    assert "ZeroDivisionError: XX" in caplog.text
    assert "XX" not in str(found[1])


def test_a_request_that_does_not_fit_never_joins_the_batch(model: Predictable) -> None:
    fake = fussy(model)
    found = answers(Batcher(predictor(fake), QUICK), [one_row(1), Request(None, {}), one_row(3)])
    assert hours(found) == [1, "models.input-mismatch", 3]
    assert fake.calls == [2]


def test_many_rows_are_predicted_alone_and_in_order(model: Predictable) -> None:
    fake = fussy(model)
    many = Request(None, rows_of(TEXT_INPUTS, 900))
    answers(Batcher(predictor(fake), QUICK), [one_row(1), one_row(2), many, one_row(3)])
    assert fake.calls == [2, 900, 1]


def test_a_slow_model_leaves_the_event_loop_and_takes_what_has_gathered(model: Predictable) -> None:
    fake = fussy(model, seconds=0.05)
    batcher = Batcher(predictor(fake), SLOW)
    beats = 0

    async def heart() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.001)
            beats += 1

    async def story() -> list[Response]:
        pulse = asyncio.create_task(heart())
        first = asyncio.create_task(batcher.predict(one_row(0)))
        await asyncio.sleep(0.01)
        rest = [asyncio.create_task(batcher.predict(one_row(hour))) for hour in (1, 2, 3)]
        found = await asyncio.gather(first, *rest)
        pulse.cancel()
        batcher.close()
        return found

    assert hours([*asyncio.run(story())]) == [0, 1, 2, 3]
    assert fake.calls == [1, 3]
    assert beats > 30
    assert threading.current_thread().name not in fake.threads


def test_a_full_queue_says_when_to_come_back(model: Predictable) -> None:
    fake = fussy(model, seconds=0.01)
    batcher = Batcher(predictor(fake), Cost(2.0, 0.5), queue_rows=3)
    found = answers(batcher, [one_row(hour) for hour in range(6)])
    assert [isinstance(x, Response) for x in found] == [True] * 3 + [False] * 3
    refused = found[-1]
    assert isinstance(refused, Overloaded)
    assert refused.after == 4
    assert batcher.queued_rows == 0


def test_a_client_that_left_harms_nobody(model: Predictable) -> None:
    batcher = Batcher(predictor(fussy(model)), QUICK)

    async def story() -> Response:
        gone = asyncio.create_task(batcher.predict(one_row(1)))
        stays = asyncio.create_task(batcher.predict(one_row(2)))
        await asyncio.sleep(0)
        gone.cancel()
        return await stays

    assert hours([asyncio.run(story())]) == [2]


def test_an_answer_with_other_rows_than_asked_for_is_a_failure(model: Predictable) -> None:
    class Short(Fussy):
        def predict(self, columns: Mapping[str, Array]) -> dict[str, Array]:
            return {"probability": np.zeros(1)}

    with pytest.raises(PredictionFailed):
        predictor(Short(model.signature)).predict(Request(None, rows_of(TEXT_INPUTS, 2)))


def test_a_record_that_cannot_be_made_costs_the_record_and_not_the_answer(model: Predictable, tmp_path: Path) -> None:
    log = SegmentWriter(tmp_path, "w")
    strange = np.array([object()], dtype=object)
    request = one_row(1)
    response = predictor(model, log).predict(Request(None, {**request.columns, "flight": strange}))
    assert (response.rows, response.logged) == (1, False)
    log.close()


def test_a_changed_model_file_is_refused_by_name(served: Served, tmp_path: Path) -> None:
    data = bytearray(Path(served.fields["model_file"]).read_bytes())
    data[len(data) // 2] ^= 1
    changed = tmp_path / "model.skops"
    changed.write_bytes(data)
    with pytest.raises(ModelDamaged, match="damaged") as problem:
        open_model(load_config(served.logging_to(tmp_path).config(model_file=str(changed))))
    assert problem.value.where == str(changed)


def test_changed_golden_rows_are_refused_by_name(served: Served, tmp_path: Path) -> None:
    changed = tmp_path / "golden.json"
    changed.write_bytes(Path(served.fields["golden_file"]).read_bytes() + b" ")
    with pytest.raises(ModelDamaged) as problem:
        open_model(load_config(served.logging_to(tmp_path).config(golden_file=str(changed))))
    assert problem.value.where == str(changed)


def test_a_missing_model_file_is_named(served: Served, tmp_path: Path) -> None:
    with pytest.raises(ModelMissing) as problem:
        open_model(load_config(served.logging_to(tmp_path).config(model_file=str(tmp_path / "gone"))))
    assert problem.value.where == str(tmp_path / "gone")


def test_a_model_that_does_not_repeat_its_golden_rows_is_not_ready(served: Served, tmp_path: Path) -> None:
    wrong = golden_blob(rows_of(TEXT_INPUTS, 2), {"probability": np.array([0.5, 0.5])})
    with pytest.raises(GoldenMismatch, match="golden row 0"):
        open_model(load_config(with_golden(served, tmp_path, wrong)))


def with_golden(served: Served, folder: Path, golden: bytes) -> Path:
    from shipway.kernel.digest import digest_bytes

    path = folder / "other-golden.json"
    path.write_bytes(golden)
    descriptor = {"mediaType": "application/json", "digest": digest_bytes(golden), "size": len(golden)}
    return served.logging_to(folder).config(golden_file=str(path), model={**served.fields["model"], "golden": descriptor})


@pytest.mark.parametrize(
    ("changes", "names"),
    [({"modle_name": "x"}, "modle_name"), ({"version": 2}, "version"), ({"key": "flight"}, "key")],
)
def test_a_wrong_serving_json_is_refused_by_field(
    served: Served, tmp_path: Path, changes: dict[str, object], names: str
) -> None:
    with pytest.raises(ConfigMalformed, match=names) as problem:
        load_config(served.logging_to(tmp_path).config(**changes))
    assert problem.value.where == str(tmp_path / "serving.json")


def test_an_unknown_field_names_the_nearest_one(served: Served, tmp_path: Path) -> None:
    with pytest.raises(ConfigMalformed) as problem:
        load_config(served.logging_to(tmp_path).config(modle_name="x"))
    assert problem.value.mend == "did you mean 'model_name'?"


def test_embedded_use_needs_a_configuration_and_nothing_else(served: Served) -> None:
    config = load_config(served.config())
    ready = open_model(config)
    response = open_predictor(config, ready.model, None).predict(Request(None, rows_of(TEXT_INPUTS, 2)))
    expected = load_model(config.model, Path(config.model_file)).predict(rows_of(TEXT_INPUTS, 2))
    np.testing.assert_array_equal(response.outputs["probability"], expected["probability"])
    assert 0 < ready.cost.seconds(1) < 1


def test_a_predictor_imports_no_table_engine_catalogue_or_pydantic() -> None:
    code = "import sys, shipway.protocols._server; print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = {"polars", "pyarrow", "pydantic", "sqlalchemy", "alembic", "starlette", "fastapi", "pandas", "sklearn"}
    assert heavy & set(output.split()) == set()


def test_a_share_of_the_requests_is_logged_by_their_ids_alone_with_its_weight(tmp_path: Path) -> None:
    taken: list[set[str]] = []
    for name, share in (("tenth", 0.1), ("again", 0.1), ("half", 0.5)):
        log = SegmentWriter(tmp_path / name, "w")
        answering = Predictor(Total(), IDENTITY, log=log, clock=FixedClock(), sample=share)
        two = {"a": np.ones(2), "b": np.ones(2)}
        answers = [answering.predict(Request(f"request {number}", two)) for number in range(400)]
        log.close()
        (segment,) = list_segments(tmp_path / name)
        records = [decode_record(frame.payload) for frame in read_segment(segment.path).frames]
        assert {record.weight for record in records if isinstance(record, PredictionRecord)} == {1 / share}
        taken.append({answer.id for answer in answers if answer.logged})
        assert taken[-1] == {record.request for record in records if isinstance(record, PredictionRecord)}
        assert answering.recorder is not None
        assert answering.recorder.left_out == 2 * (400 - len(taken[-1]))
    assert taken[0] == taken[1] < taken[2]
    assert abs(len(taken[0]) - 40) < 25
    assert abs(len(taken[2]) - 200) < 50
