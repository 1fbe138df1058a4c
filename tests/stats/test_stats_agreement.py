"""Cohen's kappa against sklearn, its bootstrap against an independent one, its coverage by simulation."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.random import Generator

from shipway.stats import Interval, cohen_kappa
from shipway.stats._agreement import Weights

RUNS = [pytest.param(200, id="quick"), pytest.param(2000, id="slow", marks=pytest.mark.slow)]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=50),
    st.sampled_from(["none", "linear", "quadratic"]),
)
def test_kappa_is_sklearns(pairs: list[tuple[int, int]], weights: Weights) -> None:
    from sklearn.metrics import cohen_kappa_score

    first, second = [one for one, _ in pairs], [other for _, other in pairs]
    assume(len(set(first) | set(second)) > 1)
    expected = cohen_kappa_score(first, second, weights=None if weights == "none" else weights)
    assert cohen_kappa(first, second, weights=weights, rounds=50).value == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_the_bootstrap_is_that_of_rows_drawn_one_by_one() -> None:
    from sklearn.metrics import cohen_kappa_score

    rng = np.random.default_rng(1)
    first = rng.integers(0, 3, 60)
    second = np.where(rng.random(60) < 0.7, first, rng.integers(0, 3, 60))
    drawn = rng.integers(0, 60, (1000, 60))
    kappas = [cohen_kappa_score(first[rows], second[rows]) for rows in drawn]
    found = cohen_kappa(first.tolist(), second.tolist(), rounds=20_000)
    assert found[1:3] == pytest.approx(np.quantile(kappas, [0.025, 0.975]), abs=0.02)


def test_clusters_are_drawn_whole() -> None:
    rng = np.random.default_rng(2)
    first = rng.integers(0, 2, 20)
    second = np.where(rng.random(20) < 0.8, first, 1 - first)
    once = cohen_kappa(first.tolist(), second.tolist(), seed=3)
    copies = cohen_kappa(first.repeat(10).tolist(), second.repeat(10).tolist(), np.arange(20).repeat(10), seed=3)
    blind = cohen_kappa(first.repeat(10).tolist(), second.repeat(10).tolist(), seed=3)
    assert copies[:3] == pytest.approx(once[:3], abs=0.02)
    assert blind.high - blind.low < 0.5 * (once.high - once.low)
    assert (copies.n, copies.clusters) == (200, 20)


def test_one_seed_gives_one_interval() -> None:
    ratings = (["yes", "no", "yes", "no", "no"] * 5, ["yes", "no", "no", "no", "yes"] * 5)
    assert cohen_kappa(*ratings, seed=4) == cohen_kappa(*ratings, seed=4)
    assert cohen_kappa(*ratings, seed=4) != cohen_kappa(*ratings, seed=5)


def test_complete_agreement_on_few_items_is_not_certainty() -> None:
    few, many = cohen_kappa([1, 0, 1, 0, 1], [1, 0, 1, 0, 1]), cohen_kappa([1, 0] * 200, [1, 0] * 200)
    assert (few.value, few.high) == (1.0, 1.0)
    assert few.low < 0.1
    assert 0.95 < many.low < 1


@pytest.mark.parametrize("runs", RUNS)
@pytest.mark.parametrize(("n", "right"), [(40, 0.7), (40, 0.85), (100, 0.7), (100, 0.95), (400, 0.85)])
def test_kappa_is_covered(runs: int, n: int, right: float) -> None:
    def made(rng: Generator) -> Interval:
        truth = rng.random(n) < 0.6
        return cohen_kappa(truth.tolist(), np.where(rng.random(n) < right, truth, ~truth).tolist(), rounds=500)

    said = 0.6 * right + 0.4 * (1 - right)
    chance = 0.6 * said + 0.4 * (1 - said)
    kappa, rng = (right - chance) / (1 - chance), np.random.default_rng(6)
    assert sum(interval.low <= kappa <= interval.high for interval in (made(rng) for _ in range(runs))) / runs > 0.885


def test_what_has_no_kappa_is_refused() -> None:
    with pytest.raises(ValueError, match="one rating"):
        cohen_kappa([1, 1], [1, 1])
    with pytest.raises(ValueError, match="one length"):
        cohen_kappa([1, 0], [1])
    with pytest.raises(ValueError, match="one length"):
        cohen_kappa([], [])
    with pytest.raises(ValueError, match="weights"):
        cohen_kappa([1, 0], [1, 1], weights="cubic")  # type: ignore[arg-type]
