"""Pairs: against scipy and statsmodels, by simulation, and against what a gate must not do."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import Generator
from scipy import stats as scipy_stats

from shipway.stats import Interval, holm, mcnemar_exact, paired_interval, share_interval

RUNS = [pytest.param(400, id="quick"), pytest.param(4000, id="slow", marks=pytest.mark.slow)]


def paired_answers(rng: Generator, n: int, changed: float, worse: float = 0.7) -> Interval:
    """Right or wrong of n items, of which a share changes; `worse` of the live answers are right, so losing is likelier."""
    live = rng.random(n) < worse
    candidate = np.where(rng.random(n) < changed, ~live, live)
    return paired_interval(candidate.astype(float), live.astype(float))


def test_without_bounds_it_is_the_paired_t_interval() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=(2, 30))
    exact = scipy_stats.ttest_rel(one, other).confidence_interval(0.9)
    assert paired_interval(one, other, level=0.9, bounds=None)[1:3] == pytest.approx((exact.low, exact.high), rel=1e-9)


def test_clusters_without_bounds_are_clustered_least_squares() -> None:
    import statsmodels.api as statsmodels

    rng = np.random.default_rng(2)
    group = rng.integers(0, 9, 60)
    one, other = rng.normal(size=(2, 60)) + rng.normal(size=(2, 9))[:, group]
    fit = statsmodels.OLS(one - other, np.ones(60)).fit(cov_type="cluster", cov_kwds={"groups": group}, use_t=True)
    assert paired_interval(one, other, group, bounds=None)[1:3] == pytest.approx(fit.conf_int()[0], rel=1e-9)


@pytest.mark.parametrize("runs", RUNS)
@pytest.mark.parametrize(("n", "changed"), [(15, 0.05), (15, 0.2), (40, 0.2), (150, 0.05), (150, 0.2)])
def test_the_difference_is_covered(runs: int, n: int, changed: float) -> None:
    rng, truth = np.random.default_rng(3), changed * (0.3 - 0.7)
    made = [paired_answers(rng, n, changed) for _ in range(runs)]
    share = sum(interval.low <= truth <= interval.high for interval in made) / runs
    assert share > 0.95 - 4 * math.sqrt(0.95 * 0.05 / runs) - 0.01


@pytest.mark.parametrize("runs", RUNS)
def test_a_version_that_is_worse_by_the_margin_passes_not_worse_seldom(runs: int) -> None:
    """The gate's error: `not worse by 0.1` passes though it is worse by 0.1. Nominal 2.5 %."""
    rng = np.random.default_rng(4)
    passed = sum(paired_answers(rng, 60, 0.25).low >= -0.1 for _ in range(runs)) / runs
    assert passed < 0.025 + 4 * math.sqrt(0.025 * 0.975 / runs) + 0.005


@pytest.mark.parametrize("runs", RUNS)
def test_the_same_version_twice_fails_not_worse_seldom(runs: int) -> None:
    rng = np.random.default_rng(5)

    def fails() -> bool:
        rate = rng.beta(0.5, 0.5, 60)
        return paired_interval(rng.binomial(2, rate) / 2, rng.binomial(2, rate) / 2).high < 0

    assert sum(fails() for _ in range(runs)) / runs < 0.025 + 4 * math.sqrt(0.025 * 0.975 / runs)


def test_pairing_is_narrower_than_two_intervals() -> None:
    rng = np.random.default_rng(6)
    live = (rng.random(100) < 0.6).astype(float)
    candidate = live.copy()
    candidate[:5] = 1 - candidate[:5]
    alone = share_interval(live)
    found = paired_interval(candidate, live)
    assert found.high - found.low < 0.6 * (alone.high - alone.low)


def test_a_hundred_ties_are_not_certainty() -> None:
    ties = paired_interval([1.0] * 100, [1.0] * 100)
    assert ties[:3] == pytest.approx((0.0, -0.0382, 0.0382), abs=5e-4)


def test_swapping_the_versions_mirrors_the_interval() -> None:
    rng = np.random.default_rng(7)
    one, other, group = rng.random(20), rng.random(20), rng.integers(0, 6, 20)
    there, back = paired_interval(one, other, group), paired_interval(other, one, group)
    assert (there.value, there.low, there.high) == pytest.approx((-back.value, -back.high, -back.low))


@pytest.mark.parametrize(("one", "other"), [(0, 0), (1, 9), (9, 1), (12, 30), (0, 6), (300, 340)])
def test_mcnemar_is_statsmodels(one: int, other: int) -> None:
    from statsmodels.stats.contingency_tables import mcnemar

    exact = mcnemar([[5, one], [other, 7]], exact=True).pvalue if one + other else 1.0
    assert mcnemar_exact(one, other) == pytest.approx(exact, rel=1e-9)


@settings(max_examples=15)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_statsmodels(p_values: list[float]) -> None:
    from statsmodels.stats.multitest import multipletests

    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1], rel=1e-9, abs=1e-12)


def test_holm_of_nothing_is_nothing() -> None:
    assert holm([]).size == 0


def test_what_cannot_be_paired_is_refused() -> None:
    with pytest.raises(ValueError, match="shapes differ"):
        paired_interval([1.0], [1.0, 0.0])
    with pytest.raises(ValueError, match="0 or more"):
        mcnemar_exact(-1, 2)
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.2, 1.2])
