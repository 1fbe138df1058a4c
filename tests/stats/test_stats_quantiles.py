"""Quantiles against scipy, and what an interval says."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from shipway.stats import NEVER, Interval, normal_quantile, rows_still_needed, t_quantile, wilson

PROBABILITIES = [1e-6, 0.001, 0.025, 0.05, 0.3, 0.5, 0.6, 0.9, 0.975, 0.995, 0.9999, 1 - 1e-6]


@pytest.mark.parametrize("p", PROBABILITIES)
def test_t_quantiles_agree_with_scipy_for_every_df_up_to_1000(p: float) -> None:
    df = np.arange(1, 1001)
    ours = np.array([t_quantile(p, float(d)) for d in df])
    np.testing.assert_allclose(ours, scipy_stats.t.ppf(p, df), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("df", [0.5, 2.7, 999.5, 1001, 5000, 1e6, 1e9])
def test_t_quantiles_agree_with_scipy_for_odd_and_large_df(df: float) -> None:
    for p in PROBABILITIES:
        assert t_quantile(p, df) == pytest.approx(float(scipy_stats.t.ppf(p, df)), rel=1e-8, abs=1e-12)


def test_infinite_df_is_the_normal() -> None:
    assert t_quantile(0.975, math.inf) == normal_quantile(0.975)


def test_normal_quantiles_agree_with_scipy() -> None:
    for p in PROBABILITIES:
        assert normal_quantile(p) == pytest.approx(float(scipy_stats.norm.ppf(p)), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("p", [0.0, 1.0, -1.0, math.nan])
def test_a_quantile_of_an_impossible_probability_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        normal_quantile(p)
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        t_quantile(p, 5)


@pytest.mark.parametrize("df", [0.0, -3.0, math.nan])
def test_df_must_be_positive(df: float) -> None:
    with pytest.raises(ValueError, match="df"):
        t_quantile(0.9, df)


@given(st.integers(1, 500), st.integers(0, 500), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_wilson_agrees_with_statsmodels(n: int, successes: int, level: float) -> None:
    from statsmodels.stats import proportion

    found = wilson(min(successes, n), n, level=level)
    low, high = proportion.proportion_confint(min(successes, n), n, alpha=1 - level, method="wilson")
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)
    assert 0 <= found.low <= found.value <= found.high <= 1


@pytest.mark.parametrize(("successes", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_impossible_counts(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="successes"):
        wilson(successes, n)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_a_level_outside_0_and_1_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match="level"):
        wilson(1, 2, level=level)


def test_no_more_rows_are_needed_once_the_threshold_is_outside() -> None:
    assert rows_still_needed(Interval(0.7, 0.66, 0.74, 0.95, 1000, 28), 0.65) == 0
    assert rows_still_needed(Interval(0.7, 0.66, 0.74, 0.95, 1000, 28), 0.75) == 0


def test_an_estimate_on_the_threshold_never_decides() -> None:
    assert rows_still_needed(Interval(0.7, 0.66, 0.74, 0.95, 1000, 28), 0.7) == NEVER


def test_the_side_towards_the_threshold_counts() -> None:
    lopsided = Interval(0.7, 0.60, 0.72, 0.95, 100, 100)
    assert rows_still_needed(lopsided, 0.65) == 300
    assert rows_still_needed(lopsided, 0.71) == 300


def test_an_interval_that_just_touches_the_threshold_needs_a_row_more() -> None:
    assert rows_still_needed(Interval(0.7, 0.65, 0.75, 0.95, 100, 100), 0.65) == 1


@given(st.integers(5, 200), st.floats(0.05, 0.95))
def test_with_the_rows_still_needed_a_wald_interval_leaves_the_threshold(n: int, threshold: float) -> None:
    now = Interval(0.5, 0.5 - 1 / math.sqrt(n), 0.5 + 1 / math.sqrt(n), 0.95, n, n)
    more = rows_still_needed(now, threshold)
    if more < NEVER:
        reach = 1 / math.sqrt(n + more)
        assert abs(threshold - 0.5) >= reach - 1e-9
