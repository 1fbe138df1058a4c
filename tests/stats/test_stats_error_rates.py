"""The error rates the docstrings promise, simulated: coverage, false alarms, power, and where they break.

Days share an effect on the logit scale; predictions are the probabilities averaged over that effect, so the model is
calibrated though no single day is. Quick runs catch a wrong formula; slow ones repeat the published numbers.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from numpy.random import Generator
from numpy.typing import NDArray

from shipway.stats import (
    Interval,
    auc_difference,
    auc_interval,
    auc_interval_binned,
    base_rate_interval,
    brier_skill_interval,
    calibration_interval,
    mean_interval,
    roc_auc,
)

Floats = NDArray[np.float64]
LOGITS = np.linspace(-2.2, 0.6, 10)
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(61)


class Tables(NamedTuple):
    rows: Floats
    score: Floats
    label: Floats


def sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))


def marginal(effect: float) -> Floats:
    """Probability per bin, averaged over the day effect; (10,)."""
    return np.asarray((sigmoid(LOGITS[:, None] + effect * NODES) * WEIGHTS).sum(axis=1) / WEIGHTS.sum())


def day_effects(rng: Generator, days: int, persistence: float) -> Floats:
    """Standard normal, autocorrelated from day to day."""
    effects = rng.normal(size=days)
    for day in range(1, days):
        effects[day] = persistence * effects[day - 1] + math.sqrt(1 - persistence**2) * effects[day]
    return effects


def window(
    rng: Generator, *, effect: float = 0.3, offset: float = 0.0, persistence: float = 0.0, own_bins: bool = False
) -> Tables:
    """28 days of 900 rows in 10 score bins; the model says offset more than is true."""
    effects = effect * day_effects(rng, 28, persistence)[:, None]
    if own_bins:
        effects = effect * rng.normal(size=(28, 10))
    count = rng.multinomial(900, np.full(10, 0.1), size=28)
    label = rng.binomial(count, sigmoid(LOGITS + effects))
    return Tables(count.astype(np.float64), count * (marginal(effect) + offset), label.astype(np.float64))


def rows_of(rng: Generator, *, days: int = 28, shared: bool = True) -> tuple[NDArray[np.int64], Floats, Floats, Floats]:
    """Days, two models' scores and labels; each day shifts the labels' odds and the scores."""
    day = np.repeat(np.arange(days), 60)
    draw = day if shared else np.arange(day.size)
    odds, shift = 0.4 * rng.normal(size=(2, draw.max() + 1))[:, draw]
    truth = rng.normal(size=day.size)
    label = (rng.random(day.size) < sigmoid(-1 + 1.2 * truth + odds)).astype(np.float64)
    noise = rng.normal(size=(2, day.size))
    return day, truth + 0.5 * noise[0] + shift, truth + noise[1] + shift, label


def share(runs: int, seed: int, event: Callable[[Generator], bool]) -> float:
    rng = np.random.default_rng(seed)
    return sum(event(rng) for _ in range(runs)) / runs


def within(measured: float, nominal: float, runs: int) -> bool:
    """Less than four Monte Carlo standard errors, and 1 % for what asymptotics owe with 28 days."""
    return abs(measured - nominal) < 4 * math.sqrt(nominal * (1 - nominal) / runs) + 0.01


def at_most(measured: float, nominal: float, runs: int) -> bool:
    return measured < nominal + 4 * math.sqrt(nominal * (1 - nominal) / runs)


def holds(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def base_rate(tables: Tables) -> Interval:
    return base_rate_interval(tables.score.sum(axis=1), tables.label.sum(axis=1), tables.rows.sum(axis=1))


def skill(tables: Tables, rate: Floats) -> Interval:
    wrong = tables.rows * rate**2 - 2 * rate * tables.label + tables.label
    return brier_skill_interval(wrong.sum(axis=1), tables.label.sum(axis=1), tables.rows.sum(axis=1))


def cries_wolf(rng: Generator, *, effect: float = 0.3, persistence: float = 0.0, own_bins: bool = False) -> bool:
    return calibration_interval(*window(rng, effect=effect, persistence=persistence, own_bins=own_bins)).low > 0


@pytest.fixture(scope="module")
def truths() -> tuple[float, float, float]:
    """AUC of the first model, its lead over the second, and the base rate, from 600,000 unshared rows."""
    _, a, b, label = rows_of(np.random.default_rng(0), days=10_000, shared=False)
    return roc_auc(a, label), roc_auc(a, label) - roc_auc(b, label), float(label.mean())


RUNS = [pytest.param(300, id="quick"), pytest.param(4000, id="slow", marks=pytest.mark.slow)]


@pytest.mark.parametrize("runs", RUNS)
@pytest.mark.parametrize("effect", [0.0, 0.3, 0.8])
@pytest.mark.parametrize("own_bins", [False, True])
def test_a_calibrated_model_raises_few_false_alarms(runs: int, effect: float, own_bins: bool) -> None:
    assert at_most(share(runs, 1, lambda rng: cries_wolf(rng, effect=effect, own_bins=own_bins)), 0.03, runs)


@pytest.mark.parametrize("runs", RUNS)
def test_an_offset_of_eight_percent_is_nearly_always_found(runs: int) -> None:
    assert share(runs, 2, lambda rng: calibration_interval(*window(rng, offset=0.08)).low > 0) > 0.99


@pytest.mark.slow
@pytest.mark.parametrize("offset", [0.02, 0.05, 0.08])
def test_the_lower_bound_stays_below_the_true_error(offset: float) -> None:
    above = share(3000, 3, lambda rng: calibration_interval(*window(rng, offset=offset)).low > offset)
    assert at_most(above, 0.03, 3000)


@pytest.mark.slow
def test_weeks_as_clusters_mend_days_that_persist() -> None:
    def alarm(rng: Generator) -> bool:
        weeks = (table.reshape(4, 7, 10).sum(axis=1) for table in window(rng, persistence=0.5))
        return calibration_interval(*weeks).low > 0

    assert share(3000, 11, alarm) == pytest.approx(0.04, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("persistence", "alarms", "coverage"), [(0.3, 0.057, 0.86), (0.5, 0.12, 0.76), (0.8, 0.38, 0.47)])
def test_days_that_persist_break_it_as_published(persistence: float, alarms: float, coverage: float) -> None:
    false = share(3000, 4, lambda rng: cries_wolf(rng, persistence=persistence))
    covered = share(3000, 5, lambda rng: holds(base_rate(window(rng, persistence=persistence)), 0.0))
    assert (false, covered) == pytest.approx((alarms, coverage), abs=0.03)


@pytest.mark.parametrize("runs", RUNS)
def test_the_base_rate_interval_covers_as_it_says(runs: int) -> None:
    assert within(share(runs, 6, lambda rng: holds(base_rate(window(rng)), 0.0)), 0.95, runs)


@pytest.mark.parametrize("runs", RUNS)
def test_the_skill_interval_covers_as_it_says(runs: int) -> None:
    rate = marginal(0.3)
    truth = 1 - (rate * (1 - rate)).mean() / (rate.mean() * (1 - rate.mean()))
    assert within(share(runs, 7, lambda rng: holds(skill(window(rng), rate), truth)), 0.95, runs)


@pytest.mark.parametrize("runs", RUNS)
def test_the_binned_auc_interval_covers_as_it_says(runs: int) -> None:
    yes, no = marginal(0.3) / marginal(0.3).sum(), (1 - marginal(0.3)) / (1 - marginal(0.3)).sum()
    truth = float(yes @ (np.cumsum(no) - no / 2))

    def covered(rng: Generator) -> bool:
        tables = window(rng)
        return holds(auc_interval_binned(tables.label, tables.rows - tables.label), truth)

    assert within(share(runs, 8, covered), 0.95, runs)


@pytest.mark.parametrize("runs", RUNS)
def test_intervals_from_rows_cover_as_they_say(runs: int, truths: tuple[float, float, float]) -> None:
    rng, covered = np.random.default_rng(9), np.zeros(3)
    for _ in range(runs):
        day, a, b, label = rows_of(rng)
        found = auc_interval(a, label, day), auc_difference(a, b, label, day), mean_interval(label, day)
        covered += [holds(*pair) for pair in zip(found, truths, strict=True)]
    assert all(within(float(rate), 0.95, runs) for rate in covered / runs)


def test_taking_rows_of_a_day_for_independent_covers_too_little(truths: tuple[float, float, float]) -> None:
    assert share(300, 10, lambda rng: holds(mean_interval(rows_of(rng)[3]), truths[2])) < 0.9
