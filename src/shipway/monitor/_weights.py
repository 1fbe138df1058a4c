"""Rows of a log that keeps a share of the requests: each stands for as many as its weight says. Pure.

A profile counts whole rows, so a row is taken as often as it stands for: its weight, rounded so that the rows of a table are
together within one of what their weights add up to. Which rows those are depends on their order alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def repeated_rows(weights: Floats) -> NDArray[np.int64]:
    """The places of the rows, each as often as it stands for. weights: (n,) finite, 0 or more.

    >>> repeated_rows(np.array([2.0, 0.5, 0.5, 1.0])).tolist()
    [0, 0, 1, 3]
    """
    ends = np.floor(np.cumsum(weights) + 0.5).astype(np.int64)
    return np.repeat(np.arange(len(weights)), np.diff(ends, prepend=0))


def effective_rows(weights: Floats) -> float:
    """How many rows of weight one know as much: the square of the sum over the sum of squares. Source: Kish (1965).

    >>> effective_rows(np.array([3.0, 3.0])), effective_rows(np.array([]))
    (2.0, 0.0)
    """
    squares = float(np.square(weights).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0
