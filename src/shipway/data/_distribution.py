"""How a column is distributed in two sets of rows, from the summaries of their files: numbers, a distance, a verdict.

The distances are those of monitors (data/_drift.py), over bins whose edges the first set gives. A verdict says whether a
distribution moved, not whether that is good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import SequenceMatcher
from functools import reduce

import numpy as np

from shipway.data._category import CategoryProfile, measure_category
from shipway.data._column_summary import ColumnSummary, NumberSummary, OtherSummary, add_summaries, nulls_only
from shipway.data._drift import Drift, measure_drift
from shipway.data._histogram import BINS, Floats, histogram_of, tailed_place
from shipway.data._numeric import NumericProfile
from shipway.data._profile import Profile
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.check import Check, Verdict
from shipway.spec import default_monitors

ENOUGH = 200  # rows on each side: of fewer, chance alone moves ten groups of rows by more than the threshold
_TAIL = 0.002
_EPOCH = datetime(1970, 1, 1)
_LIKE = 0.9  # how alike two columns must be distributed to be guessed as one that was renamed
_BARS = 24
_SHOWN = 20  # values that came or went, the most frequent first
_NOTHING = Drift(None, None, None, None)


@dataclass(frozen=True, slots=True, eq=False)
class ColumnDiff:
    """A column in both sets of rows. check: `drift.NAME`, its value the population stability index.

    came, went: values that one set alone has, with their rows, where both count all of theirs.
    """

    name: str
    before: ColumnSummary
    after: ColumnSummary
    drift: Drift
    check: Check
    came: tuple[tuple[str, int], ...] = ()
    went: tuple[tuple[str, int], ...] = ()

    def to_json(self) -> JsonObject:
        came: list[Json] = [{"value": word, "rows": rows} for word, rows in self.came]
        went: list[Json] = [{"value": word, "rows": rows} for word, rows in self.went]
        document: dict[str, Json] = {
            "name": self.name,
            "check": self.check.to_json(),
            "drift": dict(zip(self.drift._fields, self.drift, strict=True)),
            "before": _stats(self.before),
            "after": _stats(self.after),
        }
        return {**document, "came": came, "went": went, "bars": _bars(self.before, self.after)}


@dataclass(frozen=True, slots=True)
class Renamed:
    """A column that went and one that came, distributed so alike (0..1) that they may be one. A guess."""

    source: str
    target: str
    likeness: float


def total_of(summaries: Sequence[ColumnSummary]) -> ColumnSummary:
    """Of the rows of all."""
    return reduce(add_summaries, summaries) if summaries else nulls_only(0)


def compare_column(name: str, before: ColumnSummary, after: ColumnSummary) -> ColumnDiff:
    """The column in both, measured by what was before."""
    drift = _drift(before, after)
    came, went = _values(before, after)
    return ColumnDiff(name, before, after, drift, _check(name, drift.psi, before.n, after.n), came, went)


def guess_renames(gone: Mapping[str, ColumnSummary], come: Mapping[str, ColumnSummary]) -> tuple[Renamed, ...]:
    """Pairs of columns that are alike, the most alike first, each column once."""
    scored = sorted(
        (
            (_likeness(old, new), SequenceMatcher(None, source, target).ratio(), source, target)
            for source, old in gone.items()
            for target, new in come.items()
        ),
        key=lambda each: (-each[0], -each[1], each[2:]),
    )
    found: dict[str, Renamed] = {}
    for score, _, source, target in scored:
        if score >= _LIKE and source not in found and target not in {one.target for one in found.values()}:
            found[source] = Renamed(source, target, round(score, 4))
    return tuple(found.values())


def _likeness(old: ColumnSummary, new: ColumnSummary) -> float:
    if type(old) is not type(new) or isinstance(old, OtherSummary) or not old.n or not new.n:
        return 0.0
    nulls = abs(old.nulls / old.n - new.nulls / new.n)
    drift = _drift(old, new)
    if isinstance(old, NumberSummary) and isinstance(new, NumberSummary):
        return 0.0 if drift.ks is None or old.unit != new.unit else max(0.0, 1 - drift.ks - nulls)
    return 0.0 if drift.jensen_shannon is None else max(0.0, 1 - drift.jensen_shannon / 0.8326 - nulls)


def _check(name: str, psi: float | None, before: int, after: int) -> Check:
    limit = default_monitors("predictor")["drift"].inform
    fewest = min(before, after)
    if psi is None:
        return Check(
            f"drift.{name}", Verdict.INCONCLUSIVE, threshold=limit, n=fewest, text="no distance is known of these values"
        )
    if fewest < ENOUGH:
        text = f"of {fewest:,} rows nothing is known for sure"
        return Check(
            f"drift.{name}", Verdict.INCONCLUSIVE, psi, threshold=limit, n=fewest, still_needed=ENOUGH - fewest, text=text
        )
    verdict = Verdict.FAIL if limit is not None and psi > limit else Verdict.PASS
    text = "distributed otherwise" if verdict is Verdict.FAIL else "distributed as before"
    return Check(f"drift.{name}", verdict, psi, threshold=limit, n=fewest, text=text)


def _drift(before: ColumnSummary, after: ColumnSummary) -> Drift:
    if not before.n or not after.n:
        return _NOTHING
    if isinstance(before, CategoryProfile) and isinstance(after, CategoryProfile):
        if not before.counts and before.other:
            return _NOTHING
        window = measure_category(before, after.counts, after.nulls)
        window = CategoryProfile(after.n, after.nulls, window.counts, window.other + after.other, before.complete)
        return measure_drift(Profile(before.n, {"": before}), Profile(after.n, {"": window}))[""]
    if isinstance(before, NumberSummary) and isinstance(after, NumberSummary) and before.unit == after.unit:
        low, high = _edges(before)
        one, other = (_profile(side, low, high) for side in (before, after))
        return measure_drift(Profile(before.n, {"": one}), Profile(after.n, {"": other}))[""]
    return _NOTHING


def _edges(column: NumberSummary) -> tuple[float, float]:
    """As numeric_edges of data/_numeric.py, from bins instead of values."""
    if not column.rows:
        return 0.0, 1.0
    below = np.cumsum(column.bins.counts) / column.rows
    low, high = (
        float(column.bins.means[min(int(np.searchsorted(below, share)), below.size - 1)]) for share in (_TAIL, 1 - _TAIL)
    )
    return low, high + max((high - low) * 1e-9, max(abs(low), abs(high)) * 1e-12, 1e-150)


def _profile(column: NumberSummary, low: float, high: float) -> NumericProfile:
    """Each bin's rows stand where their mean is."""
    middle = low + (high - low) / 2
    place = tailed_place(column.bins.means, low=low, high=high) if column.rows else np.zeros(0, np.int64)
    held = histogram_of(place, column.bins.sums, BINS + 2)
    counts = np.bincount(place, weights=column.bins.counts, minlength=BINS + 2).astype(np.int64)
    return NumericProfile(
        low=low,
        high=high,
        n=column.n,
        nulls=column.nulls,
        nans=column.nans,
        infinities=column.infinities,
        squares=column.spread + column.rows * (column.mean - middle) ** 2,
        minimum=column.minimum,
        maximum=column.maximum,
        bins=type(held)(counts, held.sums),
    )


def _values(before: ColumnSummary, after: ColumnSummary) -> tuple[tuple[tuple[str, int], ...], tuple[tuple[str, int], ...]]:
    if not (isinstance(before, CategoryProfile) and isinstance(after, CategoryProfile)):
        return (), ()
    came = _alone(after.counts, before.counts) if before.complete else ()
    went = _alone(before.counts, after.counts) if after.complete else ()
    return came, went


def _alone(here: Mapping[str, int], there: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    found = sorted(((word, rows) for word, rows in here.items() if word not in there), key=lambda pair: (-pair[1], pair[0]))
    return tuple(found[:_SHOWN])


def _stats(column: ColumnSummary) -> JsonObject:
    if isinstance(column, NumberSummary):
        ends = {"min": column.minimum, "max": column.maximum, "mean": column.mean if column.rows else None,
                "median": quantile(column, 0.5)}  # fmt: skip
        return {"type": "numbers", "unit": column.unit, "n": column.n, "nulls": column.nulls, "nans": column.nans,
                **{name: _shown(end, column.unit) for name, end in ends.items()}, "std": column.std}  # fmt: skip
    if isinstance(column, CategoryProfile):
        most = sorted(column.counts.items(), key=lambda pair: (-pair[1], pair[0]))[:10]
        top: list[Json] = [{"value": word, "rows": rows} for word, rows in most]
        return {"type": "category", "n": column.n, "nulls": column.nulls, "values": len(column.counts),
                "complete": column.complete, "most": top}  # fmt: skip
    return {"type": "other", "n": column.n, "nulls": column.nulls}


def _shown(number: float | None, unit: str) -> Json:
    """A time as people write it, to the second."""
    seconds = {"days": 86_400, "seconds": 1}.get(unit)
    if number is None or seconds is None:
        return number
    try:
        at = _EPOCH + timedelta(seconds=round(number * seconds))
    except OverflowError:
        return number
    return at.date().isoformat() if unit == "days" else at.isoformat()


def _bars(before: ColumnSummary, after: ColumnSummary) -> JsonObject | None:
    """Shares of rows, for a picture: in _BARS bins between the ends of most of what was before, or by value."""
    if isinstance(before, NumberSummary) and isinstance(after, NumberSummary) and before.rows and after.rows:
        low, high = _edges(before)
        edges = np.linspace(low, high, _BARS + 1)
        shares = [_shares(side, edges) for side in (before, after)]
        return {"edges": edges.tolist(), "before": shares[0], "after": shares[1]}
    if isinstance(before, CategoryProfile) and isinstance(after, CategoryProfile) and before.counts:
        both = {word: before.counts.get(word, 0) + after.counts.get(word, 0) for word in {**before.counts, **after.counts}}
        names = sorted(both, key=lambda word: (-both[word], word))[:_BARS]
        values = [[side.counts.get(name, 0) / max(1, side.n) for name in names] for side in (before, after)]
        return {"values": list[Json](names), "before": list[Json](values[0]), "after": list[Json](values[1])}
    return None


def _shares(column: NumberSummary, edges: Floats) -> list[Json]:
    place = np.clip(np.searchsorted(edges, column.bins.means, side="right") - 1, 0, _BARS - 1)
    counts = np.bincount(place, weights=column.bins.counts, minlength=_BARS)
    return [round(float(share), 6) for share in counts / column.n]


def quantile(column: NumberSummary, share: float) -> float | None:
    """About: the mean of the bin in which it is."""
    if not column.rows:
        return None
    below = np.cumsum(column.bins.counts)
    return float(column.bins.means[min(int(np.searchsorted(below, share * below[-1])), below.size - 1)])
