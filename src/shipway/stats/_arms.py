"""Two arms that answered side by side: how their means differ, within stretches of equal shares, by the units they were given.

While the share of an arm grows, its rows come from other days than those of what it stands beside. A stretch in which the
shares stayed is an experiment of its own, so means are compared within stretches and put together as the arm's rows lie.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shipway.stats._arrays import Floats, cluster_codes, floats, same_shape, sums_by
from shipway.stats._interval import Interval, check_level, t_interval
from shipway.stats._means import check_clusters


class ArmsDifference(NamedTuple):
    """arm, other: mean values, the other's as it would be over the arm's stretches; units: of the arm, of the other.

    difference: arm minus other; share: the same as a share of the other's absolute mean, None where that is 0.
    """

    arm: float
    other: float
    units: tuple[int, int]
    difference: Interval
    share: Interval | None


def arms_difference(
    values: ArrayLike,
    of_arm: ArrayLike,
    *,
    strata: ArrayLike,
    units: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    level: float = 0.95,
) -> ArmsDifference:
    """Mean of the rows of an arm minus that of the others, post-stratified to the arm's rows.

    values: (n,) finite; of_arm: (n,) yes or no; strata: (n,) labels of stretches, of which one without rows of both sides is
    left out; units: (n,) labels of what was given to one arm as a whole (users, requests), each row by itself without;
    weights: (n,), requests that a row stands for. Intervals by the linear part of the estimate, units as clusters of either
    side, and Welch's degrees of freedom. Raises ValueError where no stretch has both, or a side has fewer than two units.
    Source: Cochran, Sampling Techniques (1977), 5A.9 (post-stratification) and 6.3 (ratios); Satterthwaite (1946).
    >>> found = arms_difference([1, 3, 2, 6, 5, 4], [1, 1, 1, 0, 0, 0], strata=[0] * 6)
    >>> found.arm, found.other, round(found.difference.low, 2)
    (2.0, 5.0, -5.27)
    """
    check_level(level)
    value, side = floats(values, "values"), np.asarray(of_arm).astype(bool)
    weight = np.ones(value.size) if weights is None else floats(weights, "weights")
    same_shape(values=value, of_arm=side.astype(np.float64), weights=weight)
    stratum, unit = cluster_codes(strata, value.size), cluster_codes(units, value.size)
    mass = [sums_by(stratum, weight * kind) for kind in (side, ~side)]
    both = (mass[0] > 0) & (mass[1] > 0)
    if not both.any():
        raise ValueError("strata: none has rows of both arms")
    parts = [_side(value, weight, stratum, unit, keep & both[stratum], mass[0] * both) for keep in (side, ~side)]
    (arm, other), variances = (parts[0].mean, parts[1].mean), (parts[0].variance(1.0), parts[1].variance(1.0))
    counted = int(both[stratum].sum())
    shown = (parts[0].units, parts[1].units)
    difference = _interval(arm - other, variances, shown, level=level, n=counted)
    share = None
    if other:
        # of a quotient, by its linear part: the arm over |other|, and the other's own noise seen through arm / other
        size = abs(other)
        scaled = (variances[0] / size**2, parts[1].variance(arm / other / size))
        share = _interval((arm - other) / size, scaled, shown, level=level, n=counted)
    return ArmsDifference(arm, other, shown, difference, share)


class _Side(NamedTuple):
    """Of one side its mean, how many units it has, and the influence of each on the mean."""

    mean: float
    units: int
    influence: Floats

    def variance(self, slope: float) -> float:
        """Of the mean times a slope, over independent units."""
        check_clusters(self.units, "units of an arm")
        return self.units / (self.units - 1) * float((slope * self.influence) @ (slope * self.influence))


def _side(
    value: Floats,
    weight: Floats,
    stratum: NDArray[np.int64],
    unit: NDArray[np.int64],
    kept: NDArray[np.bool_],
    target: Floats,
) -> _Side:
    """target: (strata,) the arm's weight in each, to which the means are put together."""
    own, weighed = stratum[kept], weight[kept]
    size = target.size
    mass = np.bincount(own, weighed, minlength=size)
    means = np.bincount(own, weighed * value[kept], minlength=size) / np.where(mass > 0, mass, 1.0)
    part = target / target.sum()
    pull = part[own] * weighed / mass[own] * (value[kept] - means[own])
    influence = sums_by(cluster_codes(unit[kept], own.size), pull)
    return _Side(float(part @ means), influence.size, influence)


def _interval(value: float, variances: tuple[float, float], units: tuple[int, int], *, level: float, n: int) -> Interval:
    total = sum(variances)
    parts = sum(variance**2 / (count - 1) for variance, count in zip(variances, units, strict=True))
    df = total**2 / parts if parts else float(min(units) - 1)
    return t_interval(value, total, df=df, level=level, n=n, clusters=min(units))
