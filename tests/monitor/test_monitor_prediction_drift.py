"""Answers that are numbers or classes drift by the rules of features: effect, noise of days, and persistence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitor_logs import REF, new_store
from numpy.typing import NDArray
from test_monitor_answered import DAYS, ROWS, Answers, checks, classes, logged

from shipway.data import Profile, measure_answers, measure_predictions, merge_profiles, reference_predictions, reference_profile
from shipway.kernel.check import Verdict
from shipway.kernel.units import Seconds
from shipway.monitor import watch
from shipway.monitor._drifted import check_prediction_drift
from shipway.monitor._leaf import load_leaves, load_profile
from shipway.spec import MonitorSpec
from shipway.store import Store

MONITOR = MonitorSpec(name="prediction_drift", inform=0.1)
NAMES = ("1", "2", "5")
Floats = NDArray[np.float64]


def moved(from_day: int, by: float) -> Answers:
    """Numbers around 20, and from a day on higher by so much."""

    def answered(day: int, truth: Floats, random: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        return {"prediction": random.normal(20.0 + (by if day >= from_day else 0.0), 5.0, truth.size)}

    return answered


def of_number(seed: int = 9) -> Profile:
    random = np.random.default_rng(seed)
    answers = random.normal(20.0, 5.0, 3000)
    table = reference_profile(pl.DataFrame({"x0": random.normal(size=3000)}))
    return replace(table, answers=measure_answers(answers, answers), predictions=reference_predictions(answers))


def of_classes() -> Profile:
    random = np.random.default_rng(9)
    truth = random.integers(0, 3, 3000)
    chances = chances_of(np.where(random.random(3000) < 0.8, truth, (truth + 1) % 3))
    table = reference_profile(pl.DataFrame({"x0": random.normal(size=3000)}))
    answers = measure_answers(chances, truth, classes=NAMES)
    return replace(table, answers=answers, predictions=reference_predictions(chances, classes=NAMES))


def chances_of(place: NDArray[np.int64]) -> Floats:
    return np.where(np.arange(3) == place[:, None], 0.8, 0.1)


def judged(store: Store, reference: Profile) -> list[tuple[str, str]]:
    found = watch(
        store, REF, {"prediction_drift": MONITOR}, matures=Seconds(86_400.0), outcome="y",
        until=datetime(2014, 1, 1, tzinfo=UTC), attest_checks=lambda *_: None, reference=lambda _: reference,
    )  # fmt: skip
    return [(alert.monitor, alert.severity.value) for alert in found.alerts]


def test_numbers_that_move_inform_and_never_page(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    logged(store, moved(10, 6.0), lambda random: random.normal(20, 5, ROWS))
    assert judged(store, of_number()) == [("prediction_drift", "inform")]
    found = checks(store, "prediction_drift")
    assert len(found) == DAYS
    assert [found[9].verdict, found[-1].verdict] == [Verdict.PASS, Verdict.FAIL]
    # The same index from the rows: 28 days are all higher, over deciles of the reference.
    assert found[-1].value == pytest.approx(1.3, abs=0.25)
    assert found[-1].n == 28 * ROWS


def test_numbers_that_stay_pass(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    logged(store, moved(99, 0.0), lambda random: random.normal(20, 5, ROWS))
    assert judged(store, of_number()) == []
    assert checks(store, "prediction_drift")[-1].verdict is Verdict.PASS


def test_a_class_that_is_answered_more_often_is_told(tmp_path: Path) -> None:
    store = new_store(tmp_path)

    def truths(random: np.random.Generator) -> Floats:
        return random.choice([1.0, 2.0, 5.0], ROWS, p=[0.8, 0.1, 0.1])

    logged(store, classes(99, 0.0), truths)
    assert judged(store, of_classes()) == [("prediction_drift", "inform")]
    last = checks(store, "prediction_drift")[-1]
    assert last.verdict is Verdict.FAIL
    assert last.text in ("the predicted class", "probability_1")
    assert last.value is not None
    assert last.value > 0.3


def test_without_held_out_answers_it_is_not_known_and_leaves_of_old_say_so(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    logged(store, moved(10, 6.0), lambda random: random.normal(20, 5, ROWS))
    assert judged(store, replace(of_number(), predictions={})) == []
    last = checks(store, "prediction_drift")[-1]
    assert (last.verdict, last.value) == (Verdict.INCONCLUSIVE, None)
    assert last.text == "the held-out answers of this release are not in this store: nothing to compare with"
    features = [load_profile(store, leaf.features) for leaf in load_leaves(store, REF) if leaf.features]
    (found,) = check_prediction_drift(MONITOR, of_number(), features)  # measured before there was a reference
    assert found.check.text == "no day of the window has a profile of what was answered yet"
    half = [*features[:14], *days_of(np.random.default_rng(5), of_number(), 0.0, days=14)]
    (found,) = check_prediction_drift(MONITOR, of_number(), half)
    assert (found.check.verdict, found.check.n) == (Verdict.PASS, 14 * 100)


def days_of(
    random: np.random.Generator, reference: Profile, effect: float, *, days: int = 28, rows: int = 100
) -> list[Profile]:
    made = []
    for _ in range(days):
        answers = random.normal(20.0 + random.normal(0, effect), 5.0, rows)
        made.append(Profile(rows, predictions=measure_predictions(reference.predictions, answers)))
    return made


def test_days_that_share_an_effect_are_seldom_called_drift() -> None:
    """Of 0.4 standard deviations, in the reference's own 20 days as well; of 0.8 one window of nine is called drift."""
    random, called, runs = np.random.default_rng(2026), 0, 100
    for _ in range(runs):
        held_out = np.concatenate([random.normal(20.0 + random.normal(0, 2.0), 5.0, 100) for _ in range(20)])
        reference = Profile(2000, predictions=reference_predictions(held_out))
        (found,) = check_prediction_drift(MONITOR, reference, days_of(random, reference, 2.0))
        called += found.check.verdict is Verdict.FAIL
    assert called <= 0.05 * runs


def test_what_has_not_lasted_is_not_called_drift() -> None:
    random, reference = np.random.default_rng(3), of_number()
    calm, storm = days_of(random, reference, 0.0, days=21), days_of(random, reference, 0.0, days=7)
    much = [replace(day, predictions=measure_predictions(reference.predictions, np.full(100, 40.0))) for day in storm]
    (found,) = check_prediction_drift(MONITOR, reference, [*calm, *much])
    assert (found.check.verdict, found.check.text) == (
        Verdict.INCONCLUSIVE,
        "in 1 of the last 3 parts of the window: it has not lasted",
    )


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=60), st.integers(0, 60))
def test_any_cut_of_the_answers_gives_the_same_profile(answers: list[float], cut: int) -> None:
    known, values = reference_predictions(np.linspace(-5, 5, 200)), np.array(answers)
    whole = Profile(len(values), predictions=measure_predictions(known, values))
    parts = [Profile(len(part), predictions=measure_predictions(known, part)) for part in (values[:cut], values[cut:])]
    summed = Profile.from_json(merge_profiles(*parts).to_json())
    one, other = whole.predictions["prediction"], summed.predictions["prediction"]
    assert {**one.to_json(), "squares": 0, "bins": 0} == {**other.to_json(), "squares": 0, "bins": 0}


def test_many_classes_keep_their_shares_alone_and_an_unknown_answer_is_missing() -> None:
    random = np.random.default_rng(1)
    chances = random.dirichlet(np.ones(60), 500)
    known = reference_predictions(chances, classes=[f"c{at}" for at in range(60)])
    assert list(known) == ["class"]
    chances[:7, 3] = np.nan
    assert measure_predictions(known, chances, classes=[f"c{at}" for at in range(60)])["class"].missing == 7
