"""What one file's columns hold, in numbers that add up over files: no row is read twice, whatever it is compared with later.

A profile's bins have the edges of its reference, so it cannot be kept for a comparison that nobody has made yet. A summary
holds bins of about equally many rows instead, or each value where there are few; two summaries become two profiles over one
set of edges (data/_distribution.py). Of words it counts those that a profile would.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from typing import cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shipway.data._category import CategoryProfile, category_from_json, reference_category
from shipway.data._histogram import Floats, Ints
from shipway.data._row_hash import mixed
from shipway.kernel.canonical import Json, JsonObject

SUMMARY = 1  # part of every name under which a summary is kept
_BINS = 512
_PART_BINS = 256
_ALL = 1 << 14  # rows of a part up to which its bins are of all of them; of more, of about so many
_HUGE = 1e100  # as in a profile: what is beyond counts as infinite
_LOOKED = 4_096  # rows of a part by which words are told from texts that hardly come twice
_MOST_DAYS = 4_000
_EPOCH = date(1970, 1, 1)
_UNITS = {"ms": 1e3, "us": 1e6, "ns": 1e9}


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """Rows and the sum of their values, a bin after the other; the values of one are below those of the next, or touch them."""

    counts: Ints
    sums: Floats

    @property
    def means(self) -> Floats:
        return self.sums / self.counts


@dataclass(frozen=True, slots=True, eq=False)
class NumberSummary:
    """n rows of numbers, or of times as seconds since 1970 (of dates: days). spread: the sum of (value - mean) squared."""

    n: int
    nulls: int
    nans: int
    infinities: int
    minimum: float | None
    maximum: float | None
    mean: float
    spread: float
    bins: Bins
    unit: str = "number"
    days: Mapping[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Of a finite number."""
        return self.n - self.nulls - self.nans - self.infinities

    @property
    def std(self) -> float | None:
        return math.sqrt(max(0.0, self.spread) / self.rows) if self.rows else None

    def to_json(self) -> JsonObject:
        return {
            "type": "numbers",
            "unit": self.unit,
            "n": self.n,
            "nulls": self.nulls,
            "nans": self.nans,
            "infinities": self.infinities,
            "min": self.minimum,
            "max": self.maximum,
            "mean": self.mean,
            "spread": self.spread,
            "count": self.bins.counts.tolist(),
            "sum": self.bins.sums.tolist(),
            **({"days": dict(self.days)} if self.days else {}),
        }


@dataclass(frozen=True, slots=True)
class OtherSummary:
    """n rows of a type that has no distribution: lists, structs, bytes."""

    n: int
    nulls: int

    def to_json(self) -> JsonObject:
        return {"type": "other", "n": self.n, "nulls": self.nulls}


ColumnSummary = NumberSummary | CategoryProfile | OtherSummary


def summarise(values: pl.Series) -> ColumnSummary:
    """The summary of some rows of a column."""
    kind = values.dtype
    if kind.is_numeric():
        return _numbers(values.cast(pl.Float64), "number")
    if kind == pl.Date:
        return _numbers(values.to_physical().cast(pl.Float64), "days", values)
    if isinstance(kind, pl.Datetime):
        return _numbers(values.to_physical().cast(pl.Float64) / _UNITS[kind.time_unit], "seconds", values)
    if isinstance(kind, pl.Duration):
        return _numbers(values.to_physical().cast(pl.Float64) / _UNITS[kind.time_unit], "number")
    if kind in (pl.Boolean, pl.String, pl.Categorical, pl.Enum):
        return _words(values)
    return OtherSummary(len(values), values.null_count())


def add_summaries(one: ColumnSummary, other: ColumnSummary) -> ColumnSummary:
    """Of the rows of both. Of two types only how many there are and how many are null."""
    if isinstance(one, CategoryProfile) and isinstance(other, CategoryProfile):
        return _add_words(one, other)
    if isinstance(one, NumberSummary) and isinstance(other, NumberSummary) and one.unit == other.unit:
        return _add_numbers(one, other)
    return OtherSummary(one.n + other.n, one.nulls + other.nulls)


def nulls_only(rows: int) -> OtherSummary:
    """Of a column that a file has not, or that holds nothing."""
    return OtherSummary(rows, rows)


def summary_from_json(record: JsonObject) -> ColumnSummary:
    """Raises KeyError, TypeError, ValueError on what to_json did not write."""
    if record["type"] == "category":
        return category_from_json(record)
    if record["type"] == "other":
        return OtherSummary(int(cast("int", record["n"])), int(cast("int", record["nulls"])))
    n, nulls, nans, infinities = (int(cast("int", record[key])) for key in ("n", "nulls", "nans", "infinities"))
    low, high = (None if (end := record[key]) is None else float(cast("float", end)) for key in ("min", "max"))
    bins = Bins(np.asarray(record["count"], np.int64), np.asarray(record["sum"], np.float64))
    days = cast("Mapping[str, int]", record.get("days") or {})
    mean, spread = (float(cast("float", record[key])) for key in ("mean", "spread"))
    return NumberSummary(n, nulls, nans, infinities, low, high, mean, spread, bins, str(record["unit"]), dict(days))


def _numbers(values: pl.Series, unit: str, times: pl.Series | None = None) -> NumberSummary:
    given = (values.drop_nulls() if values.null_count() else values).to_numpy()
    low, high = (float(given.min()), float(given.max())) if given.size else (0.0, 0.0)  # either is NaN where one value is
    whole = low >= -_HUGE and high <= _HUGE
    kept = given if whole else given[np.abs(given) <= _HUGE]
    if kept.size and not whole:
        low, high = float(kept.min()), float(kept.max())
    mean = float(kept.mean()) if kept.size else 0.0
    nans = 0 if whole else int(np.count_nonzero(np.isnan(given)))
    return NumberSummary(
        n=len(values),
        nulls=values.null_count(),
        nans=nans,
        infinities=given.size - kept.size - nans,
        minimum=low if kept.size else None,
        maximum=high if kept.size else None,
        mean=mean,
        spread=float(kept.var() * kept.size) if kept.size else 0.0,
        bins=_bins(kept),
        unit=unit,
        days=_days(times) if times is not None else {},
    )


def _bins(values: Floats) -> Bins:
    """Each distinct value where there are few, else as many rows in each; of many rows some stand for all."""
    if not values.size:
        return Bins(np.zeros(0, np.int64), np.zeros(0))
    chosen = _chosen(values.size)
    some = np.sort(values if chosen is None else values[chosen])
    starts = np.concatenate([[0], np.flatnonzero(some[1:] != some[:-1]) + 1])
    if len(starts) > _PART_BINS:
        starts = np.arange(_PART_BINS) * some.size // _PART_BINS
    counts = np.diff(starts, append=some.size).astype(np.int64)
    means = np.add.reduceat(some, starts) / counts
    ends = np.concatenate([[0], np.cumsum(counts)]) * values.size // some.size
    spread = np.diff(ends).astype(np.int64)
    return Bins(spread, spread * means)


@lru_cache(maxsize=4)
def _chosen(rows: int) -> NDArray[np.int64] | None:
    """Which of so many rows stand for all: fixed, and without a pattern that one in the data could meet."""
    if rows <= _ALL:
        return None
    return np.flatnonzero(mixed(np.arange(rows, dtype=np.uint64)) < np.uint64(2**64 // rows * _ALL))


def _add_numbers(one: NumberSummary, other: NumberSummary) -> NumberSummary:
    rows = one.rows + other.rows
    apart = other.mean - one.mean
    lows = [end for end in (one.minimum, other.minimum) if end is not None]
    highs = [end for end in (one.maximum, other.maximum) if end is not None]
    days = Counter(one.days)
    days.update(other.days)
    return NumberSummary(
        n=one.n + other.n,
        nulls=one.nulls + other.nulls,
        nans=one.nans + other.nans,
        infinities=one.infinities + other.infinities,
        minimum=min(lows, default=None),
        maximum=max(highs, default=None),
        mean=one.mean + apart * other.rows / rows if rows else 0.0,
        spread=one.spread + other.spread + (apart * apart * one.rows * other.rows / rows if rows else 0.0),
        bins=_add_bins(one.bins, other.bins),
        unit=one.unit,
        days=_coarser(days),
    )


def _add_bins(one: Bins, other: Bins) -> Bins:
    """The bins of both in order; where they become too many, neighbours become one."""
    counts, sums = np.concatenate([one.counts, other.counts]), np.concatenate([one.sums, other.sums])
    means = sums / np.maximum(counts, 1)
    order = np.argsort(means, kind="stable")
    counts, sums, means = counts[order], sums[order], means[order]
    group = np.cumsum(np.concatenate([[0], means[1:] != means[:-1]])).astype(np.int64) if counts.size else counts
    if counts.size and group[-1] >= 2 * _BINS:
        ends = np.cumsum(counts)
        group = np.minimum((ends - counts // 2) * _BINS // ends[-1], _BINS - 1)
    if not counts.size:
        return one
    added = np.bincount(group, weights=counts).astype(np.int64)
    totals = np.bincount(group, weights=sums).astype(np.float64)
    return Bins(added[added > 0], totals[added > 0])


def _days(times: pl.Series) -> dict[str, int]:
    """Rows by day, of a time with a zone in UTC; where there are too many days, by month or year."""
    days = (
        times.drop_nulls().dt.replace_time_zone(None).dt.date() if isinstance(times.dtype, pl.Datetime) else times.drop_nulls()
    )
    numbers = days.to_physical().to_numpy().astype(np.int64)
    if not numbers.size:
        return {}
    first, last = int(numbers.min()), int(numbers.max())
    if last - first > 1 << 20:
        found, counts = np.unique(numbers, return_counts=True)
    else:
        counts = np.bincount(numbers - first)
        found = np.flatnonzero(counts) + first
        counts = counts[counts > 0]
    pairs = zip(found.tolist(), counts.tolist(), strict=True)
    return _coarser(Counter({_day(number): count for number, count in pairs}))


def _day(number: int) -> str:
    try:
        return (_EPOCH + timedelta(days=number)).isoformat()
    except OverflowError:
        return "beyond"


def _coarser(days: Counter[str]) -> dict[str, int]:
    for length in (7, 4):
        if len(days) > _MOST_DAYS:
            wider: Counter[str] = Counter()
            for day, count in days.items():
                wider[day[:length]] += count
            days = wider
    return dict(sorted(days.items()))


def _words(values: pl.Series) -> CategoryProfile:
    """Texts of which the first rows are mostly different are not counted one by one: they are names, not categories."""
    nulls = values.null_count()
    if values.dtype == pl.Boolean:
        yes = int(values.sum() or 0)
        words = {word: rows for word, rows in (("true", yes), ("false", len(values) - nulls - yes)) if rows}
        return reference_category(words, nulls)
    texts = values.cast(pl.String)
    head = texts.head(_LOOKED).drop_nulls()
    if len(head) > _LOOKED // 8 and head.n_unique() * 2 > len(head):
        return CategoryProfile(len(values), nulls, {}, len(values) - nulls, complete=False)
    counted = texts.drop_nulls().rename("value").value_counts(name="rows")
    return reference_category(dict(zip(counted["value"].to_list(), counted["rows"].to_list(), strict=True)), nulls)


def _add_words(one: CategoryProfile, other: CategoryProfile) -> CategoryProfile:
    counts = Counter(one.counts)
    counts.update(other.counts)
    whole = reference_category(counts, one.nulls + other.nulls)
    rest = one.other + other.other
    return CategoryProfile(whole.n + rest, whole.nulls, whole.counts, whole.other + rest,
                           complete=whole.complete and one.complete and other.complete)  # fmt: skip


def summaries_to_json(columns: Mapping[str, ColumnSummary], rows: int) -> dict[str, Json]:
    return {"rows": rows, "columns": {name: column.to_json() for name, column in columns.items()}}
