"""The calibration table, its error, the base rate, and the interval that does not cry wolf."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shipway.stats import (
    CalibrationTable,
    base_rate_interval,
    calibration_error,
    calibration_error_binned,
    calibration_interval,
    calibration_table,
    mean_interval,
)

EDGES = np.arange(10, 100, 10) / 100


def rows_of(seed: int, n: int = 300) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    scores = rng.random(n).round(2)
    return scores, (rng.random(n) < scores**2).astype(np.int64)


def brute_error(scores: NDArray[np.float64], labels: NDArray[np.int64], edges: NDArray[np.float64]) -> float:
    bounds = [-np.inf, *edges, np.inf]
    held = [(scores >= low) & (scores < high) for low, high in pairwise(bounds)]
    return float(sum(bin_.mean() * abs(scores[bin_].mean() - labels[bin_].mean()) for bin_ in held if bin_.any()))


@given(st.integers(0, 10_000))
def test_the_error_of_a_table_is_the_textbook_error(seed: int) -> None:
    scores, labels = rows_of(seed)
    found = calibration_error_binned(*calibration_table(scores, labels, EDGES))
    assert found == pytest.approx(brute_error(scores, labels, EDGES), abs=1e-12)


@given(st.integers(0, 10_000), st.integers(1, 299))
def test_adding_tables_is_the_table_of_all_rows(seed: int, cut: int) -> None:
    scores, labels = rows_of(seed)
    first = calibration_table(scores[:cut], labels[:cut], EDGES)
    second = calibration_table(scores[cut:], labels[cut:], EDGES)
    merged = CalibrationTable(*map(np.add, first, second))
    for ours, whole in zip(merged, calibration_table(scores, labels, EDGES), strict=True):
        np.testing.assert_allclose(ours, whole, atol=1e-9)


def test_equal_mass_bins_are_equal_and_keep_equal_scores_together() -> None:
    scores = np.arange(100) / 100
    labels = (scores > 0.5).astype(np.int64)
    assert calibration_error(scores, labels) == pytest.approx(brute_error(scores, labels, EDGES), abs=1e-12)
    assert calibration_error([0.5] * 10, [0, 1] * 5, bins=10) == 0


def test_a_score_on_an_edge_belongs_to_the_bin_above() -> None:
    assert calibration_table([0.1, 0.5, 1.0], [0, 0, 1], [0.5, 1.0]).count.tolist() == [1, 1, 1]


def test_the_base_rate_is_the_clustered_mean_of_score_minus_label() -> None:
    scores, labels = rows_of(1)
    days = np.arange(300) % 7
    sums = [np.bincount(days, weights=x) for x in (scores, labels, np.ones(300))]
    assert base_rate_interval(*sums)[:3] == pytest.approx(mean_interval(scores - labels, days)[:3], abs=1e-12)
    assert base_rate_interval(*sums).n == 300


def days_of(seed: int, days: int, offset: float) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    rate = np.linspace(0.1, 0.7, 6)
    count = rng.integers(50, 150, (days, 6))
    return count.astype(np.float64), count * (rate + offset), rng.binomial(count, rate).astype(np.float64)


def test_the_estimate_is_the_signed_sum_with_the_other_halfs_signs() -> None:
    count, score, label = days_of(3, 20, 0.01)
    gap, total = score - label, 0.0
    halves = [[d for d in range(20) if d // 7 % 2 == half] for half in (0, 1)]
    for here, there in (halves, halves[::-1]):
        total += float((np.sign(gap[there].sum(axis=0)) * gap[here].sum(axis=0)).sum())
    found = calibration_interval(count, score, label)
    assert found.value == pytest.approx(total / count.sum())
    assert (found.n, found.clusters) == (count.sum(), 20)


def test_below_14_days_the_halves_alternate() -> None:
    count, score, label = days_of(4, 9, 0.0)
    gap = score - label
    even, odd = gap[::2].sum(axis=0), gap[1::2].sum(axis=0)
    total = np.sign(odd) @ even + np.sign(even) @ odd
    assert calibration_interval(count, score, label).value == pytest.approx(total / count.sum())


@given(st.integers(0, 10_000), st.integers(2, 30))
def test_the_estimate_is_never_above_the_plain_error(seed: int, days: int) -> None:
    tables = days_of(seed, days, 0.0)
    assert calibration_interval(*tables).value <= calibration_error_binned(*(t.sum(axis=0) for t in tables)) + 1e-12


def test_a_clear_offset_makes_it_the_base_rate_interval() -> None:
    count, score, label = days_of(5, 28, 0.2)
    base = base_rate_interval(score.sum(axis=1), label.sum(axis=1), count.sum(axis=1))
    assert calibration_interval(count, score, label) == pytest.approx(base)


def test_a_day_without_rows_is_not_counted() -> None:
    tables = days_of(6, 10, 0.0)
    with_gap = [np.insert(table, 4, 0.0, axis=0) for table in tables]
    assert calibration_interval(*with_gap) == calibration_interval(*tables)


@pytest.mark.parametrize(
    ("count", "score", "label", "message"),
    [
        ([[5, 5]], [[1, 1]], [[1, 1]], "at least two"),
        ([[5, 5], [0, 0]], [[1, 1], [0, 0]], [[1, 1], [0, 0]], "at least two"),
        ([[5, 5], [5, 5]], [[1, 1]], [[1, 1]], "shapes differ"),
        ([5, 5], [1, 1], [1, 1], "dimension"),
    ],
)
def test_tables_that_do_not_fit_are_refused(
    count: list[list[float]], score: list[list[float]], label: list[list[float]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        calibration_interval(count, score, label)


def test_a_table_without_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="ascending"):
        calibration_table([0.5], [1], [0.6, 0.4])
    with pytest.raises(ValueError, match="between 0 and 1"):
        calibration_table([1.5], [1], [0.5])
    with pytest.raises(ValueError, match="no rows"):
        calibration_error_binned([0, 0], [0, 0], [0, 0])
    with pytest.raises(ValueError, match="bins"):
        calibration_error([0.5], [1], bins=0)
