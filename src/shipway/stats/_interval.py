"""The one type in which every estimate of this room is told, and what can be read from it.

Nothing here looks at rows; estimators hand over a value and a variance.
"""

import math
from typing import NamedTuple

from shipway.stats._quantiles import normal_quantile, t_quantile

NEVER = 10**12  # rows_still_needed when the point estimate stands on the threshold itself


class Interval(NamedTuple):
    """A point estimate with its two-sided confidence interval.

    value, low, high: in the unit of the estimate; level: coverage, e.g. 0.95; n: rows seen; clusters: independent
    units among them (days, usually), equal to n when rows are independent.
    """

    value: float
    low: float
    high: float
    level: float
    n: int
    clusters: int


def check_level(level: float) -> None:
    """Raise ValueError unless the level lies strictly between 0 and 1."""
    if not 0 < level < 1:
        raise ValueError(f"level: expected a number strictly between 0 and 1, such as 0.95, got {level}")


def t_interval(value: float, variance: float, *, df: float, level: float, n: int, clusters: int) -> Interval:
    """value -+ t * sqrt(variance), with t of the stated degrees of freedom.

    >>> [round(x, 3) for x in t_interval(1.0, 0.04, df=9, level=0.95, n=10, clusters=10)[:3]]
    [1.0, 0.548, 1.452]
    """
    check_level(level)
    reach = t_quantile((1 + level) / 2, df) * math.sqrt(variance)
    return Interval(value, value - reach, value + reach, level, n, clusters)


def wilson(successes: int, n: int, *, level: float = 0.95) -> Interval:
    """Interval of a proportion from independent yes-or-no rows; honest for small n and at 0 or n successes.

    successes of n: whole numbers, 0 <= successes <= n, n >= 1, else ValueError. Unit: proportion, inside [0, 1].
    Source: Wilson (1927), the score interval without continuity correction.
    >>> [round(x, 3) for x in wilson(10, 10)[:3]]
    [1.0, 0.722, 1.0]
    """
    check_level(level)
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"expected 0 <= successes <= n and n >= 1, got {successes} of {n}")
    z2, p = normal_quantile((1 + level) / 2) ** 2, successes / n
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    reach = math.sqrt(z2) / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    low = 0.0 if successes == 0 else centre - reach
    high = 1.0 if successes == n else centre + reach
    return Interval(p, low, high, level, n, n)


def rows_still_needed(interval: Interval, threshold: float) -> int:
    """About how many more rows until the interval leaves the threshold behind, if the estimate stays where it is.

    0 when it has left it already. The reach towards the threshold shrinks as 1/sqrt(rows); for clustered rows that
    means more clusters of the same size. At most NEVER (10**12): the estimate stands on the threshold.
    >>> rows_still_needed(Interval(0.70, 0.66, 0.74, 0.95, 1000, 1000), 0.68)
    3000
    """
    if not interval.low <= threshold <= interval.high:
        return 0
    gap = abs(interval.value - threshold)
    reach = interval.value - interval.low if threshold < interval.value else interval.high - interval.value
    if gap == 0 or (reach / gap) ** 2 * interval.n >= NEVER:
        return NEVER
    more = interval.n * ((reach / gap) ** 2 - 1)
    return max(1, math.ceil(round(more, 6)))
