"""Shares: against scipy and statsmodels where they are exact, by simulation where they promise coverage."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import Generator
from scipy import stats as scipy_stats

from shipway.stats import NEVER, Interval, clopper_pearson, items_needed, mean_interval, share_interval, wilson
from shipway.stats._proportions import _freedom

RUNS = [pytest.param(400, id="quick"), pytest.param(4000, id="slow", marks=pytest.mark.slow)]


def coverage(runs: int, truth: float, make: Callable[[Generator], Interval]) -> float:
    rng = np.random.default_rng(5)
    made = [make(rng) for _ in range(runs)]
    return sum(interval.low <= truth <= interval.high for interval in made) / runs


def enough(measured: float, runs: int, nominal: float = 0.95, owed: float = 0.01) -> bool:
    """Not below nominal by more than four Monte Carlo standard errors and what the form itself owes."""
    return measured >= nominal - 4 * math.sqrt(nominal * (1 - nominal) / runs) - owed


def clustered_rows(rng: Generator, clusters: int, size: int, p: float, correlation: float) -> tuple[list[float], list[int]]:
    """Yes-or-no rows whose clusters share a rate, beta-distributed."""
    odd = (1 - correlation) / correlation
    rate = rng.beta(p * odd, (1 - p) * odd, clusters).repeat(size)
    return (rng.random(clusters * size) < rate).astype(float).tolist(), np.arange(clusters).repeat(size).tolist()


UNEQUAL = {"20 and 20": [20] + [1] * 20, "30 and 10": [30] + [1] * 10, "10 and 30": [10] + [1] * 30, "two": [10, 10] + [1] * 20}


@pytest.mark.parametrize("runs", RUNS)
@pytest.mark.parametrize("correlation", [0.3, 0.99])
@pytest.mark.parametrize("sizes", UNEQUAL.values(), ids=UNEQUAL.keys())
def test_one_large_cluster_among_single_items_is_covered(sizes: list[int], correlation: float, runs: int) -> None:
    """With G - 1 degrees of freedom these covered 82, 56, 91 and 90 % (correlation 0.3), 87, 38, 89 and 80 %."""
    codes, odd = np.arange(len(sizes)).repeat(sizes), (1 - correlation) / correlation

    def make(rng: Generator) -> Interval:
        rate = rng.beta(0.5 * odd, 0.5 * odd, len(sizes))
        return share_interval((rng.random(codes.size) < rate[codes]).astype(float), codes)

    assert enough(coverage(runs, 0.5, make), runs, owed=0.0)


def test_degrees_of_freedom_are_those_of_the_quadratic_form() -> None:
    for sizes in ([1] * 7, [8] * 5, [20] + [1] * 20, [3, 1, 2, 2]):
        share = np.array(sizes) / sum(sizes)
        apart = np.eye(share.size) - np.outer(np.ones(share.size), share)
        form = apart.T @ np.diag(share**2 / (1 - share)) @ apart
        assert _freedom(share) == pytest.approx(np.trace(form) ** 2 / np.trace(form @ form))
    assert _freedom(np.full(9, 1 / 9)) == 8.0


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 3000), st.floats(0, 1), st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_clopper_pearson_is_scipys(n: int, share: float, level: float) -> None:
    successes = round(share * n)
    exact = scipy_stats.binomtest(successes, n).proportion_ci(level, "exact")
    assert clopper_pearson(successes, n, level=level)[1:3] == pytest.approx((exact.low, exact.high), abs=1e-9)


@pytest.mark.parametrize("successes", [0, 1, 17, 500_000, 999_999, 1_000_000])
def test_clopper_pearson_is_scipys_for_a_million_rows(successes: int) -> None:
    exact = scipy_stats.binomtest(successes, 1_000_000).proportion_ci(0.95, "exact")
    assert clopper_pearson(successes, 1_000_000)[1:3] == pytest.approx((exact.low, exact.high), abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=80), st.sampled_from([0.8, 0.95]))
def test_independent_yes_and_no_give_wilsons_interval(rows: list[bool], level: float) -> None:
    from statsmodels.stats.proportion import proportion_confint

    found = share_interval([float(row) for row in rows], level=level)
    low, high = proportion_confint(sum(rows), len(rows), alpha=1 - level, method="wilson")
    assert found[:3] == pytest.approx((sum(rows) / len(rows), low, high), abs=1e-9)
    assert found == wilson(sum(rows), len(rows), level=level)


def test_a_large_clustered_sample_gives_the_clustered_t_interval() -> None:
    values, clusters = clustered_rows(np.random.default_rng(1), 3000, 5, 0.4, 0.2)
    assert share_interval(values, clusters)[:3] == pytest.approx(mean_interval(values, clusters)[:3], abs=5e-4)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 5)), min_size=1, max_size=40))
def test_the_interval_holds_its_estimate_within_the_bounds_and_has_a_width(rows: list[tuple[float, int]]) -> None:
    values, clusters = [value for value, _ in rows], [cluster for _, cluster in rows]
    found = share_interval(values, clusters)
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value <= found.high + 1e-12 <= 1 + 1e-12
    assert found.high - found.low > 0.05


def test_agreement_of_few_clusters_is_not_agreement_of_many_items() -> None:
    assert share_interval([1.0] * 40, [1, 2, 3, 4] * 10).low < 0.4 < 0.9 < share_interval([1.0] * 40).low


def test_items_that_repeat_their_cluster_are_worth_one_item_a_cluster() -> None:
    values = np.random.default_rng(4).choice([0.5, 0.9, 1.0], 12)
    once = share_interval(values)
    often = share_interval(values.repeat(5), np.arange(12).repeat(5))
    assert often[:3] == pytest.approx(once[:3], abs=1e-9)
    assert (often.n, often.clusters) == (60, 12)


def test_one_cluster_says_nothing_about_another() -> None:
    assert share_interval([1.0, 1.0, 0.0], ["a", "a", "a"])[:3] == (2 / 3, 0.0, 1.0)


def test_other_bounds_scale_the_interval() -> None:
    values, clusters = clustered_rows(np.random.default_rng(2), 12, 4, 0.7, 0.3)
    unit, wide = share_interval(values, clusters), share_interval(np.multiply(values, 20) - 10, clusters, bounds=(-10, 10))
    assert wide[:3] == pytest.approx([20 * edge - 10 for edge in unit[:3]])


@pytest.mark.parametrize("runs", RUNS)
@pytest.mark.parametrize(("n", "p"), [(15, 0.5), (15, 0.8), (15, 0.95), (40, 0.8), (150, 0.95)])
def test_independent_items_are_covered(runs: int, n: int, p: float) -> None:
    assert enough(coverage(runs, p, lambda rng: share_interval((rng.random(n) < p).astype(float))), runs, owed=0.025)


@pytest.mark.parametrize("runs", RUNS)
@pytest.mark.parametrize(("clusters", "size"), [(5, 8), (10, 5), (20, 4), (40, 3)])
@pytest.mark.parametrize("p", [0.5, 0.8, 0.95])
def test_clustered_items_are_covered(runs: int, clusters: int, size: int, p: float) -> None:
    made = coverage(runs, p, lambda rng: share_interval(*clustered_rows(rng, clusters, size, p, 0.3)))
    assert enough(made, runs)


@pytest.mark.parametrize("runs", RUNS)
@pytest.mark.parametrize("n", [15, 40, 150])
def test_graded_values_are_covered(runs: int, n: int) -> None:
    ranks, chance = np.array([1, 1 / 2, 1 / 3, 1 / 4, 1 / 5, 0]), np.array([0.7, 0.1, 0.05, 0.03, 0.02, 0.1])
    assert enough(coverage(runs, float(ranks @ chance), lambda rng: share_interval(rng.choice(ranks, n, p=chance))), runs)


@pytest.mark.parametrize("runs", RUNS)
@pytest.mark.parametrize(("n", "p"), [(15, 0.5), (15, 0.9), (150, 0.9)])
def test_items_asked_twice_are_covered(runs: int, n: int, p: float) -> None:
    def made(rng: Generator) -> Interval:
        return share_interval(rng.binomial(2, rng.beta(p / 2, (1 - p) / 2, n)) / 2)

    assert enough(coverage(runs, p, made), runs)


def test_taking_clustered_items_for_independent_covers_too_little() -> None:
    def alone(rng: Generator) -> Interval:
        return share_interval(clustered_rows(rng, 10, 8, 0.5, 0.5)[0])

    assert coverage(400, 0.5, alone) < 0.8


@settings(max_examples=100, deadline=None)
@given(st.integers(3, 60), st.floats(0, 1), st.floats(0.05, 0.95))
def test_the_items_needed_are_those_with_which_wilson_decides(n: int, share: float, threshold: float) -> None:
    right = round(share * n)
    needed = items_needed(wilson(right, n), threshold)
    if needed < 20_000 and right in (0, n):  # only there can n grow by one and the share stay
        grown = wilson(n + needed if right else 0, n + needed)
        assert needed == 0 or not grown.low <= threshold <= grown.high
        before = wilson(n + needed - 1 if right else 0, n + needed - 1)
        assert needed == 0 or before.low <= threshold <= before.high
    elif 0 < needed < 20_000:
        times = 1 + needed / n
        assert _wilson_at(right / n, n * times * 1.01 + 1, threshold) is True
        assert _wilson_at(right / n, n * times * 0.97 - 1.5, threshold) is False


def _wilson_at(p: float, n: float, threshold: float) -> bool:
    """Whether the score interval of the share p of n items, n any number, leaves the threshold out."""
    z = scipy_stats.norm.ppf(0.975)
    centre, reach = (p + z * z / 2 / n) / (1 + z * z / n), z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + (z / 2 / n) ** 2)
    return not centre - reach <= threshold <= centre + reach


@pytest.mark.parametrize("p", [0.5, 0.62, 0.9])
def test_the_items_needed_of_clusters_are_more_of_the_same(p: float) -> None:
    values, clusters = clustered_rows(np.random.default_rng(3), 30, 4, p, 0.3)
    found = share_interval(values, clusters)
    threshold = found.value - 0.03
    times = 1 + items_needed(found, threshold) / len(values)
    copies = math.ceil(times * 1.05)
    more = share_interval(values * copies, [cluster + 1000 * copy for copy in range(copies) for cluster in clusters])
    assert times > 2
    assert more.low > threshold
    fewer = share_interval(values * (copies // 2), [c + 1000 * copy for copy in range(copies // 2) for c in clusters])
    assert fewer.low < threshold


def test_what_is_decided_needs_nothing_and_what_stands_on_the_threshold_never_ends() -> None:
    assert items_needed(wilson(90, 100), 0.5) == 0
    assert items_needed(wilson(90, 100), 0.9) == NEVER
    assert items_needed(mean_interval([1.0, 2.0, 3.0]), 2.1, bounds=None) > 1000


@pytest.mark.parametrize(("values", "message"), [([], "empty"), ([1.2], "within"), ([-0.1], "within"), ([float("nan")], "NaN")])
def test_a_share_that_cannot_be_is_refused(values: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        share_interval(values)


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 3), (4, 3)])
def test_counts_that_cannot_be_are_refused(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="successes"):
        clopper_pearson(successes, n)
