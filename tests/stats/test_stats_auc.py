"""AUC against scikit-learn, its intervals against a brute-force reading of the papers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shipway.stats import auc_contrast, auc_difference, auc_interval, auc_interval_binned, roc_auc, t_quantile, wilson

Rows = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]


def rows_of(seed: int, n: int = 60, groups: int = 7) -> Rows:
    """Two scores with ties, labels with both classes in each cluster, clusters of unequal size."""
    rng = np.random.default_rng(seed)
    clusters = np.concatenate([np.arange(groups), np.arange(groups), rng.integers(0, groups, n)])
    labels = np.concatenate([np.zeros(groups), np.ones(groups), rng.integers(0, 2, n)]).astype(np.int64)
    signal = labels + rng.normal(size=groups)[clusters]
    a = np.round(signal + rng.normal(size=labels.size), 1)
    return a, np.round(signal + 2 * rng.normal(size=labels.size), 1), labels, clusters


def brute_placements(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """psi of every positive with every negative, one by one; (positives, negatives)."""
    psi = [[1.0 if x > y else 0.5 if x == y else 0.0 for y in scores[labels == 0]] for x in scores[labels == 1]]
    return np.array(psi)


def brute_variance(psi: NDArray[np.float64], labels: NDArray[np.int64], clusters: NDArray[np.int64]) -> float:
    """Obuchowski (1997), written with loops over clusters."""
    theta, (m, n) = psi.mean(), psi.shape
    v10, v01 = psi.mean(axis=1), psi.mean(axis=0)
    pos, neg = clusters[labels == 1], clusters[labels == 0]
    s10 = s01 = s11 = 0.0
    for g in np.unique(clusters):
        x, y = (v10[pos == g] - theta).sum(), (v01[neg == g] - theta).sum()
        s10, s01, s11 = s10 + x * x, s01 + y * y, s11 + x * y
    i10, i01, i = np.unique(pos).size, np.unique(neg).size, np.unique(clusters).size
    s10, s01, s11 = s10 * i10 / ((i10 - 1) * m), s01 * i01 / ((i01 - 1) * n), s11 * i / (i - 1)
    return float(s10 / m + s01 / n + 2 * s11 / (m * n))


@given(st.integers(0, 10_000))
def test_auc_agrees_with_scikit_learn_ties_included(seed: int) -> None:
    from sklearn import metrics

    a, _, labels, _ = rows_of(seed)
    assert roc_auc(a, labels) == pytest.approx(metrics.roc_auc_score(labels, a), abs=1e-12)


@given(st.integers(0, 10_000))
def test_turning_scores_or_labels_round_mirrors_the_auc(seed: int) -> None:
    a, _, labels, _ = rows_of(seed)
    assert roc_auc(-a, labels) == pytest.approx(1 - roc_auc(a, labels))
    assert roc_auc(a, 1 - labels) == pytest.approx(1 - roc_auc(a, labels))
    assert roc_auc(np.exp(a), labels) == roc_auc(a, labels)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_the_clustered_interval_is_the_brute_force_one(seed: int) -> None:
    a, _, labels, clusters = rows_of(seed)
    psi = brute_placements(a, labels)
    reach = t_quantile(0.95, 6) * math.sqrt(brute_variance(psi, labels, clusters))
    found = auc_interval(a, labels, clusters, level=0.9)
    expected = (psi.mean(), max(0, psi.mean() - reach), min(1, psi.mean() + reach))
    assert found[:3] == pytest.approx(expected, abs=1e-10)
    assert found[3:] == (0.9, labels.size, 7)


def test_without_clusters_it_is_delong() -> None:
    a, _, labels, _ = rows_of(3)
    psi = brute_placements(a, labels)
    delong = psi.mean(axis=1).var(ddof=1) / psi.shape[0] + psi.mean(axis=0).var(ddof=1) / psi.shape[1]
    found = auc_interval(a, labels)
    reach = t_quantile(0.975, min(psi.shape) - 1) * math.sqrt(delong)
    assert found.value - found.low == pytest.approx(reach, rel=1e-10)
    assert found.clusters == labels.size


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_the_paired_difference_is_the_brute_force_one(seed: int) -> None:
    a, b, labels, clusters = rows_of(seed)
    psi = brute_placements(a, labels) - brute_placements(b, labels)
    reach = t_quantile(0.975, 6) * math.sqrt(brute_variance(psi, labels, clusters))
    expected = (psi.mean(), psi.mean() - reach, psi.mean() + reach)
    assert auc_difference(a, b, labels, clusters)[:3] == pytest.approx(expected, abs=1e-10)


def test_swapping_the_models_turns_the_difference_round() -> None:
    a, b, labels, clusters = rows_of(5)
    one, two = auc_difference(a, b, labels, clusters), auc_difference(b, a, labels, clusters)
    assert (one.value, one.low, one.high) == pytest.approx((-two.value, -two.high, -two.low))


def test_a_model_does_not_differ_from_itself() -> None:
    a, _, labels, clusters = rows_of(6)
    assert auc_difference(a, 10 * a, labels, clusters)[:3] == (0, 0, 0)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_counts_give_the_same_interval_when_each_score_has_a_bin(seed: int) -> None:
    a, _, labels, clusters = rows_of(seed)
    distinct, place = np.unique(a, return_inverse=True)
    counts = np.zeros((2, 8, distinct.size))  # one cluster more than has rows
    np.add.at(counts, (labels, clusters, place), 1)
    rows, binned = auc_interval(a, labels, clusters), auc_interval_binned(counts[1], counts[0])
    assert binned[:3] == pytest.approx(rows[:3], abs=1e-10)
    assert binned[3:] == rows[3:]


def test_complete_separation_is_not_certainty() -> None:
    found = auc_interval([1, 2, 3, 7, 8, 9, 10], [0, 0, 0, 1, 1, 1, 1])
    assert (found.low, found.high) == (wilson(3, 3).low, 1.0)
    turned = auc_interval([1, 2, 3, 7, 8, 9, 10], [1, 1, 1, 0, 0, 0, 0])
    assert (turned.low, turned.high) == (0.0, wilson(0, 3).high)


def test_one_class_only_is_refused() -> None:
    for call in (lambda: roc_auc([1, 2], [1, 1]), lambda: auc_interval_binned([[1, 1]], [[0, 0]])):
        with pytest.raises(ValueError, match="one class only"):
            call()


def test_a_single_cluster_with_a_positive_is_refused() -> None:
    with pytest.raises(ValueError, match="clusters with a positive"):
        auc_interval([1, 2, 3, 4], [0, 1, 0, 1], ["a", "b", "a", "b"])
    with pytest.raises(ValueError, match="clusters with a negative"):
        auc_interval([1, 2, 3], [0, 1, 1])


def test_labels_other_than_0_and_1_are_refused() -> None:
    with pytest.raises(ValueError, match="labels"):
        roc_auc([1, 2, 3], [0, 1, 2])


def test_scores_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="shapes differ"):
        auc_difference([1, 2, 3], [1, 2], [0, 1, 1])
    with pytest.raises(ValueError, match="shapes differ"):
        auc_interval_binned([[1, 1]], [[1, 1, 1]])


@given(st.integers(0, 10_000))
def test_a_contrast_of_two_is_their_difference_and_one_of_four_is_the_difference_of_differences(seed: int) -> None:
    a, b, labels, clusters = rows_of(seed)
    random = np.random.default_rng(seed)
    c, d = random.normal(size=(2, labels.size))
    assert auc_contrast([a, b], [1, -1], labels, clusters) == auc_difference(a, b, labels, clusters)
    both = auc_contrast([a, b, c, d], [0.5, -0.5, 0.5, -0.5], labels, clusters)
    parts = auc_difference(a, b, labels, clusters).value, auc_difference(c, d, labels, clusters).value
    assert both.value == pytest.approx(sum(parts) / 2)
    psi = sum(weight * brute_placements(one, labels) for one, weight in zip((a, b, c, d), (0.5, -0.5, 0.5, -0.5), strict=True))
    reach = t_quantile(0.975, both_units(labels, clusters) - 1) * math.sqrt(brute_variance(np.asarray(psi), labels, clusters))
    assert both.high - both.value == pytest.approx(reach)


def both_units(labels: NDArray[np.int64], clusters: NDArray[np.int64]) -> int:
    return min(np.unique(clusters[labels == value]).size for value in (0, 1))


@pytest.mark.parametrize(
    ("scores", "weights", "said"),
    [([[1, 2, 3]], [1, -1], "one row for each of 2 weights"), ([[1, 2, 3], [3, 2, 1]], [1, 1], "a sum of 0")],
)
def test_a_contrast_of_other_shapes_or_sums_is_refused(scores: list[list[float]], weights: list[float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        auc_contrast(scores, weights, [0, 1, 0])


@given(st.integers(0, 10_000))
@settings(max_examples=30)
def test_a_row_that_stands_for_several_is_as_many_rows(seed: int) -> None:
    from sklearn import metrics

    a, b, labels, clusters = rows_of(seed)
    weight = np.random.default_rng(seed).integers(0, 4, labels.size)
    weight[:14] = np.maximum(weight[:14], 1)  # in each cluster one of either class counts
    assert roc_auc(a, labels, sample_weight=weight / 3) == pytest.approx(
        metrics.roc_auc_score(labels, a, sample_weight=weight / 3), abs=1e-12
    )
    found = auc_contrast([a, b], [1, -1], labels, clusters, sample_weight=weight / 3)
    many = auc_difference(*(np.repeat(one, weight) for one in (a, b, labels, clusters)))
    assert found[:3] == pytest.approx(many[:3], abs=1e-12)
    assert (found.n, found.clusters) == (labels.size, 7)


def test_weights_that_no_row_can_have_are_refused() -> None:
    for weight in ([1, 1, 1], [1, 1, 1, -1], [1, 1, 1, math.nan], [0, 0, 1, 1]):
        with pytest.raises(ValueError, match=r"sample_weight|one class only"):
            auc_contrast([[1, 2, 3, 4], [2, 1, 4, 3]], [1, -1], [0, 0, 1, 1], sample_weight=weight)
