"""Means and ratios against statsmodels' clustered least squares."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from shipway.stats import mean_interval, ratio_interval


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 12), st.sampled_from([0.8, 0.95]))
def test_a_clustered_mean_is_least_squares_on_a_constant(seed: int, groups: int, level: float) -> None:
    import statsmodels.api as statsmodels

    rng = np.random.default_rng(seed)
    clusters = np.concatenate([np.arange(groups), rng.integers(0, groups, 60)])
    values = rng.normal(size=clusters.size) + rng.normal(size=groups)[clusters]
    fit = statsmodels.OLS(values, np.ones(values.size)).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    low, high = fit.conf_int(alpha=1 - level)[0]
    found = mean_interval(values, clusters, level=level)
    assert found[:3] == pytest.approx((fit.params[0], low, high), rel=1e-9, abs=1e-12)
    assert found[3:] == (level, values.size, groups)


def test_independent_rows_give_the_textbook_t_interval() -> None:
    values = np.random.default_rng(1).exponential(size=40)
    low, high = scipy_stats.t.interval(0.9, 39, values.mean(), scipy_stats.sem(values))
    assert mean_interval(values, level=0.9)[:3] == pytest.approx((values.mean(), low, high), rel=1e-9)


def test_a_ratio_is_weighted_least_squares_clustered() -> None:
    import statsmodels.api as statsmodels

    rng = np.random.default_rng(2)
    bottom = rng.uniform(5, 50, 15)
    top = bottom * rng.normal(0.3, 0.05, 15)
    fit = statsmodels.WLS(top / bottom, np.ones(15), weights=bottom).fit(
        cov_type="cluster", cov_kwds={"groups": np.arange(15)}, use_t=True
    )
    low, high = fit.conf_int()[0]
    found = ratio_interval(top, bottom, n=4321)
    assert found[:3] == pytest.approx((fit.params[0], low, high), rel=1e-9)
    assert (found.n, found.clusters) == (4321, 15)


def test_text_labels_cluster_like_numbers() -> None:
    values = [1.0, 2.0, 4.0, 8.0, 3.0]
    assert mean_interval(values, ["b", "a", "b", "c", "a"]) == mean_interval(values, [7, 3, 7, 9, 3])


def test_a_cluster_with_nothing_in_it_is_not_counted() -> None:
    assert ratio_interval([1, 2, 0, 3], [4, 5, 0, 9]) == ratio_interval([1, 2, 3], [4, 5, 9])


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30), st.floats(-100, 100))
def test_shifting_the_rows_shifts_the_interval(values: list[float], shift: float) -> None:
    before, after = mean_interval(values), mean_interval([v + shift for v in values])
    assert after[:3] == pytest.approx([edge + shift for edge in before[:3]], abs=1e-6)


@pytest.mark.parametrize(
    ("values", "clusters", "message"),
    [
        ([], None, "empty"),
        ([1.0], None, "at least two"),
        ([1.0, 2.0], ["a", "a"], "at least two"),
        ([1.0, 2.0], ["a"], "one per row"),
        ([1.0, float("nan")], None, "NaN"),
        ([[1.0, 2.0]], None, "dimension"),
    ],
)
def test_a_mean_that_cannot_be_is_refused(values: list[float], clusters: list[str] | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mean_interval(values, clusters)


@pytest.mark.parametrize(
    ("top", "bottom", "message"),
    [([1, 2], [1], "shapes differ"), ([1, 2], [0, 0], "sums to 0"), ([1, 2], [-1, 3], "negative")],
)
def test_a_ratio_that_cannot_be_is_refused(top: list[float], bottom: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ratio_interval(top, bottom)


@given(st.integers(0, 10_000))
@settings(max_examples=30)
def test_a_row_of_a_mean_that_stands_for_several_is_as_many_rows(seed: int) -> None:
    random = np.random.default_rng(seed)
    values, days, weight = random.normal(size=40), np.arange(40) // 8, random.integers(0, 4, 40)
    found = mean_interval(values, days, sample_weight=weight / 2)
    assert found[:3] == pytest.approx(mean_interval(np.repeat(values, weight), np.repeat(days, weight))[:3], abs=1e-12)
    assert found.value == pytest.approx(np.average(values, weights=weight))
