"""Turning what callers hold (lists, columns, arrays) into checked float arrays, once, at the edge of each estimator.

A wrong shape, a NaN or a label that is neither 0 nor 1 is refused here with a text that names the argument, so the
formulas below never test their input. Nothing here computes a statistic.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


def floats(values: ArrayLike, name: str, *, dimensions: int = 1) -> Floats:
    """A finite, non-empty float64 array of the stated number of dimensions; raises ValueError naming the argument."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != dimensions:
        raise ValueError(f"{name}: expected {dimensions} dimension(s), got shape {array.shape}")
    if array.size == 0:
        raise ValueError(f"{name}: empty")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: holds NaN or infinity; drop or count such rows first")
    return array


def amounts(values: ArrayLike, name: str, *, dimensions: int = 1) -> Floats:
    """As `floats`, and none negative: counts, rows, shares, denominators."""
    array = floats(values, name, dimensions=dimensions)
    if (array < 0).any():
        raise ValueError(f"{name}: negative amounts")
    return array


def same_shape(**arrays: Floats) -> None:
    """Raise ValueError, with every name and shape, unless all shapes are equal."""
    if len({array.shape for array in arrays.values()}) > 1:
        raise ValueError("shapes differ: " + ", ".join(f"{name} {array.shape}" for name, array in arrays.items()))


def labels_of(labels: ArrayLike) -> Floats:
    """Labels as 0.0 and 1.0; booleans are welcome, anything else raises ValueError."""
    array = floats(labels, "labels")
    if not ((array == 0) | (array == 1)).all():
        raise ValueError("labels: expected 0 and 1 (or booleans) only")
    return array


def scored(scores: ArrayLike, labels: ArrayLike) -> tuple[Floats, Floats]:
    """Scores of any scale and their labels, of one length."""
    score, label = floats(scores, "scores"), labels_of(labels)
    same_shape(scores=score, labels=label)
    return score, label


def probabilities(scores: ArrayLike, labels: ArrayLike) -> tuple[Floats, Floats]:
    """As `scored`, and the scores lie in [0, 1]."""
    score, label = scored(scores, labels)
    if (score < 0).any() or (score > 1).any():
        raise ValueError("scores: expected probabilities between 0 and 1")
    return score, label


def cluster_codes(clusters: ArrayLike | None, rows: int) -> Ints:
    """For each row the number 0..G-1 of its cluster; None makes every row a cluster of its own."""
    if clusters is None:
        return np.arange(rows, dtype=np.int64)
    given = np.asarray(clusters)
    if given.shape != (rows,):
        raise ValueError(f"clusters: expected one per row, shape ({rows},), got {given.shape}")
    return np.unique(given, return_inverse=True)[1].astype(np.int64)


def sums_by(codes: Ints, values: Floats) -> Floats:
    """Sum of values per cluster, shape (G,)."""
    return np.bincount(codes, weights=values).astype(np.float64)
