"""Quantiles of whole numbers of any size from counts over fixed logarithmic bins: counts add up, a quantile does not."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]

_HIGHEST = 1_000_000_000
LOG_ERROR = 0.01  # of a quantile, relative, at most


def _edges() -> Ints:
    """Whole numbers alone, so that they are the same on every processor; each is at most 101/99 of the one before."""
    edges = [0, 1]
    while edges[-1] < _HIGHEST:
        edges.append(max(edges[-1] + 1, edges[-1] * 101 // 99))
    return np.array(edges, dtype=np.int64)


_EDGES = _edges()
LOG_BINS = _EDGES.size  # the last is open, from a thousand million on


def log_places(values: ArrayLike) -> Ints:
    """(n,) whole numbers, the negative as 0, to the bins that hold them; complexity n log(LOG_BINS).

    >>> log_places([0, 1, 49, 1_000_000]).tolist()
    [0, 1, 49, 573]
    """
    return np.maximum(np.searchsorted(_EDGES, np.asarray(values, dtype=np.int64), side="right") - 1, 0)


def log_quantile(counts: ArrayLike, q: float) -> float | None:
    """The value of rank ceil(q n), off by no more than LOG_ERROR of itself below a thousand million, above which it is that.

    counts: (LOG_BINS,) rows by bin; q: 0 < q <= 1. None of no rows. Raises ValueError for another number of bins or another q.
    Source: Masson, Rim and Lee, DDSketch (2019), with edges that are fixed.
    >>> counts = np.bincount(log_places([100, 200, 300, 400_000]), minlength=LOG_BINS)
    >>> round(log_quantile(counts, 0.5)), round(log_quantile(counts, 1.0), -3)
    (201, 400000.0)
    """
    held = np.asarray(counts, dtype=np.int64)
    if held.shape != (LOG_BINS,) or not 0 < q <= 1:
        raise ValueError(f"expected {LOG_BINS} counts and a share above 0")
    rows = int(held.sum())
    if not rows:
        return None
    rank = min(rows, max(1, math.ceil(q * rows)))
    place = int(np.searchsorted(np.cumsum(held), rank))
    if place + 1 == LOG_BINS:
        return float(_EDGES[-1])
    low, high = int(_EDGES[place]), int(_EDGES[place + 1]) - 1
    return 2 * low * high / (low + high) if low else 0.0
