from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from shipway.data import (
    Drift,
    ProfileMismatch,
    measure_drift,
    measure_profile,
    measure_score_drift,
    merge_profiles,
    reference_profile,
)

RNG = np.random.default_rng(11)
ROWS = 20_000
Floats = NDArray[np.float64]


def drift_of(reference: NDArray[np.generic], current: NDArray[np.generic]) -> Drift:
    known = reference_profile({"x": reference})
    return measure_drift(known, measure_profile(known, {"x": current}))["x"]


def exact_wasserstein(one: Floats, other: Floats) -> float:
    """Between samples of equal size: the mean distance of equal ranks, in standard deviations of the first."""
    return float(np.abs(np.sort(one) - np.sort(other)).mean() / one.std())


def exact_ks(one: Floats, other: Floats) -> float:
    both = np.concatenate([one, other])
    shares = [np.searchsorted(np.sort(sample), both, side="right") / sample.size for sample in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())


PAIRS = {
    "shifted": (RNG.normal(0, 1, ROWS), RNG.normal(0.2, 1, ROWS)),
    "wider": (RNG.normal(5, 1, ROWS), RNG.normal(5, 1.3, ROWS)),
    "skewed": (RNG.lognormal(0, 1, ROWS), RNG.lognormal(0.1, 1.1, ROWS)),
    "rounded": (RNG.exponential(20, ROWS).round(), RNG.exponential(22, ROWS).round()),
    "far from zero": (1e6 + RNG.normal(0, 1, ROWS), 1e6 + RNG.normal(0.5, 1, ROWS)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_binned_distances_are_those_of_the_rows_within_two_thousandths(name: str) -> None:
    reference, current = PAIRS[name]
    drift = drift_of(reference, current)
    assert drift.wasserstein == pytest.approx(exact_wasserstein(reference, current), abs=2e-3)
    assert drift.ks == pytest.approx(exact_ks(reference, current), abs=2e-3)


def test_the_stability_index_is_that_of_the_reference_deciles() -> None:
    reference, current = PAIRS["shifted"]
    cuts = np.quantile(reference, np.arange(1, 10) / 10)
    p, q = (np.bincount(np.searchsorted(cuts, sample), minlength=10) / ROWS for sample in (reference, current))
    expected = float(((p - q) * np.log(p / q)).sum())
    assert drift_of(reference, current).psi == pytest.approx(expected, abs=5e-4)


def test_a_profile_does_not_drift_from_itself() -> None:
    for reference, _ in PAIRS.values():
        assert drift_of(reference, reference) == Drift(0.0, 0.0, 0.0, 0.0)


def test_drift_from_merged_hours_is_that_of_the_day() -> None:
    reference, current = PAIRS["skewed"]
    known = reference_profile({"x": reference})
    hours = [measure_profile(known, {"x": part}) for part in np.array_split(current, 24)]
    merged, whole = measure_drift(known, merge_profiles(*hours))["x"], drift_of(reference, current)
    assert np.allclose(np.array(merged, float), np.array(whole, float), atol=1e-12)


def test_values_that_go_missing_are_drift_although_the_others_stay() -> None:
    reference = RNG.normal(0, 1, ROWS)
    current = reference.copy()
    current[: ROWS // 2] = np.nan
    drift = drift_of(reference, current)
    assert drift.psi is not None
    assert drift.psi > 1
    assert drift.ks is not None
    assert drift.ks < 0.02


def test_few_distinct_values_make_fewer_bins_and_the_same_answer() -> None:
    reference, current = np.repeat([0.0, 1.0], [900, 100]), np.repeat([0.0, 1.0], [500, 500])
    assert drift_of(reference, current).psi == pytest.approx(0.879, abs=1e-3)


def test_words_drift_by_category_and_a_new_one_counts() -> None:
    reference = np.array(["a"] * 50 + ["b"] * 50, dtype=object)
    drift = drift_of(reference, np.array(["a"] * 90 + ["b"] * 10, dtype=object))
    assert drift.psi == pytest.approx(0.879, abs=1e-3)
    assert (drift.wasserstein, drift.ks) == (None, None)
    new = drift_of(reference, np.array(["a"] * 50 + ["c"] * 50, dtype=object))
    assert new.jensen_shannon == pytest.approx(np.sqrt(np.log(2) / 2))


@pytest.mark.parametrize("kind", [float, object])
def test_a_window_without_rows_has_no_distance(kind: type) -> None:
    reference: NDArray[np.generic] = np.array(["a", "b"] if kind is object else [1.0, 2.0], dtype=kind)
    assert drift_of(reference, np.array([], dtype=kind)) == Drift(None, None, None, None)


def test_a_window_of_nothing_but_missing_values_has_an_index_and_no_distance() -> None:
    drift = drift_of(np.arange(100.0), np.full(5, np.nan))
    assert drift.psi is not None
    assert drift.psi > 5
    assert (drift.wasserstein, drift.ks) == (None, None)


def test_a_constant_that_moves_is_far_away() -> None:
    drift = drift_of(np.full(10, 3.0), np.full(10, 4.0))
    assert drift.ks == 1.0
    assert drift.wasserstein == pytest.approx(1000.0)


def test_scores_drift_like_a_feature() -> None:
    reference, current = RNG.beta(2, 5, ROWS), RNG.beta(2.4, 5, ROWS)
    known = reference_profile({}, score=reference)
    drift = measure_score_drift(known, measure_profile(known, {}, score=current))
    assert drift.wasserstein == pytest.approx(exact_wasserstein(reference, current), abs=2e-3)
    assert drift.ks == pytest.approx(exact_ks(reference, current), abs=2e-3)
    assert measure_score_drift(known, reference_profile({"x": reference})) == Drift(None, None, None, None)


def test_only_columns_that_both_hold_are_compared_and_foreign_edges_are_refused() -> None:
    known = reference_profile({"x": np.arange(10.0), "y": np.arange(10.0)})
    assert list(measure_drift(known, measure_profile(known, {"y": np.arange(3.0)}))) == ["y"]
    with pytest.raises(ProfileMismatch, match="the profiles of x have different edges"):
        measure_drift(known, reference_profile({"x": np.arange(20.0)}))
