"""Models that answer a number or one of several classes: their realised performance is judged like that of a probability."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitor_logs import FIRST_DAY, NOW, REF, RELEASE, microseconds, new_store, time_column
from numpy.typing import NDArray

from shipway.data import AnswerProfile, Profile, measure_answers, merge_profiles, reference_profile
from shipway.kernel.canonical import Json
from shipway.kernel.check import Check, Verdict
from shipway.kernel.units import Seconds
from shipway.models import encode_columns
from shipway.monitor import WatchResult, compact_logs, load_verdicts, watch
from shipway.monitor._answered import check_accuracy, check_error, measure_macro_f1, report_answers
from shipway.monitor._deployments import _held_out_answers
from shipway.monitor._measure import class_places
from shipway.monitor._unfit import _by_answers
from shipway.pipeline import MADE
from shipway.pipeline._scored import put_scores
from shipway.spec import MonitorSpec, default_monitors
from shipway.store import OutcomeRecord, PredictionRecord, SegmentWriter, Store, encode_record

ERROR, ACCURACY = MonitorSpec(name="prediction_error", page=0.25), MonitorSpec(name="performance", page=0.1)
MONITORS = {name: default_monitors("local")[name] for name in ("calibration", "base_rate", "performance", "prediction_error")}
DAYS, ROWS = 40, 60
Answers = Callable[[int, NDArray[np.float64], np.random.Generator], Mapping[str, NDArray[Any]]]


def numbers(from_day: int, worse: float) -> Answers:
    """Off by one on average, and from a day on by so much more."""

    def answered(day: int, truth: NDArray[np.float64], random: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        wrong = random.exponential(1.0 + (worse if day >= from_day else 0.0), truth.size)
        return {"prediction": truth + wrong * random.choice([-1.0, 1.0], truth.size)}

    return answered


def classes(from_day: int, worse: float) -> Answers:
    """Right in eight of ten rows, and from a day on in fewer; the classes are called 1, 2 and 5."""

    def answered(day: int, truth: NDArray[np.float64], random: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        place = np.searchsorted([1.0, 2.0, 5.0], truth)
        said = np.where(random.random(truth.size) < 0.8 - (worse if day >= from_day else 0.0), place, (place + 1) % 3)
        chances = np.where(np.arange(3) == said[:, None], 0.8, 0.1)
        return {f"probability_{name}": chances[:, at] for at, name in enumerate("125")}

    return answered


def logged(store: Store, answers: Answers, truths: Callable[[np.random.Generator], NDArray[np.float64]], seed: int = 3) -> None:
    """Rows of forty days with what a model answered and what came true a day later."""
    random = np.random.default_rng(seed)
    log = SegmentWriter(store.log_folder("predictions"), "predictor")
    known = SegmentWriter(store.log_folder("outcomes"), "outcomes")
    for number in range(DAYS):
        day, truth = FIRST_DAY + timedelta(days=number), truths(random)
        inputs = {"scheduled": np.array([f"{day}T12:00:00"] * ROWS, dtype=object), "x0": random.normal(size=ROWS)}
        record = PredictionRecord(
            request=f"{day}-0", release=RELEASE, deployment=REF, arm="live", recorded=microseconds(NOW), rows=ROWS,
            columns=encode_columns(inputs), outputs=encode_columns(answers(number, truth, random)), latency_us=1,
        )  # fmt: skip
        assert log.append(encode_record(record), ROWS)
        ids, when = [f"{day}-0:{row}" for row in range(ROWS)], f"{day + timedelta(days=1)}T12:00:00"
        outcome = OutcomeRecord(
            recorded=microseconds(NOW), rows=ROWS, ids=ids, names=["y"] * ROWS, values=truth.tolist(), times=[when] * ROWS
        )
        known.append_durable(encode_record(outcome), ROWS)
    log.close()
    known.close()
    compact_logs(store, now=NOW, time_column=time_column)


def judged(store: Store, reference: Profile) -> WatchResult:
    return watch(
        store, REF, MONITORS, matures=Seconds(86_400.0), outcome="y", until=datetime(2014, 1, 1, tzinfo=UTC),
        attest_checks=lambda *_: None, reference=lambda _: reference,
    )  # fmt: skip


def reference_of(answers: AnswerProfile) -> Profile:
    table = pl.DataFrame({"x0": np.random.default_rng(0).normal(size=answers.n)})
    return replace(reference_profile(table), answers=answers)


def checks(store: Store, name: str) -> list[Check]:
    return [finding.check for day in load_verdicts(store, REF) for finding in day.findings if finding.check.name == name]


def number_reference(rows: int = 3000) -> AnswerProfile:
    random = np.random.default_rng(9)
    return measure_answers(random.exponential(1.0, rows), np.zeros(rows))


def test_an_error_that_grows_pages_and_says_by_how_much(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    logged(store, numbers(10, 1.0), lambda random: random.normal(20, 5, ROWS))
    result = judged(store, reference_of(number_reference()))
    found = checks(store, "prediction_error")
    assert [found[0].verdict, found[9].verdict, found[-1].verdict] == [Verdict.INCONCLUSIVE] * 2 + [Verdict.FAIL]
    assert found[0].text is not None
    assert "1 of 14 days with labels, about 780 more labels" in found[0].text
    last = found[-1]
    assert last.low is not None
    assert last.value is not None
    assert last.value == pytest.approx(1.0, abs=0.15)  # the last 28 days are all worse: twice the error
    assert 0.25 < last.low < last.value
    assert last.text is not None
    assert last.text.startswith("mean absolute error 1.985 over 28 days, 1.013 in the reference")
    assert [(alert.monitor, alert.severity.value) for alert in result.alerts] == [("prediction_error", "page")]


def test_an_error_that_stays_passes_and_nothing_asks_for_probabilities(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    logged(store, numbers(99, 0.0), lambda random: random.normal(20, 5, ROWS))
    result = judged(store, reference_of(number_reference()))
    assert result.alerts == ()
    assert checks(store, "prediction_error")[-1].verdict is Verdict.PASS
    said = {finding.check.name for day in load_verdicts(store, REF) for finding in day.findings}
    assert said & {"auc", *MONITORS} == {*MONITORS} - _by_answers(["prediction"]).keys() == {"prediction_error"}
    newest = load_verdicts(store, REF)[-1]
    assert (newest.days, newest.labels, newest.verdict) == (28, 28 * ROWS, Verdict.PASS)
    reported = {finding.check.name: finding.check.value for finding in newest.findings}
    assert reported["mae"] == pytest.approx(1.0, abs=0.1)
    assert reported["rmse"] == pytest.approx(2**0.5, abs=0.15)
    assert reported["bias"] == pytest.approx(0.0, abs=0.15)


def test_accuracy_of_three_classes_that_falls_pages(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    logged(store, classes(8, 0.3), lambda random: random.choice([1.0, 2.0, 5.0], ROWS))
    truth = np.arange(900) % 3
    said = np.where(np.arange(900) % 10 < 8, truth, (truth + 1) % 3)
    chances = np.where(np.arange(3) == said[:, None], 0.8, 0.1)
    result = judged(store, reference_of(measure_answers(chances, truth, classes=["1", "2", "5"])))
    last = checks(store, "performance")[-1]
    assert (last.verdict, last.text) == (Verdict.FAIL, last.text)
    assert last.value == pytest.approx(0.3, abs=0.05)
    assert [alert.monitor for alert in result.alerts] == ["performance"]
    judged_by = {finding.check.name for day in load_verdicts(store, REF) for finding in day.findings}
    assert judged_by & {*MONITORS} == {*MONITORS} - _by_answers(["probability_1", "probability_2"]).keys() == {"performance"}
    reported = {finding.check.name: finding.check for finding in load_verdicts(store, REF)[-1].findings}
    assert reported["accuracy"].value == pytest.approx(0.5, abs=0.05)
    macro = reported["macro_f1"]
    assert macro.low is not None
    assert macro.high is not None
    assert macro.value is not None
    assert macro.low < macro.value < macro.high
    assert reported["log_loss"].value == pytest.approx(-0.5 * np.log(0.8) - 0.5 * np.log(0.1), abs=0.1)


def test_a_reference_that_is_elsewhere_says_nothing_and_breaks_nothing(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    logged(store, numbers(99, 0.0), lambda random: random.normal(20, 5, ROWS))
    judged(store, replace(reference_of(number_reference()), answers=None))
    assert checks(store, "prediction_error") == []
    assert len(load_verdicts(store, REF)) == DAYS


def test_labels_that_come_later_are_measured_though_features_are_not_read_again(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    logged(store, numbers(99, 0.0), lambda random: random.normal(20, 5, ROWS))
    judged(store, reference_of(number_reference()))
    log, day = SegmentWriter(store.log_folder("outcomes"), "late"), FIRST_DAY + timedelta(days=DAYS - 1)
    ids, when = [f"{day}-0:{row}" for row in range(ROWS)], f"{day + timedelta(days=1)}T13:00:00"
    corrected = OutcomeRecord(
        recorded=microseconds(NOW) + 1, rows=ROWS, ids=ids, names=["y"] * ROWS, values=[1000.0] * ROWS, times=[when] * ROWS
    )
    log.append_durable(encode_record(corrected), ROWS)
    log.close()
    compact_logs(store, now=NOW, time_column=time_column)
    judged(store, reference_of(number_reference()))
    from shipway.monitor._leaf import load_leaves, load_profile

    newest = load_leaves(store, REF)[-1]
    assert newest.outcomes is not None
    answers = load_profile(store, newest.outcomes).answers
    assert answers is not None
    assert answers.loss / answers.n > 900


def test_no_reference_error_is_an_honest_word() -> None:
    perfect = measure_answers(np.ones(50), np.ones(50))
    found = check_error(ERROR, [], perfect)
    assert found is not None
    assert found.check.verdict is Verdict.INCONCLUSIVE
    assert check_accuracy(ACCURACY, [], perfect) is None
    assert report_answers([]) == []


def test_macro_f1_is_the_mean_of_the_classes_own() -> None:
    random = np.random.default_rng(4)
    truth, chances = random.integers(0, 4, 400), random.dirichlet(np.ones(4), 400)
    days = [
        (FIRST_DAY + timedelta(days=at), measure_answers(chances[at::5], truth[at::5], classes=list("abcd"))) for at in range(5)
    ]
    said, each = chances.argmax(axis=1), []
    for one in range(4):
        precision, recall = np.mean(truth[said == one] == one), np.mean(said[truth == one] == one)
        each.append(2 * precision * recall / (precision + recall))
    assert measure_macro_f1(days).value == pytest.approx(np.mean(each))


@pytest.mark.parametrize("kind", ["number", "classes"])
def test_the_reference_is_what_the_model_answered_on_the_rows_held_out(tmp_path: Path, kind: str) -> None:
    store = new_store(tmp_path)
    scores = (
        {"score": [1.0, 2.0]} if kind == "number" else {"score_0": [0.7, 0.1], "score_1": [0.2, 0.1], "score_2": [0.1, 0.8]}
    )
    table = pl.DataFrame({**scores, "label": [1.5, 2.0] if kind == "number" else [0, 1]})
    outputs = ["prediction"] if kind == "number" else ["probability_1", "probability_2", "probability_5"]
    columns: list[Json] = [{"name": name, "datatype": "FP64"} for name in outputs]
    signature: Json = {"inputs": [], "outputs": columns}
    model = store.put({"kind": "model", "version": 1, "signature": signature})
    assert _held_out_answers(store, model) is None  # a bundle brings the release and not the rows
    store.put_state(MADE, model, {"scores": put_scores(store, table).to_json()})
    found = _held_out_answers(store, model)
    assert found is not None
    assert found.classes == (() if kind == "number" else ("1", "2", "5"))
    answers = measure_answers(found.answers, found.truth, classes=found.classes)
    assert answers.n == 2
    assert answers.loss == pytest.approx(0.5 if kind == "number" else -np.log(0.7) - np.log(0.1))


def test_classes_that_are_numbers_are_told_by_their_value_and_words_by_their_place() -> None:
    truth = pl.Series([5.0, 1.0, None, 3.0])
    assert np.nan_to_num(class_places(truth, ["1", "2", "5"]), nan=-1).tolist() == [2.0, 0.0, -1.0, -1.0]
    places = measure_answers(np.full((4, 3), 1 / 3), class_places(truth, ["cat", "dog", "emu"]), classes=["cat", "dog", "emu"])
    assert places.n == 1  # 5 and 3 are no place of three


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=60), st.integers(0, 60))
def test_any_cut_of_the_rows_gives_the_same_sums(rows: list[tuple[float, float]], cut: int) -> None:
    answers, truth = (np.array(side) for side in zip(*rows, strict=True))
    whole = Profile(0, answers=measure_answers(answers, truth))
    parts = [Profile(0, answers=measure_answers(answers[part], truth[part])) for part in (slice(cut), slice(cut, None))]
    summed = Profile.from_json(merge_profiles(*parts).to_json()).answers
    assert whole.answers is not None
    assert summed is not None
    assert summed.n == whole.answers.n
    assert [summed.loss, summed.squares, summed.shift] == pytest.approx(
        [whole.answers.loss, whole.answers.squares, whole.answers.shift], rel=1e-9, abs=1e-6
    )


def test_a_window_without_a_change_seldom_fails() -> None:
    random, failed, runs = np.random.default_rng(2026), 0, 400
    for _ in range(runs):
        reference = measure_answers(random.exponential(1.0, 1000) * np.exp(random.normal(0, 0.1)), np.zeros(1000))
        days: list[tuple[date, AnswerProfile]] = [
            (
                FIRST_DAY + timedelta(days=at),
                measure_answers(random.exponential(np.exp(random.normal(0, 0.2)), 50), np.zeros(50)),
            )
            for at in range(28)
        ]
        found = check_error(ERROR, days, reference)
        failed += found is not None and found.check.verdict is Verdict.FAIL
    assert failed / runs < 0.02
