from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "monitor"))

from monitor_logs import (
    FIRST_DAY,
    NOW,
    REF,
    Day,
    log_outcomes,
    log_predictions,
    make_days,
    microseconds,
    new_store,
    time_column,
)

from shipway.access import Actor, open_keys
from shipway.gate import attest, move_ref
from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Verdict
from shipway.kernel.digest import Digest
from shipway.kernel.units import Seconds
from shipway.models import encode_columns
from shipway.monitor import compact_logs
from shipway.operate import ComparisonImpossible, Measured, check_candidate, judge_staleness, watch_all
from shipway.operate import _checks as checks
from shipway.operate import _measured as measured
from shipway.pipeline import MADE, Hands, Silence
from shipway.pipeline._scored import put_scores
from shipway.release import Component, deployment_object, load_components, put_release
from shipway.spec import ADDED_MONITORS, DeploySpec, OutcomeSpec, Spec
from shipway.store import OutcomeRecord, PredictionRecord, SegmentWriter, encode_record

DEPLOY = DeploySpec(name="delay@prod", application="delay", environment="prod")
DAY = 86_400.0


@pytest.fixture
def hands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hands:
    """A store with hands; the environment of a model and its scores are the world outside."""

    def scored(_store: object, _model: object, columns: Mapping[str, NDArray[Any]], **_: object) -> dict[str, NDArray[Any]]:
        return {"probability": np.full(len(columns["x0"]), 0.25)}

    monkeypatch.setattr(checks, "open_environment", lambda *_, **__: Path(sys.executable))
    monkeypatch.setattr(checks, "score_rows", scored)
    signer, keys = open_keys(tmp_path / "keys")
    actor = Actor("ada@example.org", frozenset({"admin"}))
    return Hands(new_store(tmp_path / "project"), signer, keys, actor, tmp_path / "cache")


def release(hands: Hands, text: str, *, name: str = "delay", outputs: tuple[str, ...] = ("probability",)) -> Digest:
    columns: list[Any] = [{"name": "x0", "datatype": "FP64"}]
    answers: list[Any] = [{"name": output, "datatype": "FP64"} for output in outputs]
    signature: JsonObject = {"inputs": columns, "outputs": answers}
    model: JsonObject = {
        "kind": "model", "version": 1, "text": text, "target": "late", "time": "scheduled", "signature": signature,
    }  # fmt: skip
    parts = [Component("model", name, hands.store.put(model))]
    parts += [Component(kind, "", hands.store.put({"kind": kind, "version": 1})) for kind in ("environment", "pipeline")]
    return put_release(hands.store, parts)


def put_live(hands: Hands, live: Digest, *, matures: float = 0.0) -> Digest:
    outcomes = {"late": OutcomeSpec(name="late", matures=Seconds(matures))}
    deployment = hands.store.put(deployment_object(hands.store, live, DEPLOY, outcomes))
    move_ref(hands.store, hands.keys, hands.actor, ref=REF, target=deployment)
    return deployment


def serve(hands: Hands, days: list[Day], answered: Digest, deployment: Digest, *, writer: str) -> None:
    log_predictions(hands.store, days, writer=writer, release=answered, deployment=deployment)
    log_outcomes(hands.store, days, writer=f"{writer}-told")
    compact_logs(hands.store, now=NOW, time_column=time_column)


def checked(hands: Hands, candidate: Digest, *, days: tuple[date, date] | None = None) -> tuple[Measured, ...]:
    spec = Spec(project="test", path=hands.cache / "shipway.yaml")
    return check_candidate(hands, spec, DEPLOY, candidate, days=days, report=Silence())


def windows(hands: Hands, monkeypatch: pytest.MonkeyPatch, candidate: Digest) -> list[Any]:
    """The window of each comparison, as it was signed."""
    signed: list[Any] = []

    def keep(*arguments: Any, **named: Any) -> Digest:
        signed.append(named["predicate"].get("window"))
        return attest(*arguments, **named)

    monkeypatch.setattr(measured, "attest", keep)
    checked(hands, candidate)
    return signed


def test_a_candidate_is_compared_on_the_rows_that_the_live_release_itself_answered(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, live, candidate = (release(hands, text) for text in ("old", "live", "new"))
    days = make_days(1, days=10)
    serve(hands, days[:6], old, put_live(hands, old), writer="old")
    serve(hands, days[6:], live, put_live(hands, live), writer="live")
    expected = {"release": live, "first": str(days[6].day), "last": str(days[9].day), "rows": 4 * 300}
    assert windows(hands, monkeypatch, candidate) == [expected] * 3


def serve_answers(hands: Hands, answered: Digest, deployment: Digest, outputs: Mapping[str, Any], truth: Any) -> None:
    """Ten days of the same rows; x0 is the place of each."""
    log = SegmentWriter(hands.store.log_folder("predictions"), "predictor")
    known = SegmentWriter(hands.store.log_folder("outcomes"), "outcomes")
    for number in range(10):
        day, rows = FIRST_DAY + timedelta(days=number), len(truth)
        inputs = {"scheduled": np.array([f"{day}T12:00:00"] * rows, dtype=object), "x0": np.arange(float(rows))}
        record = PredictionRecord(
            request=f"{day}", release=answered, deployment=deployment, arm="live", recorded=microseconds(NOW), rows=rows,
            columns=encode_columns(inputs), outputs=encode_columns(outputs), latency_us=1,
        )  # fmt: skip
        assert log.append(encode_record(record), rows)
        ids, when = [f"{day}:{row}" for row in range(rows)], f"{day + timedelta(days=1)}T12:00:00"
        told = OutcomeRecord(
            recorded=microseconds(NOW), rows=rows, ids=ids, names=["late"] * rows, values=truth.tolist(), times=[when] * rows
        )
        known.append_durable(encode_record(told), rows)
    log.close()
    known.close()
    compact_logs(hands.store, now=NOW, time_column=time_column)


def test_a_candidate_of_a_number_is_compared_by_its_error_and_staleness_is_a_share_of_live_s(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, candidate = (release(hands, text, outputs=("prediction",)) for text in ("live", "new"))
    truth = np.arange(50.0)
    serve_answers(hands, live, put_live(hands, live), {"prediction": truth + 4.0}, truth)
    monkeypatch.setattr(checks, "score_rows", lambda _store, _model, columns, **_: {"prediction": columns["x0"] - 3.0})
    found = checked(hands, candidate)
    assert {one.check.name: one.check.value for one in found} == pytest.approx(
        {"mae": -1.0, "rmse": -1.0, "relative_mae": -0.25}
    )
    assert all(one.against and one.check.n == 500 for one in found)
    stale = judge_staleness(ADDED_MONITORS["staleness"], candidate, found, on=NOW.date()).check
    assert (stale.verdict, stale.value) == (Verdict.FAIL, 0.25)
    assert " has +0.250 of live's mean absolute error [+0.250, +0.250] better than live on the same 500 rows" in stale.text


def test_a_candidate_of_classes_is_compared_by_name_whatever_the_order_of_its_outputs(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("probability_1", "probability_2", "probability_5")
    live, candidate = release(hands, "live", outputs=names), release(hands, "new", outputs=names[::-1])
    truth = np.array([1.0, 2.0, 5.0, 5.0, 1.0] * 10)
    ones = np.where(truth == 1.0, 0.6, 0.5), np.where(truth == 2.0, 0.4, 0.2), np.where(truth == 2.0, 0.1, 0.3)
    serve_answers(hands, live, put_live(hands, live), dict(zip(names, ones, strict=True)), truth)

    def right(_store: object, _model: object, columns: Mapping[str, Any], **_: object) -> dict[str, Any]:
        true = truth[columns["x0"].astype(int)]
        return {name: np.where(true == value, 0.8, 0.1) for name, value in zip(names, (1.0, 2.0, 5.0), strict=True)}

    monkeypatch.setattr(checks, "score_rows", right)
    found = {one.check.name: one.check for one in checked(hands, candidate)}
    assert found["accuracy"].value == pytest.approx(1.0 - 0.4)  # live says 1 of every row
    assert found["log_loss"].value == pytest.approx(-np.log(0.8) + np.mean(np.log([0.6, 0.4, 0.3, 0.3, 0.6])))
    stale = judge_staleness(ADDED_MONITORS["staleness"], candidate, list(checked(hands, candidate)), on=NOW.date()).check
    assert stale.verdict is Verdict.FAIL
    assert stale.value == pytest.approx(0.6)


def test_models_that_answer_other_things_are_not_compared(hands: Hands) -> None:
    live, candidate = release(hands, "live"), release(hands, "new", outputs=("prediction",))
    serve(hands, make_days(1, days=5), live, put_live(hands, live), writer="live")
    assert checked(hands, candidate) == ()


def test_labels_that_are_not_mature_are_not_compared_on(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    live, candidate = release(hands, "live"), release(hands, "new")
    serve(hands, days := make_days(1, days=10), live, put_live(hands, live, matures=3 * DAY), writer="live")
    (window, *_) = windows(hands, monkeypatch, candidate)
    # the clock is that of the last outcome, noon of the day after the last: what matures at noon is the eighth day
    assert (window["first"], window["last"]) == (str(days[0].day), str(days[7].day))
    assert 7 * 300 < window["rows"] < 8 * 300


def held_out_from(hands: Hands, candidate: Digest, first: date) -> None:
    """The candidate's evaluation, on rows of that day and the three after it."""
    days = make_days(9, days=4, rows=50)
    table = pl.concat(
        pl.DataFrame({"time": [datetime.combine(first + timedelta(days=n), datetime.min.time())] * 50,
                      "score": day.score, "label": day.label.astype(int)})
        for n, day in enumerate(days)
    )  # fmt: skip
    scores = put_scores(hands.store, table)
    model = next(part for part in load_components(hands.store, candidate) if part.kind == "model")
    hands.store.put_state(MADE, model.digest, {"name": "delay", "scores": scores.to_json()})


def test_a_candidate_is_not_compared_on_days_that_it_was_trained_on(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    live, candidate = release(hands, "live"), release(hands, "new")
    serve(hands, days := make_days(1, days=10), live, put_live(hands, live), writer="live")
    held_out_from(hands, candidate, days[7].day)
    of_live = [window for window in windows(hands, monkeypatch, candidate) if window]
    assert of_live == [{"release": live, "first": str(days[7].day), "last": str(days[9].day), "rows": 3 * 300}] * 3
    with pytest.raises(ComparisonImpossible, match=f"may have been trained on what is before {days[7].day}"):
        checked(hands, candidate, days=(days[0].day, days[6].day))


def test_a_live_release_without_a_model_of_that_name_is_nothing_to_compare_with(hands: Hands) -> None:
    live, candidate = release(hands, "live", name="other"), release(hands, "new")
    serve(hands, make_days(1, days=5), live, put_live(hands, live), writer="live")
    assert checked(hands, candidate) == ()


def test_days_that_are_named_and_were_answered_by_another_release_are_refused(hands: Hands) -> None:
    old, live, candidate = (release(hands, text) for text in ("old", "live", "new"))
    serve(hands, make_days(1, days=6), old, put_live(hands, old), writer="old")
    put_live(hands, live)
    assert checked(hands, candidate) == ()
    with pytest.raises(ComparisonImpossible, match="the live release"):
        checked(hands, candidate, days=(FIRST_DAY, FIRST_DAY + timedelta(days=5)))


def test_a_deployment_that_cannot_be_watched_does_not_keep_the_others_from_it(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shipway.operate._control as control

    live = release(hands, "live")
    put_live(hands, live)
    other = hands.store.put(
        deployment_object(hands.store, live, DeploySpec(name="b@prod", application="b", environment="prod"), {})
    )
    move_ref(hands.store, hands.keys, hands.actor, ref="deploy/b@prod", target=other)
    seen = []

    def watched(_store: object, _signer: object, name: str) -> None:
        seen.append(name)
        if len(seen) == 1:
            raise ComparisonImpossible("the first one is broken")

    monkeypatch.setattr(control, "watch_ref", watched)
    with pytest.raises(ComparisonImpossible):
        watch_all(hands.store, hands.signer)
    assert seen == ["deploy/b@prod", "deploy/delay@prod"]
