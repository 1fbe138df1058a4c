"""Brier score, log loss and skill against scikit-learn and a jackknife done row by row."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shipway.stats import (
    brier_interval,
    brier_score,
    brier_skill_interval,
    log_loss,
    log_loss_interval,
    mean_interval,
    t_quantile,
)


def rows_of(seed: int, n: int = 200) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    scores = rng.beta(1, 2, n)
    labels = (rng.random(n) < scores).astype(np.int64)
    labels[:2] = 0, 1
    return scores, labels, rng.integers(0, 9, n)


@given(st.integers(0, 10_000))
def test_scores_agree_with_scikit_learn(seed: int) -> None:
    from sklearn import metrics

    scores, labels, _ = rows_of(seed)
    scores[:4] = 0, 1, 0, 1  # the ends, right and wrong
    assert brier_score(scores, labels) == pytest.approx(metrics.brier_score_loss(labels, scores), rel=1e-12)
    assert log_loss(scores, labels) == pytest.approx(metrics.log_loss(labels, scores), rel=1e-9)


def test_intervals_are_clustered_means_of_the_rows_losses() -> None:
    scores, labels, clusters = rows_of(1)
    loss = -np.log(np.where(labels == 1, scores, 1 - scores))
    assert brier_interval(scores, labels, clusters) == mean_interval((scores - labels) ** 2, clusters)
    assert log_loss_interval(scores, labels, clusters, level=0.9)[:3] == pytest.approx(
        mean_interval(loss, clusters, level=0.9)[:3]
    )


def test_skill_is_the_jackknife_done_from_rows() -> None:
    scores, labels, clusters = rows_of(2)

    def skill(kept: NDArray[np.bool_]) -> float:
        rate = labels[kept].mean()
        return float(1 - ((scores - labels)[kept] ** 2).mean() / (rate * (1 - rate)))

    left_out = np.array([skill(clusters != g) for g in range(9)])
    value = skill(clusters >= 0)
    reach = t_quantile(0.975, 8) * math.sqrt(8 / 9 * ((left_out - left_out.mean()) ** 2).sum())
    sums = [np.bincount(clusters, weights=x, minlength=10) for x in ((scores - labels) ** 2, labels, np.ones(200))]
    found = brier_skill_interval(*sums)
    assert found[:3] == pytest.approx((value, value - reach, value + reach), abs=1e-10)
    assert (found.n, found.clusters) == (200, 9)


def test_always_saying_the_base_rate_has_no_skill() -> None:
    positives, rows = np.array([4.0, 7.0, 5.0]), np.array([10.0, 20.0, 14.0])
    rate = positives.sum() / rows.sum()
    wrong = positives * (1 - rate) ** 2 + (rows - positives) * rate**2
    assert brier_skill_interval(wrong, positives, rows).value == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("wrong", "positives", "rows", "message"),
    [
        ([1.0, 1.0], [0, 0], [5, 5], "one class only"),
        ([1.0, 1.0, 1.0], [3, 0, 0], [5, 5, 5], "one class only"),
        ([1.0], [1], [5], "at least two"),
        ([1.0, 1.0], [1, 1], [5], "shapes differ"),
    ],
)
def test_a_skill_that_cannot_be_is_refused(wrong: list[float], positives: list[float], rows: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        brier_skill_interval(wrong, positives, rows)


def test_scores_that_are_no_probabilities_are_refused() -> None:
    for loss in (brier_score, log_loss):
        with pytest.raises(ValueError, match="between 0 and 1"):
            loss([0.5, 1.5], [0, 1])
        with pytest.raises(ValueError, match="shapes differ"):
            loss([0.5, 0.5], [0])
