"""The profile of a column of numbers: additive, with the edges of its reference inside."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np

from shipway.data._errors import ProfileMismatch
from shipway.data._histogram import BINS, Floats, Histogram, histogram_from_json, histogram_of, steady_sum, tailed_place
from shipway.kernel.canonical import JsonObject

_TAIL = 0.002  # share of the reference's rows beyond each end, so that one outlier does not stretch the bins
_HUGE = 1e100  # numbers beyond count as infinite: their squares would leave the range of a double


@dataclass(frozen=True, slots=True, eq=False)
class NumericProfile:
    """n rows of numbers; `bins` holds those that are finite, in BINS bins (of vectors fewer) over [low, high) and a tail on
    each side.

    squares: sum of (value - middle of low and high) squared, which keeps its digits where a plain sum of squares loses
    them. infinities: also finite numbers beyond 1e100. minimum, maximum: None without a finite number.
    """

    low: float
    high: float
    n: int
    nulls: int
    nans: int
    infinities: int
    squares: float
    minimum: float | None
    maximum: float | None
    bins: Histogram

    @property
    def missing(self) -> int:
        """Rows without a finite number."""
        return self.nulls + self.nans + self.infinities

    @property
    def mean(self) -> float | None:
        rows = self.n - self.missing
        return self.bins.total / rows if rows else None

    @property
    def std(self) -> float | None:
        """Standard deviation of the finite values (divided by n)."""
        mean, rows = self.mean, self.n - self.missing
        if mean is None:
            return None
        return math.sqrt(max(0.0, self.squares / rows - (mean - _middle(self.low, self.high)) ** 2))

    @property
    def size(self) -> int:
        """Bins between low and high."""
        return self.bins.counts.size - 2

    def same_edges(self, other: NumericProfile) -> bool:
        return (self.low, self.high, self.size) == (other.low, other.high, other.size)

    def __add__(self, other: NumericProfile) -> NumericProfile:
        """Raises ProfileMismatch when the edges differ."""
        if not self.same_edges(other):
            raise ProfileMismatch("profiles with different edges do not add up", mend="measure both against one reference")
        lows = [end for end in (self.minimum, other.minimum) if end is not None]
        highs = [end for end in (self.maximum, other.maximum) if end is not None]
        return NumericProfile(
            low=self.low,
            high=self.high,
            n=self.n + other.n,
            nulls=self.nulls + other.nulls,
            nans=self.nans + other.nans,
            infinities=self.infinities + other.infinities,
            squares=self.squares + other.squares,
            minimum=min(lows, default=None),
            maximum=max(highs, default=None),
            bins=self.bins + other.bins,
        )

    def to_json(self) -> JsonObject:
        return {
            "type": "numeric",
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "nulls": self.nulls,
            "nans": self.nans,
            "infinities": self.infinities,
            "squares": self.squares,
            "min": self.minimum,
            "max": self.maximum,
            "bins": self.bins.to_json(),
            **({"size": self.size} if self.size != BINS else {}),
        }


def numeric_from_json(record: JsonObject) -> NumericProfile:
    """Raises KeyError, TypeError, ValueError on what to_json did not write."""
    low, high, squares = (float(cast("float", record[key])) for key in ("low", "high", "squares"))
    n, nulls, nans, infinities = (int(cast("int", record[key])) for key in ("n", "nulls", "nans", "infinities"))
    minimum, maximum = (None if (end := record[key]) is None else float(cast("float", end)) for key in ("min", "max"))
    size = int(cast("int", record.get("size", BINS)))
    if not 0 < size <= BINS:
        raise ValueError(f"a profile of {size} bins")
    bins = histogram_from_json(cast("JsonObject", record["bins"]), size + 2)
    return NumericProfile(low, high, n, nulls, nans, infinities, squares, minimum, maximum, bins)


def numeric_edges(values: Floats) -> tuple[float, float]:
    """low and high of the bins for a reference column; [0, 1) when it holds no number."""
    kept = values[np.abs(values) <= _HUGE]
    if not kept.size:
        return 0.0, 1.0
    low, high = (float(end) for end in np.quantile(kept, (_TAIL, 1 - _TAIL)))
    # The upper end itself (the 7 of 1..7) belongs to the last bin, and a constant has a bin of a hair's breadth.
    return low, high + max((high - low) * 1e-9, max(abs(low), abs(high)) * 1e-12, 1e-150)


def measure_numeric(values: Floats, nulls: int, *, low: float, high: float, bins: int = BINS) -> NumericProfile:
    """values: (n,) without the nulls; NaN and infinities are counted, not binned. bins: between low and high."""
    finite = np.abs(values) <= _HUGE
    whole = bool(finite.all())
    kept = values if whole else values[finite]
    nans = 0 if whole else int(np.count_nonzero(np.isnan(values)))
    apart, place = kept - _middle(low, high), tailed_place(kept, low=low, high=high, bins=bins)
    return NumericProfile(
        low=low,
        high=high,
        n=values.size + nulls,
        nulls=nulls,
        nans=nans,
        infinities=values.size - kept.size - nans,
        squares=steady_sum(place, apart * apart),
        minimum=float(kept.min()) if kept.size else None,
        maximum=float(kept.max()) if kept.size else None,
        bins=histogram_of(place, kept, bins + 2),
    )


def _middle(low: float, high: float) -> float:
    return low + (high - low) / 2
