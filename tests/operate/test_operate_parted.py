"""A difference taken apart: identities that hold for any estimate, and what the intervals are worth, simulated."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shipway.operate._parted import Contrast, Parted, Point, part_difference, points_of
from shipway.stats import Interval, auc_contrast, mean_interval

Floats = NDArray[np.float64]
NAMES = ("model", "code", "environment")
DAYS, ROWS, SHIFT = 28, 40, 0.5
RUNS = [300, pytest.param(3000, marks=pytest.mark.slow)]


def by_means(values: dict[Point, Floats]) -> Parted:
    """Of rows on days: a value a point."""
    names = [name for name in NAMES if any(name in point for point in values)]
    days = np.arange(next(iter(values.values())).size) // 5

    def estimate(weights: Contrast, level: float) -> Interval:
        total = sum((weight * values[point] for point, weight in weights.items()), np.zeros(days.size))
        return mean_interval(total, days, level=level)

    def alike(one: Point, other: Point) -> bool:
        return bool((values[one] == values[other]).all())

    return part_difference(names, estimate, alike=alike, missing={}, level=0.95)


@given(st.integers(1, 3), st.integers(0, 10_000))
@settings(max_examples=40)
def test_the_parts_of_a_difference_add_up_to_it(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    parted = by_means({point: random.normal(size=30) for point in points_of(NAMES[:count])})
    alone = sum(swap.alone.value for swap in parted.swaps if swap.alone)
    effects = sum(swap.effect.value for swap in parted.swaps if swap.effect)
    if count > 1:
        assert parted.interaction
        assert alone + parted.interaction.value == pytest.approx(parted.total.value)
    left = parted.remainder.value if parted.remainder else 0.0
    assert effects + left == pytest.approx(parted.total.value)
    assert (parted.remainder is None) == (count < 3)


def test_components_that_only_add_have_no_interaction_and_no_remainder() -> None:
    random = np.random.default_rng(1)
    own = {name: random.normal(size=30) for name in NAMES}
    parted = by_means({point: sum((own[name] for name in point), np.zeros(30)) for point in points_of(NAMES)})
    assert parted.interaction
    assert parted.remainder
    assert max(map(abs, (*parted.interaction[:3], *parted.remainder[:3]))) < 1e-12
    for swap in parted.swaps:
        assert swap.effect
        assert swap.effect.value == pytest.approx(own[swap.component].mean())


def test_no_component_is_asked_for_more_points_than_both_ends_of_its_swap() -> None:
    assert [len(points_of(NAMES[:count])) for count in (1, 2, 3)] == [2, 4, 8]


def test_two_components_that_break_together_are_named_and_no_other_pair() -> None:
    random = np.random.default_rng(2)
    broken, noise = random.normal(-1.0, 0.2, 30), random.normal(scale=0.01, size=(8, 30))
    values = {
        point: noise[number] + (broken if {"model", "code"} <= point else 0.0) for number, point in enumerate(points_of(NAMES))
    }
    parted = by_means(values)
    assert [pair.components for pair in parted.pairs] == [("model", "code"), ("model", "environment"), ("code", "environment")]
    assert [pair.surely for pair in parted.pairs] == [True, False, False]
    assert parted.pairs[0].effect.value == pytest.approx(-1.0, abs=0.1)
    assert parted.interaction
    assert parted.remainder
    together = sum(pair.effect.value for pair in parted.pairs)
    assert together + parted.remainder.value == pytest.approx(parted.interaction.value)


def test_what_only_all_three_do_is_shared_by_the_pairs() -> None:
    broken = np.random.default_rng(3).normal(-1.0, 0.2, 30)
    parted = by_means({point: broken * (len(point) == 3) for point in points_of(NAMES)})
    assert parted.remainder
    assert parted.remainder.value == pytest.approx(-broken.mean() / 2), "half of what the three do, taken twice by the pairs"
    assert all(pair.surely and pair.effect.value == pytest.approx(broken.mean() / 2) for pair in parted.pairs)


@pytest.mark.parametrize("runs", RUNS)
def test_a_pair_is_seldom_accused_where_each_component_acts_alone(runs: int) -> None:
    random, accused = np.random.default_rng(4), 0
    for _ in range(runs):
        own = {name: random.normal(1.0, 1.0, 140) for name in NAMES}
        noise = {point: random.normal(size=140) for point in points_of(NAMES)}
        parted = by_means({point: noise[point] + sum((own[name] for name in point), np.zeros(140)) for point in noise})
        accused += any(pair.surely for pair in parted.pairs)
    assert accused / runs <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / runs)


# d: how far positives score above negatives; a component changes it by so much, and by other amounts from day to day
D, DROP, WOBBLE = 1.0, {"model": -0.4, "code": 0.0}, 0.2


def truth(point: Point) -> float:
    """The AUC: of pairs of different days, whose levels differ, and the few of one day."""
    d, wobble = D + sum(DROP[name] for name in point), len(point) * WOBBLE**2
    apart, near = (NormalDist().cdf(d / math.sqrt(2 + wobble + 2 * shift**2)) for shift in (SHIFT, 0.0))
    return apart + (near - apart) / DAYS


def parted_once(random: np.random.Generator, *, sampled: bool = False) -> Parted:
    """Two components that differ, of which the model alone did it, on days that share their level and the size of the harm.

    sampled: of the positives that are hard to tell the log keeps a quarter, each of which stands for four.
    """
    days = np.repeat(np.arange(DAYS), ROWS)
    labels = (random.random(days.size) < 0.35).astype(np.float64)
    shared, level = random.normal(size=days.size), random.normal(0, SHIFT, DAYS)[days]
    harm = {name: DROP[name] + random.normal(0, WOBBLE, DAYS)[days] for name in DROP}
    scores: dict[Point, Floats] = {}
    for point in points_of(list(DROP)):
        noise = math.sqrt(0.8) * shared + math.sqrt(0.2) * random.normal(size=days.size)
        scores[point] = level + noise + labels * (D + sum((harm[name] for name in point), np.zeros(days.size)))
    share = np.where((labels == 1) & (shared < 0) & sampled, 0.25, 1.0)
    kept = random.random(days.size) < share

    def estimate(weights: Contrast, level: float) -> Interval:
        each, factors = np.stack([scores[point][kept] for point in weights]), list(weights.values())
        return auc_contrast(each, factors, labels[kept], days[kept], sample_weight=1 / share[kept], level=level)

    return part_difference(list(DROP), estimate, alike=lambda one, other: one == other, missing={}, level=0.95)


@pytest.mark.parametrize("runs", RUNS)
@pytest.mark.parametrize("sampled", [False, True])
def test_all_effects_lie_in_their_intervals_together_as_often_as_is_said(runs: int, sampled: bool) -> None:
    whole, none = frozenset(DROP), frozenset[str]()
    right = {name: (truth(frozenset({name})) - truth(none) + truth(whole) - truth(whole - {name})) / 2 for name in DROP}
    random, together, found, wrongly = np.random.default_rng(7), 0, 0, 0
    for _ in range(runs):
        parted = parted_once(random, sampled=sampled)
        effects = {swap.component: swap.effect for swap in parted.swaps if swap.effect}
        together += all(one.low <= right[name] <= one.high for name, one in effects.items())
        moved = {swap.component for swap in parted.moved}
        found, wrongly = found + ("model" in moved), wrongly + ("code" in moved)
    slack = 3 * math.sqrt(0.05 * 0.95 / runs) + 0.01 * sampled  # a day has two hard positives: few for a variance
    assert together / runs >= 0.95 - slack
    assert found / runs > 0.99, "a loss of eleven points is found"
    assert wrongly / runs <= 0.025 + slack, "and is not laid at the other's door"
