"""Exact distances and tests between two samples of rows: what the binned distances approximate, and what other tools print.

Samples are finite numbers; nulls, NaN and infinities are the caller's to count apart. Sorted samples are taken as they are,
so that several distances cost one sort, and a reference is sorted once.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from shipway.stats._arrays import Floats, amounts, floats, same_shape
from shipway.stats._kolmogorov import ks_tail


def wasserstein(reference: ArrayLike, current: ArrayLike, *, ordered: bool = False) -> float:
    """First Wasserstein (earth mover's) distance between two samples, in their unit, exact.

    reference, current: (n,), (m,) finite numbers, unequal lengths welcome; ordered: both ascend already. Raises ValueError
    on an empty or not finite sample. Equal to scipy.stats.wasserstein_distance. Source: Vallender (1974).
    >>> wasserstein([0, 1], [1, 4])
    2.0
    """
    one, other = _ascending(reference, current, ordered=ordered)
    if one.size == other.size:
        apart = one - other
        return float(np.abs(apart, out=apart).mean())
    places = np.concatenate([one, other])
    places.sort(kind="stable")  # two runs that ascend are merged
    ahead = np.searchsorted(one, places[:-1], side="right") / one.size
    ahead -= np.searchsorted(other, places[:-1], side="right") / other.size
    return float(np.abs(ahead) @ np.diff(places))


def ks_statistic(reference: ArrayLike, current: ArrayLike, *, ordered: bool = False) -> float:
    """Largest difference of the distribution functions of two samples, 0..1; arguments and errors as `wasserstein`.

    >>> ks_statistic([1, 2, 3, 4], [3, 4, 5, 6])
    0.5
    """
    one, other = _ascending(reference, current, ordered=ordered)
    return max(_ahead(one, other), _ahead(other, one))


def ks_test(reference: ArrayLike, current: ArrayLike, *, ordered: bool = False) -> float:
    """p-value of the two-sided two-sample Kolmogorov-Smirnov test; arguments and errors as `wasserstein`.

    Equal to scipy.stats.ks_2samp with its defaults, to 1e-9: exact up to 10,000 rows a sample, then asymptotic. But for some
    exact values of 1, which scipy rounds to above 1 and then replaces by its asymptotic one, 1e-4 lower.
    >>> round(ks_test([1, 2, 3, 4], [3, 4, 5, 6]), 4)
    0.7714
    """
    one, other = _ascending(reference, current, ordered=ordered)
    return ks_tail(ks_statistic(one, other, ordered=True), one.size, other.size)


def chi_square_test(observed: ArrayLike, expected: ArrayLike) -> float:
    """p-value of Pearson's chi-square test of counts against the expected ones, with (k - 1) degrees of freedom.

    observed, expected: (k,) of equal sums. A category that nobody expected makes it 0; a single one tells nothing: NaN.
    Raises ValueError on unequal shapes, negative counts or sums more than 1.5e-8 apart. Equal to scipy.stats.chisquare.
    >>> round(chi_square_test([30, 70], [50, 50]), 7)
    6.33e-05
    """
    seen, awaited = amounts(observed, "observed"), amounts(expected, "expected")
    same_shape(observed=seen, expected=awaited)
    if abs(seen.sum() - awaited.sum()) > 1.5e-8 * min(seen.sum(), awaited.sum()):
        raise ValueError(f"observed sums to {seen.sum():g}, expected to {awaited.sum():g}; scale one of them")
    if seen.size < 2:
        return math.nan
    if ((awaited == 0) & (seen > 0)).any():
        return 0.0
    held = awaited > 0
    return chi_square_tail(float(((seen - awaited)[held] ** 2 / awaited[held]).sum()), seen.size - 1)


def chi_square_tail(statistic: float, df: int) -> float:
    """P(X >= statistic) of a chi-square with df (at least 1, whole) degrees of freedom, by its finite series.

    Source: Abramowitz and Stegun 26.4.4 and 26.4.5.
    >>> round(chi_square_tail(3.841459, 1), 6)
    0.05
    """
    half = statistic / 2
    if half <= 0:
        return 1.0
    start = 0.0 if df % 2 == 0 else 0.5
    head = 0.0 if df % 2 == 0 else math.erfc(math.sqrt(half))
    powers = (start + k for k in range(df // 2)) if df % 2 == 0 else (start + k for k in range((df - 1) // 2))
    return min(1.0, head + math.fsum(math.exp(p * math.log(half) - half - math.lgamma(p + 1)) for p in powers))


def share_test(positives: int, rows: int, other_positives: int, other_rows: int) -> float:
    """p-value of the two-sided z-test that two shares are one, with the pooled variance.

    NaN when all rows of both are alike, which is for the caller to know. Raises ValueError on no rows.
    >>> round(share_test(30, 100, 50, 100), 4)
    0.0039
    """
    if rows < 1 or other_rows < 1:
        raise ValueError("rows, other_rows: expected at least 1")
    pooled = (positives + other_positives) / (rows + other_rows)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / rows + 1 / other_rows))
    if spread == 0:
        return math.nan
    return math.erfc(abs(positives / rows - other_positives / other_rows) / spread / math.sqrt(2))


def _ahead(one: Floats, other: Floats) -> float:
    """The largest share by which the first sample is below some value and the second is not; it is at a value of the first."""
    below = np.arange(1, one.size + 1) / one.size
    return max(0.0, float((below - np.searchsorted(other, one, side="right") / other.size).max()))


def _ascending(reference: ArrayLike, current: ArrayLike, *, ordered: bool) -> tuple[Floats, Floats]:
    one, other = floats(reference, "reference"), floats(current, "current")
    return (one, other) if ordered else (np.sort(one), np.sort(other))
