"""Distances between two histograms over the same fixed bins: how far the current window is from the reference.

They work from stored profiles and never see rows. A distance is an effect size; whether it matters is the monitor's
business, and drift never pages.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from shipway.stats._arrays import Floats, amounts, floats, same_shape

_EMPTY = 1e-4  # the share an empty bin counts as in psi; Evidently takes the same


def psi(reference: ArrayLike, current: ArrayLike) -> float:
    """Population stability index of two histograms over the same bins.

    reference, current: (bins,) share of rows per bin, same order, each summing to 1; empty bins count as 1e-4.
    Returns nats, 0 when equal, symmetric. Raises ValueError when the bins differ in number or shares do not sum to 1.
    Source: Jeffreys divergence (1946), called PSI in credit scoring.
    >>> round(psi([0.5, 0.5], [0.9, 0.1]), 3)
    0.879
    """
    p, q = _shares(reference, current)
    return psi_filled(np.where(p == 0, _EMPTY, p), np.where(q == 0, _EMPTY, q))


def psi_filled(reference: ArrayLike, current: ArrayLike) -> float:
    """`psi` of positive shares that were filled already, so that they may sum to a little more than 1.

    Raises ValueError on unequal shapes or a share that is not above 0.
    >>> psi_filled([0.5, 0.5], [0.5, 0.5])
    0.0
    """
    p, q = amounts(reference, "reference"), amounts(current, "current")
    same_shape(reference=p, current=q)
    if not (p.all() and q.all()):
        raise ValueError("expected shares above 0; fill empty bins first")
    return float(((p - q) * np.log(p / q)).sum())


def jensen_shannon(reference: ArrayLike, current: ArrayLike) -> float:
    """Jensen-Shannon distance: the square root of the divergence in nats, between 0 and sqrt(ln 2) = 0.833.

    reference, current: (bins,) shares as in `psi`; no bin needs filling. Symmetric. Raises as `psi`.
    Source: Lin (1991); Endres and Schindelin (2003) for the root. Equal to scipy.spatial.distance.jensenshannon.
    >>> round(jensen_shannon([1, 0], [0, 1]), 3)
    0.833
    """
    p, q = _shares(reference, current)
    middle = (p + q) / 2
    return math.sqrt(max(0.0, (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2))


def ks_binned(reference: ArrayLike, current: ArrayLike) -> float:
    """Largest difference of the two distribution functions at the bin edges, between 0 and 1.

    reference, current: (bins,) shares as in `psi`, bins ascending. Never above the Kolmogorov-Smirnov statistic of the
    rows, and equal to it when each distinct value has its own bin. Raises as `psi`.
    >>> round(ks_binned([0.2, 0.3, 0.5], [0.5, 0.3, 0.2]), 3)
    0.3
    """
    p, q = _shares(reference, current)
    return float(np.abs(np.cumsum(p - q)).max())


def wasserstein_binned(
    reference_count: ArrayLike, reference_sum: ArrayLike, current_count: ArrayLike, current_sum: ArrayLike
) -> float:
    """First Wasserstein (earth mover's) distance, in the unit of the feature, from counts and sums per bin.

    All four: (bins,), count of rows and sum of their values per bin, bins ascending. Approximation: the rows of a bin
    stand at the bin's mean, so the error is at most the mean distance of rows from their bin's mean, both samples
    added (4.6e-4 standard deviations with 1,000 bins, 100,000 normal rows). Raises ValueError on unequal shapes,
    negative counts or a sample without rows.
    Source: Vallender (1974), the integral of |F - G|.
    >>> wasserstein_binned([2, 0], [2.0, 0.0], [1, 1], [1.0, 4.0])
    1.5
    """
    count, total = amounts(reference_count, "reference_count"), floats(reference_sum, "reference_sum")
    other_count, other_total = amounts(current_count, "current_count"), floats(current_sum, "current_sum")
    same_shape(reference_count=count, reference_sum=total, current_count=other_count, current_sum=other_total)
    places, weights = _masses(count, total, "reference_count")
    other_places, other_weights = _masses(other_count, other_total, "current_count")
    order = np.argsort(where := np.concatenate([places, other_places]))
    ahead = np.cumsum(np.concatenate([weights, -other_weights])[order])
    return float((np.abs(ahead[:-1]) * np.diff(where[order])).sum())


def _masses(count: Floats, total: Floats, name: str) -> tuple[Floats, Floats]:
    """Mean and share of each bin that holds rows."""
    held = count > 0
    if not held.any():
        raise ValueError(f"{name}: no rows")
    return total[held] / count[held], count[held] / count.sum()


def _shares(reference: ArrayLike, current: ArrayLike) -> tuple[Floats, Floats]:
    p, q = amounts(reference, "reference"), amounts(current, "current")
    same_shape(reference=p, current=q)
    for name, shares in (("reference", p), ("current", q)):
        if abs(shares.sum() - 1) > 1e-6:
            raise ValueError(f"{name}: shares sum to {shares.sum():.6g}, not to 1; divide counts by their sum")
    return p, q


def _relative_entropy(p: Floats, q: Floats) -> float:
    held = p > 0
    return float((p[held] * np.log(p[held] / q[held])).sum())
