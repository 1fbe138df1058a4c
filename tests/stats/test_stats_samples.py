"""Exact distances and tests of two samples, against scipy."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import stats as scipy_stats

from shipway.stats import chi_square_tail, chi_square_test, ks_statistic, ks_test, psi_filled, share_test, wasserstein
from shipway.stats._kolmogorov import _one_sample, ks_tail

Sample = NDArray[np.float64]
# few distinct values, so that ties are common
samples = st.integers(1, 40).flatmap(lambda n: arrays(np.float64, n, elements=st.integers(-5, 5).map(lambda v: v / 3)))


@given(samples, samples)
@settings(max_examples=60)
def test_distances_of_samples_agree_with_scipy(one: Sample, other: Sample) -> None:
    assert wasserstein(one, other) == pytest.approx(float(scipy_stats.wasserstein_distance(one, other)), abs=1e-12)
    with warnings.catch_warnings(action="always", category=RuntimeWarning, record=True) as given_up:
        expected = scipy_stats.ks_2samp(one, other)
    assert ks_statistic(one, other) == pytest.approx(float(expected.statistic), abs=1e-12)
    if given_up:  # an exact 1 that it finds a little above 1, and takes the asymptotic value for
        assert ks_test(one, other) == pytest.approx(1.0, abs=1e-9)
    else:
        assert ks_test(one, other) == pytest.approx(float(expected.pvalue), abs=1e-9)


@pytest.mark.parametrize(("rows", "others"), [(1000, 1000), (1000, 1001), (300, 7), (1000, 10_001), (200, 50_000)])
@pytest.mark.parametrize("shift", [0.0, 0.05, 0.3])
def test_ks_agrees_with_scipy_at_sizes_of_windows(rows: int, others: int, shift: float) -> None:
    random = np.random.default_rng(rows + others)
    one, other = np.sort(random.normal(0, 1, rows).round(2)), np.sort(random.normal(shift, 1, others).round(2))
    assert ks_test(one, other, ordered=True) == pytest.approx(float(scipy_stats.ks_2samp(one, other).pvalue), abs=1e-9)


@pytest.mark.parametrize("rows", [1, 2, 5, 17, 100, 140, 141, 200, 1000, 3000])
def test_the_distribution_of_one_sample_agrees_with_scipy_where_each_formula_serves(rows: int) -> None:
    places = np.concatenate([np.linspace(0.3 / rows, min(1.0, 3.5 / math.sqrt(rows)), 12), [0.5 / rows, 1 / rows, 0.4, 0.7]])
    for place in places:
        assert _one_sample(float(place), rows) == pytest.approx(float(scipy_stats.kstwo.sf(place, rows)), abs=1e-10)


def test_samples_that_nowhere_differ_are_as_likely_as_can_be_and_those_apart_are_not() -> None:
    assert ks_tail(0.0, 10, 12) == 1.0
    assert ks_tail(1.0, 3, 5) == pytest.approx(2 / math.comb(8, 3))


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 60)), min_size=2, max_size=30))
def test_chi_square_agrees_with_scipy(pairs: list[tuple[int, int]]) -> None:
    seen, awaited = np.array(pairs, dtype=np.float64).T
    if not seen.sum():
        return
    awaited = awaited * (seen.sum() / awaited.sum())
    assert chi_square_test(seen, awaited) == pytest.approx(float(scipy_stats.chisquare(seen, awaited).pvalue), abs=1e-12)


@pytest.mark.parametrize("df", [1, 2, 3, 20, 99, 1000])
def test_the_tail_of_chi_square_agrees_with_scipy(df: int) -> None:
    for value in (0, 0.1, 1, df, 2 * df, 5 * df, 1e4):
        assert chi_square_tail(value, df) == pytest.approx(float(scipy_stats.chi2.sf(value, df)), abs=1e-12)


def test_a_share_is_tested_by_the_pooled_normal() -> None:
    pooled = 80 / 200
    expected = 2 * float(scipy_stats.norm.sf(0.2 / math.sqrt(pooled * (1 - pooled) * 0.02)))
    assert share_test(30, 100, 50, 100) == pytest.approx(expected, abs=1e-12)
    assert math.isnan(share_test(0, 10, 0, 20))
    with pytest.raises(ValueError, match="at least 1"):
        share_test(0, 0, 1, 2)


def test_a_category_that_nobody_expected_is_impossible_and_one_alone_says_nothing() -> None:
    assert chi_square_test([1, 9], [0, 10]) == 0.0
    assert math.isnan(chi_square_test([5], [5]))
    with pytest.raises(ValueError, match="scale one of them"):
        chi_square_test([1, 2], [3, 4])
    with pytest.raises(ValueError, match="above 0"):
        psi_filled([0.0, 1.0], [0.5, 0.5])
