"""A candidate against live on the same rows, for numbers and classes: the numbers, and how often the intervals hold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from shipway.kernel.canonical import Json
from shipway.models import Signature
from shipway.operate._paired import Answers, Pairs, answers_of, paired_metrics
from shipway.stats import Interval, t_quantile

NUMBER, CLASSES = Answers(("prediction",)), Answers(("probability_1", "probability_2", "probability_5"))
DAYS, ROWS = 28, 40
Floats = NDArray[np.float64]


def numbers(random: np.random.Generator, *, better: float = 0.0, days: int = DAYS) -> Pairs:
    """Errors of 10 % noise by day that both share, live's of size 1; the candidate's smaller by a share."""
    day = np.repeat(np.arange(days), ROWS)
    size, common = np.exp(random.normal(0, 0.3, days))[day], random.normal(size=day.size)
    errors = [size * scale * (0.8 * common + 0.6 * random.normal(size=day.size)) for scale in (1 - better, 1.0)]
    truth = random.normal(20.0, 5.0, day.size)
    return Pairs(truth + errors[0], truth + errors[1], truth, day.astype(np.int32))


def classes(random: np.random.Generator, *, better: float = 0.0) -> Pairs:
    day = np.repeat(np.arange(DAYS), ROWS)
    truth, hard = random.integers(0, 3, day.size), random.random(day.size) + random.normal(0, 0.1, DAYS)[day]
    said = [np.where(hard + random.normal(0, 0.1, day.size) < share, truth, (truth + 1) % 3) for share in (0.7 + better, 0.7)]
    chances = [np.where(np.arange(3) == one[:, None], 0.8, 0.1) for one in said]
    return Pairs(chances[0], chances[1], truth.astype(np.float64), day.astype(np.int32))


def measured(answers: Answers, pairs: Pairs, name: str) -> Interval:
    found = paired_metrics(answers, pairs, level=0.95)[name]
    assert isinstance(found, Interval)
    return found


def test_values_are_what_they_are_called_and_an_interval_is_that_of_a_cluster_robust_regression() -> None:
    pairs = numbers(np.random.default_rng(1), better=0.1)
    theirs, ours = np.abs(pairs.challenger - pairs.truth), np.abs(pairs.live - pairs.truth)
    found = {name: measured(NUMBER, pairs, name) for name in ("mae", "rmse", "relative_mae")}
    assert found["mae"].value == pytest.approx(theirs.mean() - ours.mean())
    assert found["rmse"].value == pytest.approx(np.sqrt(np.mean(theirs**2)) - np.sqrt(np.mean(ours**2)))
    assert found["relative_mae"].value == pytest.approx(theirs.mean() / ours.mean() - 1)
    # Ordinary least squares of the difference on a constant, sandwich over days, small-sample factor G/(G-1).
    gap = theirs - ours
    scores = [float((gap[pairs.days == day] - gap.mean()).sum()) for day in range(DAYS)]
    robust = np.sqrt(DAYS / (DAYS - 1) * np.square(scores).sum()) / gap.size
    reach = t_quantile(0.975, DAYS - 1) * robust
    assert (found["mae"].low, found["mae"].high) == pytest.approx((found["mae"].value - reach, found["mae"].value + reach))


def test_the_interval_of_roots_and_shares_is_that_of_leaving_out_a_day_at_a_time() -> None:
    """The jackknife, which knows nothing of linear parts, differs from them by a few per cent of the width."""
    pairs = numbers(np.random.default_rng(2), better=0.1)
    theirs, ours = np.abs(pairs.challenger - pairs.truth), np.abs(pairs.live - pairs.truth)
    metrics: dict[str, Callable[[Floats, Floats], float]] = {
        "rmse": lambda one, other: float(np.sqrt(np.mean(one**2)) - np.sqrt(np.mean(other**2))),
        "relative_mae": lambda one, other: float(one.mean() / other.mean() - 1),
    }
    for name, metric in metrics.items():
        without = np.array([metric(theirs[pairs.days != day], ours[pairs.days != day]) for day in range(DAYS)])
        jackknife = np.sqrt((DAYS - 1) / DAYS * np.square(without - without.mean()).sum())
        found = measured(NUMBER, pairs, name)
        assert (found.high - found.low) / 2 == pytest.approx(t_quantile(0.975, DAYS - 1) * jackknife, rel=0.05)


def test_accuracy_and_surprise_of_classes() -> None:
    pairs = classes(np.random.default_rng(3), better=0.1)
    right = [(side.argmax(axis=1) == pairs.truth).mean() for side in (pairs.challenger, pairs.live)]
    accuracy, loss = (measured(CLASSES, pairs, name) for name in ("accuracy", "log_loss"))
    assert accuracy.value == pytest.approx(right[0] - right[1])
    assert accuracy.low > 0.05
    assert loss.value == pytest.approx(-(right[0] - right[1]) * np.log(8))
    assert loss.high < 0


def test_a_probability_that_ranks_worse_is_told_and_the_same_one_has_no_difference() -> None:
    random = np.random.default_rng(5)
    live, day = random.random(3300), np.repeat(np.arange(11), 300).astype(np.int32)
    label = (random.random(3300) < live).astype(np.float64)
    noisy = Pairs(np.clip(live + random.normal(0, 0.2, 3300), 0, 1), live, label, day)
    worse = measured(Answers(("probability",)), noisy, "auc")
    assert worse.high < 0
    assert (worse.n, worse.clusters) == (3300, 11)
    same = measured(Answers(("probability",)), noisy._replace(challenger=live), "auc")
    assert tuple(same)[:3] == (0, 0, 0)


def test_rows_without_an_answer_or_a_truth_are_left_out_and_what_has_no_value_says_why() -> None:
    pairs = numbers(np.random.default_rng(4))
    live = pairs.live.copy()
    live[:ROWS] = np.nan
    assert measured(NUMBER, pairs._replace(live=live), "mae").n == (DAYS - 1) * ROWS
    perfect = paired_metrics(NUMBER, pairs._replace(live=pairs.truth), level=0.95)
    assert perfect["relative_mae"] == "live makes no error, and no share can be told of it"
    assert isinstance(perfect["mae"], Interval)
    unknown = classes(np.random.default_rng(4))
    assert measured(CLASSES, unknown._replace(truth=np.where(unknown.days == 3, 7.0, unknown.truth)), "accuracy").n == 27 * ROWS
    single = paired_metrics(NUMBER, numbers(np.random.default_rng(4), days=1), level=0.95)
    assert all(isinstance(found, str) for found in single.values())


@pytest.mark.parametrize("rounds", [300, pytest.param(3000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["mae", "rmse", "relative_mae", "accuracy", "log_loss"])
def test_an_interval_covers_as_it_says(name: str, rounds: int) -> None:
    """Without a difference 0 is inside 94 times of 100 and more, and surely better is said of at most 3 and chance."""
    random, outside, better = np.random.default_rng(2026), 0, 0
    for _ in range(rounds):
        of_number = name in ("mae", "rmse", "relative_mae")
        pairs = numbers(random) if of_number else classes(random)
        found = measured(NUMBER if of_number else CLASSES, pairs, name)
        outside += not found.low <= 0 <= found.high
        better += found.low > 0
    assert outside <= 0.06 * rounds + 2.5 * (0.0564 * rounds) ** 0.5
    assert better <= 0.03 * rounds + 2.5 * (0.0291 * rounds) ** 0.5
    assert outside > 0


@pytest.mark.parametrize(
    ("outputs", "compared"),
    [
        (["probability", "more"], ("probability",)),
        (["prediction"], ("prediction",)),
        (["probability_a", "probability_b"], ("probability_a", "probability_b")),
        (["vector"], None),
    ],
)
def test_what_is_compared_is_told_by_the_outputs(outputs: list[str], compared: tuple[str, ...] | None) -> None:
    columns: list[Json] = [{"name": name, "datatype": "FP64"} for name in outputs]
    found = answers_of(Signature.from_json({"inputs": [], "outputs": columns}))
    assert (found.outputs if found else None) == compared
