"""The prediction-powered mean against ppi-python, with our small-sample factors put on by hand; coverage by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import stats as scipy_stats

from shipway.stats import Interval, mean_interval, prediction_powered_mean

Floats = NDArray[np.float64]
RUNS = [pytest.param(400, id="quick"), pytest.param(4000, id="slow", marks=pytest.mark.slow)]


def rated(rng: Generator, n: int, far: int = 300, right: float = 0.85) -> tuple[Floats, Floats, Floats]:
    """Labels of people, the judge's word on them, and on the rest."""
    truth = rng.random(n + far) < 0.6
    judged = np.where(rng.random(n + far) < right, truth, ~truth).astype(np.float64)
    return truth[:n].astype(np.float64), judged[:n], judged[n:]


def reach_of(labels: Floats, near: Floats, far: Floats, weight: float) -> float:
    """The half width of ppi_py's interval."""
    from ppi_py import ppi_mean_ci

    low, high = ppi_mean_ci(labels, near, far, alpha=0.05, lam=weight)
    return float((np.squeeze(high) - np.squeeze(low)) / 2)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(5, 60), st.booleans())
def test_it_is_ppi_python_with_students_t(seed: int, n: int, tuned: bool) -> None:
    from ppi_py import ppi_mean_pointestimate

    rng = np.random.default_rng(seed)
    labels, far = rng.normal(size=n), rng.normal(size=2 * n)
    near = labels + rng.normal(size=n)
    found = prediction_powered_mean(labels, near, far, tuned=tuned)
    value = float(np.squeeze(ppi_mean_pointestimate(labels, near, far, lam=None if tuned else 1)))
    assert found.value == pytest.approx(value, rel=1e-9, abs=1e-12)
    # the point estimate is linear in the weight, so it tells the weight that ppi_py chose
    ends = [float(np.squeeze(ppi_mean_pointestimate(labels, near, far, lam=weight))) for weight in (0, 1)]
    weight = (value - ends[0]) / (ends[1] - ends[0])
    zeros, quantile = np.zeros_like(far), scipy_stats.t.ppf(0.975, n - 1) / scipy_stats.norm.ppf(0.975)
    correction = reach_of(labels, near, zeros, weight) ** 2 * n / (n - 1)
    judged = reach_of(np.zeros(5), np.zeros(5), far, weight) ** 2 * far.size / (far.size - 1)
    assert (found.high - found.low) / 2 == pytest.approx(quantile * math.sqrt(correction + judged), rel=1e-7)


def test_with_many_labels_the_interval_is_the_papers() -> None:
    from ppi_py import ppi_mean_ci

    sample = rated(np.random.default_rng(1), 20_000, 50_000)
    low, high = ppi_mean_ci(*sample, alpha=0.05)
    assert prediction_powered_mean(*sample)[1:3] == pytest.approx((low.item(), high.item()), abs=1e-6)


@pytest.mark.parametrize("runs", RUNS)
@pytest.mark.parametrize("n", [15, 30, 100])
@pytest.mark.parametrize("tuned", [True, False])
def test_the_mean_is_covered(runs: int, n: int, tuned: bool) -> None:
    rng = np.random.default_rng(2)
    made = [prediction_powered_mean(*rated(rng, n), tuned=tuned) for _ in range(runs)]
    share = sum(interval.low <= 0.6 <= interval.high for interval in made) / runs
    assert share > 0.95 - 4 * math.sqrt(0.95 * 0.05 / runs) - 0.015


def test_a_good_judge_makes_the_interval_shorter_and_noise_does_not_make_it_longer() -> None:
    rng = np.random.default_rng(3)

    def width(interval: Interval) -> float:
        return interval.high - interval.low

    for right, most in ((0.95, 0.75), (0.5, 1.02)):
        sample = rated(rng, 200, 4000, right=right)
        assert width(prediction_powered_mean(*sample)) < most * width(mean_interval(sample[0]))


def test_a_biased_judge_does_not_bias_the_mean() -> None:
    rng = np.random.default_rng(4)
    values = []
    for _ in range(300):
        labels, near, far = rated(rng, 60)
        values.append(prediction_powered_mean(labels, np.maximum(near, 0.5), np.maximum(far, 0.5)).value)
    assert np.mean(values) == pytest.approx(0.6, abs=4 * float(np.std(values)) / math.sqrt(300))


def test_a_judge_that_was_never_wrong_on_few_items_is_not_taken_for_perfect() -> None:
    rng = np.random.default_rng(5)
    far = (rng.random(10_000) < 0.6).astype(float)
    labels = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0]
    found = prediction_powered_mean(labels, labels, far, tuned=False)
    assert found.high - found.low > 0.25


@pytest.mark.parametrize(
    ("labels", "near", "far", "message"),
    [
        ([1.0], [1.0], [1.0, 0.0], "at least two"),
        ([1.0, 0.0], [1.0], [1.0, 0.0], "shapes differ"),
        ([1.0, 0.0], [1.0, 0.0], [], "empty"),
    ],
)
def test_what_cannot_be_corrected_is_refused(labels: list[float], near: list[float], far: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prediction_powered_mean(labels, near, far)
