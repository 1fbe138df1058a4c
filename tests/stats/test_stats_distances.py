"""Distances against scipy, and the choice among many tests."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import stats as scipy_stats
from scipy.spatial import distance as scipy_distance

from shipway.stats import benjamini_hochberg, jensen_shannon, ks_binned, psi, wasserstein_binned

Counts = NDArray[np.float64]
counts = arrays(np.float64, 8, elements=st.integers(0, 50).map(float)).filter(lambda c: c.sum() > 0)


@given(counts, counts)
def test_psi_is_symmetric_and_never_negative(p: Counts, q: Counts) -> None:
    one, two = psi(p / p.sum(), q / q.sum()), psi(q / q.sum(), p / p.sum())
    assert one == pytest.approx(two, abs=1e-12)
    assert one >= 0
    assert psi(p / p.sum(), p / p.sum()) == 0


def test_an_empty_bin_counts_as_one_in_ten_thousand() -> None:
    assert psi([1, 0], [0.5, 0.5]) == pytest.approx(-0.5 * math.log(0.5) + (1e-4 - 0.5) * math.log(2e-4))


@given(counts, counts)
def test_jensen_shannon_agrees_with_scipy(p: Counts, q: Counts) -> None:
    ours, theirs = jensen_shannon(p / p.sum(), q / q.sum()), float(scipy_distance.jensenshannon(p, q))
    assert ours**2 == pytest.approx(theirs**2 if theirs == theirs else 0, abs=1e-12)  # scipy's root of -1e-17 is nan


@given(counts, counts)
def test_ks_of_one_bin_per_value_agrees_with_scipy(p: Counts, q: Counts) -> None:
    rows = [np.repeat(np.arange(8), c.astype(np.int64)) for c in (p, q)]
    expected = scipy_stats.ks_2samp(*rows, method="asymp").statistic
    assert ks_binned(p / p.sum(), q / q.sum()) == pytest.approx(float(expected), abs=1e-12)


@given(counts, counts, st.integers(0, 100))
def test_wasserstein_agrees_with_scipy_at_the_bin_means(p: Counts, q: Counts, seed: int) -> None:
    rng = np.random.default_rng(seed)
    means, others = np.arange(8) + rng.random(8), np.arange(8) + rng.random(8)
    expected = scipy_stats.wasserstein_distance(means, others, p, q)
    assert wasserstein_binned(p, p * means, q, q * others) == pytest.approx(float(expected), abs=1e-9)


def test_with_a_thousand_bins_wasserstein_is_that_of_the_rows() -> None:
    rng = np.random.default_rng(4)
    one, two = rng.normal(size=20_000), rng.normal(0.2, 1.1, 20_000)
    edges = np.linspace(-3, 3, 999)
    found = wasserstein_binned(binned(one, edges), binned(one, edges, one), binned(two, edges), binned(two, edges, two))
    assert found == pytest.approx(np.abs(np.sort(one) - np.sort(two)).mean(), abs=1e-3)


def binned(values: Counts, edges: Counts, weights: Counts | None = None) -> Counts:
    place = np.searchsorted(edges, values, side="right")
    return np.bincount(place, weights=weights, minlength=edges.size + 1).astype(np.float64)


def test_moving_every_row_by_two_is_a_wasserstein_distance_of_two() -> None:
    count = np.array([3.0, 5.0, 0.0, 2.0])
    total = count * [1, 2, 3, 4]
    assert wasserstein_binned(count, total, 10 * count, 10 * (total + 2 * count)) == pytest.approx(2)


def test_shares_that_do_not_fit_are_refused() -> None:
    for distance in (psi, jensen_shannon, ks_binned):
        with pytest.raises(ValueError, match="shapes differ"):
            distance([0.5, 0.5], [1.0])
        with pytest.raises(ValueError, match="not to 1"):
            distance([5, 5], [0.5, 0.5])
    with pytest.raises(ValueError, match="no rows"):
        wasserstein_binned([0, 0], [0, 0], [1, 1], [1, 2])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.sampled_from([0.01, 0.05, 0.2]))
def test_benjamini_hochberg_agrees_with_statsmodels(p_values: list[float], q: float) -> None:
    from statsmodels.stats import multitest

    expected = multitest.multipletests(p_values, alpha=q, method="fdr_bh")[0]
    assert benjamini_hochberg(p_values, q=q).tolist() == expected.tolist()


def test_no_tests_give_no_discoveries() -> None:
    assert benjamini_hochberg([]).tolist() == []


@pytest.mark.parametrize(("p_values", "q"), [([0.5, float("nan")], 0.05), ([1.5], 0.05), ([0.5], 0.0)])
def test_p_values_out_of_range_are_refused(p_values: list[float], q: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        benjamini_hochberg(p_values, q=q)
