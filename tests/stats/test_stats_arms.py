"""Arms side by side: equal to Welch's test where that is enough, and honest where it is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shipway.stats import ArmsDifference, arms_difference

scipy_stats = pytest.importorskip("scipy.stats")
Floats = NDArray[np.float64]


def test_of_one_stretch_and_independent_rows_it_is_welch() -> None:
    random = np.random.default_rng(1)
    one, other = random.exponential(3.0, 70), random.exponential(2.0, 400)
    found = arms_difference(np.append(one, other), np.arange(470) < 70, strata=np.zeros(470))
    welch = scipy_stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    assert found.difference[:3] == pytest.approx((one.mean() - other.mean(), welch.low, welch.high))
    assert found.units == (70, 400)


def test_a_weight_of_two_is_two_rows_of_one_unit_and_a_stretch_without_an_arm_is_left_out() -> None:
    random = np.random.default_rng(2)
    value, arm = random.exponential(1.0, 200), np.arange(200) % 5 == 0
    strata, units = np.arange(200) // 100, np.arange(200) // 2
    weights = np.where(np.arange(200) % 3 == 0, 2.0, 1.0)
    weighed = arms_difference(value, arm, strata=strata, units=units, weights=weights)
    twice = np.repeat(np.arange(200), weights.astype(int))
    repeated = arms_difference(value[twice], arm[twice], strata=strata[twice], units=units[twice])
    assert weighed.difference[:3] == pytest.approx(repeated.difference[:3])
    more = arms_difference(
        np.append(value, [1e6, 1e6]),
        np.append(arm, [True, True]),
        strata=np.append(strata, [7, 7]),
        units=np.append(units, [500, 501]),
        weights=np.append(weights, [1.0, 1.0]),
    )
    assert more == weighed


def test_intervals_are_those_of_leaving_out_a_unit_at_a_time() -> None:
    """The jackknife over units of either side, with means put together by hand."""
    random = np.random.default_rng(3)
    value, arm, strata, units = grown(random, units=60, effect=0.3)
    found = arms_difference(value, arm, strata=strata, units=units)

    def plain(keep: NDArray[np.bool_]) -> tuple[float, float]:
        means = [[value[keep & (strata == at) & (arm == side)].mean() for at in (0, 1)] for side in (True, False)]
        part = [(arm & (strata == at)).sum() / arm.sum() for at in (0, 1)]
        return float(np.dot(part, means[0])), float(np.dot(part, means[1]))

    mine, theirs = plain(np.ones(value.size, dtype=bool))
    assert (found.arm, found.other) == pytest.approx((mine, theirs))
    spread = {"difference": 0.0, "share": 0.0}
    for side in (True, False):
        inside = np.unique(units[arm == side])
        left = [plain(~((units == unit) & (arm == side))) for unit in inside]
        for name, of in (("difference", [a - b for a, b in left]), ("share", [a / b - 1 for a, b in left])):
            spread[name] += (len(left) - 1) / len(left) * float(np.square(np.array(of) - np.mean(of)).sum())
    for name, value_of in (("difference", mine - theirs), ("share", mine / theirs - 1)):
        interval = getattr(found, name)
        assert interval.value == pytest.approx(value_of)
        assert (interval.high - interval.low) / 2 == pytest.approx(2.0 * np.sqrt(spread[name]), rel=0.1)


def grown(random: np.random.Generator, *, units: int = 300, effect: float = 0.0) -> tuple[Floats, NDArray[np.bool_], Any, Any]:
    """Users with a level of their own, who ask in two stretches; the arm grows from 10 % to 50 %, and the second pays twice."""
    level, share = random.lognormal(0.0, 0.7, units), random.random(units)
    asked = random.poisson(3.0, (2, units)) + 1
    parts = []
    for at, limit in enumerate((0.1, 0.5)):
        user = np.repeat(np.arange(units), asked[at])
        mine = (share < limit)[user]
        paid = level[user] * random.exponential(1.0, user.size) * (1.0 + at) * np.where(mine, 1 + effect, 1.0)
        parts.append((paid, mine, np.full(user.size, at), user))
    value, arm, strata, who = (np.concatenate(part) for part in zip(*parts, strict=True))
    return value, arm, strata, who


def sure(found: ArmsDifference) -> bool:
    return not found.difference.low <= 0 <= found.difference.high


@pytest.mark.parametrize("rounds", [150, pytest.param(4000, marks=pytest.mark.slow)])
def test_an_arm_that_grew_while_the_world_moved_is_not_called_better_for_it(rounds: int) -> None:
    random, ours, by_row, pooled, by_share = np.random.default_rng(2026), 0, 0, 0, 0
    for _ in range(rounds):
        value, arm, strata, units = grown(random)
        found = arms_difference(value, arm, strata=strata, units=units)
        ours += sure(found)
        by_share += found.share is not None and not found.share.low <= 0 <= found.share.high
        by_row += sure(arms_difference(value, arm, strata=strata))
        pooled += sure(arms_difference(value, arm, strata=np.zeros(value.size), units=units))
    assert 0.0 < ours / rounds <= 0.05 + 2.5 * (0.0475 / rounds) ** 0.5 + 0.01
    assert by_share / rounds <= 0.05 + 2.5 * (0.0475 / rounds) ** 0.5 + 0.01
    assert by_row / rounds > 0.08  # users are not rows
    assert pooled / rounds > 0.5  # and two stretches are not one


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="none has rows of both arms"):
        arms_difference([1, 2, 3, 4], [1, 1, 0, 0], strata=[0, 0, 1, 1])
    with pytest.raises(ValueError, match="units of an arm: an interval needs at least two, got 1"):
        arms_difference([1, 2, 3, 4], [1, 1, 0, 0], strata=[0] * 4, units=[1, 1, 2, 3])
    assert arms_difference([1, 2, 0, 0], [1, 1, 0, 0], strata=[0] * 4).share is None
