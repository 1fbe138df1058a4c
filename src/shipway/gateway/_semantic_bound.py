"""How sure a count of wrong answers makes us, looked at after every single one: evidence that a rate lies below or above.

A Clopper-Pearson bound is honest at one look that was planned beforehand. This cache looks after every answer, for months, and
such a bound is then crossed by chance sooner or later. The evidence here stays honest under any number of looks: where the
claim is false, it ever reaches 1/x with probability at most x (Ville's inequality).
"""

from __future__ import annotations

import math

_BELOW = ((0.0, 0.5), (0.125, 0.2), (0.25, 0.2), (0.5, 0.1))  # true rate as a share of the limit, weight
_MOST = 700.0  # of a logarithm; beyond it a float overflows, and no rule asks for more
_ABOVE = ((1.5, 0.2), (2.0, 0.2), (4.0, 0.2), (8.0, 0.2), (32.0, 0.2))


def evidence_below(wrong: int, n: int, rate: float) -> float:
    """Evidence that wrong answers are rarer than `rate`, having seen `wrong` of n; 20 is as good as one chance in 20 to err.

    A weighted mean of likelihood ratios of rates below the limit to the limit itself: a non-negative supermartingale that
    starts at 1 under every true rate at or above it. rate: strictly between 0 and 1, else ValueError; 0 <= wrong <= n.
    Source: method of mixtures, Robbins (1970); e-values in Ramdas and others (2023), "Game-theoretic statistics and SAVI".
    >>> round(evidence_below(0, 0, 0.01), 9), evidence_below(0, 369, 0.01) > 20 > evidence_below(1, 369, 0.01)
    (1.0, True)
    """
    return _mixture(wrong, n, rate, _BELOW)


def evidence_above(wrong: int, n: int, rate: float) -> float:
    """Evidence that wrong answers are commoner than `rate`; as `evidence_below`, turned round.

    >>> evidence_above(3, 20, 0.01) > 20 > evidence_above(3, 300, 0.01)
    True
    """
    return _mixture(wrong, n, rate, _ABOVE)


def _mixture(wrong: int, n: int, rate: float, grid: tuple[tuple[float, float], ...]) -> float:
    if not 0 < rate < 1 or not 0 <= wrong <= n:
        raise ValueError(f"expected 0 < rate < 1 and 0 <= wrong <= n, got {wrong} of {n} at {rate}")
    return sum(weight * math.exp(min(_log_ratio(wrong, n, rate, share * rate), _MOST)) for share, weight in grid)


def _log_ratio(wrong: int, n: int, rate: float, other: float) -> float:
    """Log likelihood of the counts under another rate, minus that under `rate`."""
    other = min(other, (1 + rate) / 2)  # no alternative at or beyond 1
    if wrong and not other:
        return -math.inf
    first = wrong * math.log(other / rate) if wrong else 0.0
    return first + (n - wrong) * (math.log1p(-other) - math.log1p(-rate))
