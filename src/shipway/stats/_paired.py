"""Two versions answered the same items: their difference item by item, so that what is hard for both cancels."""

import math

import numpy as np
from numpy.typing import ArrayLike

from shipway.stats._arrays import floats, same_shape
from shipway.stats._interval import Interval
from shipway.stats._means import mean_interval
from shipway.stats._proportions import UNIT, share_interval


def paired_interval(
    candidate: ArrayLike,
    live: ArrayLike,
    clusters: ArrayLike | None = None,
    *,
    level: float = 0.95,
    bounds: tuple[float, float] | None = UNIT,
) -> Interval:
    """Mean of candidate - live over items, clustered; for items asked several times, give each item's mean.

    candidate, live: (n,) in one order of items; clusters: (n,) labels or None. bounds: of the values, whose differences
    then get `share_interval`'s bounds: a hundred ties say -0.038 to 0.038, not exactly 0. None for values without bounds
    (costs, seconds): `mean_interval`, which needs two clusters and can have width 0. The spread of repeated answers is
    part of the items' own. Raises ValueError as those two do. `items_needed` takes this range as (low - high, high - low).
    Source: Miller, Adding Error Bars to Evals (2024), arXiv 2411.00640, sections 2.2 and 4.2; Agresti and Min (2005).
    >>> [round(x, 2) for x in paired_interval([1, 1, 1, 0], [0, 1, 0, 0], bounds=None)[:3]]
    [0.5, -0.42, 1.42]
    """
    one, other = floats(candidate, "candidate"), floats(live, "live")
    same_shape(candidate=one, live=other)
    if bounds is None:
        return mean_interval(one - other, clusters, level=level)
    reach = bounds[1] - bounds[0]
    return share_interval(one - other, clusters, level=level, bounds=(-reach, reach))


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Chance of a split as uneven as this among items that one version alone got right, if both were as good; two-sided.

    only_first, only_second: whole numbers of such items, not negative, else ValueError; 1.0 when there is none. Items must
    be independent. Source: McNemar (1947), exact binomial form.
    >>> mcnemar_exact(1, 9)
    0.021484375
    """
    if min(only_first, only_second) < 0:
        raise ValueError(f"expected counts of 0 or more, got {only_first} and {only_second}")
    n, few = only_first + only_second, min(only_first, only_second)
    below = sum(math.comb(n, k) for k in range(few + 1))
    return min(1.0, float(2 * below / 2**n))


def holm(p_values: ArrayLike) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Adjusted p-values: those at most alpha may all be believed, and the chance of one wrong among them is at most alpha.

    p_values: (k,) between 0 and 1, k may be 0; returns (k,) in the order given. Holds however the tests depend on each
    other. Raises ValueError on NaN or values outside. Source: Holm (1979).
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError("p_values: expected one row of numbers between 0 and 1")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)))
    return adjusted
