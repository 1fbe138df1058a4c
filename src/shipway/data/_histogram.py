"""Rows and the sum of their values per bin: the part that every profile is made of, and that merges by addition.

A bin is found by arithmetic, not by search, so that profiling costs nanoseconds a value; and it depends on the value
and on the fixed edges alone, so that any partition of the rows gives the same counts.

Sums are the same bits on every processor: each bin is added up row by row (np.bincount), bins by math.fsum, which rounds
once. No BLAS and no np.sum, whose order of adding is that of the vector unit at hand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from shipway.kernel.canonical import JsonObject

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BINS = 1_000  # Wasserstein then within 5e-4 standard deviations of exact (facts/drift.md, section 2)


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """counts and sums, both (bins,): rows per bin and the sum of their values."""

    counts: Ints
    sums: Floats

    def __add__(self, other: Histogram) -> Histogram:
        return Histogram(self.counts + other.counts, self.sums + other.sums)

    @property
    def rows(self) -> int:
        return int(self.counts.sum())

    @property
    def total(self) -> float:
        """The sum of all values."""
        return math.fsum(self.sums)

    def to_json(self) -> JsonObject:
        """The bins that hold rows: their places, counts and sums."""
        at = np.flatnonzero(self.counts)
        return {"at": at.tolist(), "count": self.counts[at].tolist(), "sum": self.sums[at].tolist()}


def empty_histogram(bins: int) -> Histogram:
    return Histogram(np.zeros(bins, np.int64), np.zeros(bins))


def histogram_from_json(record: JsonObject, bins: int) -> Histogram:
    """Raises KeyError, IndexError, ValueError on what to_json did not write."""
    histogram = empty_histogram(bins)
    at = numbers(record, "at").astype(np.int64)
    histogram.counts[at], histogram.sums[at] = numbers(record, "count").astype(np.int64), numbers(record, "sum")
    return histogram


def histogram_of(place: Ints, values: Floats, bins: int) -> Histogram:
    """place: (n,) the bin of each value."""
    return Histogram(
        np.bincount(place, minlength=bins).astype(np.int64),
        np.bincount(place, weights=values, minlength=bins).astype(np.float64),
    )


def steady_sum(place: Ints, values: Floats) -> float:
    """The sum of the values, the same bits on every processor; place: (n,) any bins, which keep the partial sums short."""
    return math.fsum(np.bincount(place, weights=values))


def tailed_place(values: Floats, *, low: float, high: float, bins: int = BINS) -> Ints:
    """Uniform bins from low to high, with 0 for values below and bins + 1 for values from high on.

    >>> tailed_place(np.array([-1.0, 0.0, 0.5, 1.0]), low=0.0, high=1.0).tolist()
    [0, 1, 501, 1001]
    """
    place = values - low
    place *= bins / (high - low)
    place += 1
    return np.clip(place, 0, bins + 1, out=place).astype(np.int64)


def unit_place(values: Floats) -> Ints:
    """BINS uniform bins of [0, 1]; 1 itself is in the last.

    >>> unit_place(np.array([0.0, 0.0015, 1.0])).tolist()
    [0, 1, 999]
    """
    return np.minimum(values * BINS, BINS - 1).astype(np.int64)


def numbers(record: JsonObject, key: str) -> Floats:
    """An array of a record; raises KeyError, ValueError."""
    return np.asarray(cast("Sequence[float]", record[key]), dtype=np.float64)
