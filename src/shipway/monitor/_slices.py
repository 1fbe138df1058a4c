"""Slices: where a model is more wrong than as a whole. Declared segments, and a search for the worst one. Pure.

Who looks at many slices finds a bad one by chance. The price is paid in the interval: of k slices each has the level
1 - 0.05/k (Bonferroni), so that all of them hold together 95 times of 100; what the interval would be without is told
beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np
import polars as pl

from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check, Verdict
from shipway.monitor._limits import exceeded, limits_of, undecided
from shipway.monitor._tables import SCORE
from shipway.monitor._verdict import Finding
from shipway.spec import MonitorSpec
from shipway.stats import NEVER, Interval, base_rate_interval, rows_still_needed

LEAST_ROWS, LEAST_DAYS = 50, 7  # of a slice; fewer say nothing, and looking at them would cost the others
MOST_VALUES, QUARTERS = 50, 4  # of a column of words; a column of numbers is cut into quarters
ERROR = 0.05


class Measured(StrEnum):
    """What of a slice is measured: mean score minus mean label; by which share of the whole's mean absolute error it errs more
    than it did on held-out rows; by how much less often it is right than it was."""

    BASE_RATE = "base_rate_error"
    SHARE = "share_of_error"
    ACCURACY = "accuracy_lost"


_WORDS = {
    Measured.BASE_RATE: "",
    Measured.SHARE: "; its share of the whole's mean absolute error less that on the held-out rows",
    Measured.ACCURACY: "; accuracy lost against the whole, less that on the held-out rows",
}


class Slice(NamedTuple):
    """Rows in which every named column has a value or lies in a span; days: with labels."""

    name: str
    rows: int
    days: int
    gap: Interval
    alone: Interval

    def to_json(self) -> JsonObject:
        return {
            "name": self.name,
            "rows": self.rows,
            "days": self.days,
            "value": self.gap.value,
            "low": self.gap.low,
            "high": self.gap.high,
            "low_unsearched": self.alone.low,
            "high_unsearched": self.alone.high,
        }


class Slices(NamedTuple):
    """searched: how many slices were looked at; found: the worst first, by the side of the interval nearer to no error.

    held_out: whether an excess is over what it was on the held-out rows, or over the whole alone.
    """

    searched: int
    found: tuple[Slice, ...]
    measured: Measured = Measured.BASE_RATE
    held_out: bool = False

    def sure(self, one: Slice) -> float:
        """The least error that its interval allows; of an excess only what is worse is one, of a base rate either side."""
        return max(0.0, one.gap.low) if self.measured is not Measured.BASE_RATE else _nearest(one.gap)

    def most(self, one: Slice) -> float:
        """The largest error that its interval allows."""
        return one.gap.high if self.measured is not Measured.BASE_RATE else max(abs(one.gap.low), abs(one.gap.high))

    @property
    def price(self) -> float:
        """By how much wider the worst slice's interval is than had it been the only one; 1 where none was found."""
        if not self.found:
            return 1.0
        worst = self.found[0]
        return (worst.gap.high - worst.gap.low) / (worst.alone.high - worst.alone.low or 1.0)


def measure_slices(rows: pl.DataFrame, columns: Sequence[str], *, pairs: bool = False) -> Slices:
    """The base-rate error (mean score minus mean label) of every slice of these columns, errors clustered by day.

    rows: `day`, `label` (0, 1, null), the score and the columns, as `window_rows` gives them; rows without a label do not
    count. pairs: slices of two columns as well. Slices of fewer than 50 labels or 7 days are not looked at.
    """
    known = rows.filter(pl.col("label").is_not_null() & pl.col(SCORE).is_not_nan() & pl.col(SCORE).is_not_null())
    cut = {name: expression for name in columns if name in rows.columns and (expression := words_of(known, name)) is not None}
    tables = [table for group in groups_of(cut, pairs=pairs) for table in _tables(known.with_columns(**cut), group)]
    level = 1 - ERROR / max(1, len(tables))
    found = [_slice(name, table, level) for name, table in tables]
    return Slices(len(tables), tuple(sorted(found, key=lambda one: -_nearest(one.gap))))


def check_segments(monitor: MonitorSpec, slices: Slices) -> Finding:
    """Check `segments`: value is the error of the worst slice; fails when its interval, searching paid for, is beyond."""
    if not slices.found:
        return undecided(monitor, f"no segment with {LEAST_ROWS} labels on {LEAST_DAYS} days yet", needed=LEAST_ROWS)
    if slices.measured is not Measured.BASE_RATE and not slices.held_out:
        return undecided(monitor, "the held-out rows are not in this store, and some segments are harder than others")
    worst, (loudest, _), (_, lowest) = slices.found[0], limits_of(monitor)[0], limits_of(monitor)[-1]
    sure, furthest = slices.sure(worst), max(slices.most(one) for one in slices.found)
    over = exceeded(monitor, sure)
    limit = over[1] if over else lowest
    text = f"{worst.name}: worst of {slices.searched} segments, {worst.rows:,} labels"
    text += f"; its interval is {slices.price:.1f} times as wide for having searched"
    text += _WORDS[slices.measured]
    verdict = Verdict.FAIL if over else Verdict.PASS if furthest <= limit else Verdict.INCONCLUSIVE
    side = float(np.copysign(limit, worst.gap.value)) if slices.measured is Measured.BASE_RATE else limit
    more = rows_still_needed(worst.gap, side) if verdict is Verdict.INCONCLUSIVE else 0
    needed = more if 0 < more < NEVER else None
    if needed:
        text += f"; not enough yet, about {needed:,} more labels of it"
    check = Check(monitor.name, verdict, worst.gap.value, worst.gap.low, worst.gap.high, limit, worst.rows, needed, text)
    return Finding(over[0] if over else loudest, check)


def groups_of(columns: Iterable[str], *, pairs: bool) -> list[tuple[str, ...]]:
    """Each column, and with pairs each two of them."""
    names = list(columns)
    return [*((name,) for name in names), *(combinations(names, 2) if pairs else ())]


def words_of(rows: pl.DataFrame, name: str) -> pl.Expr | None:
    """A column as words: its values, those of numbers as quarters; None where it has too many values or only one."""
    series = rows[name]
    if series.dtype.is_numeric() and series.n_unique() > MOST_VALUES:
        finite = series.cast(pl.Float64).drop_nulls().drop_nans()
        ends = [end for part in range(1, QUARTERS) if (end := finite.quantile(part / QUARTERS)) is not None]
        cuts = sorted({round(end, 12) for end in ends})
        return _quarters(pl.col(name).cast(pl.Float64).fill_nan(None), name, cuts) if cuts else None
    if not 1 < series.n_unique() <= MOST_VALUES:
        return None
    return pl.format(f"{name.replace('{', '{{').replace('}', '}}')} = {{}}", pl.col(name).cast(pl.String))


def _quarters(value: pl.Expr, name: str, cuts: Sequence[float]) -> pl.Expr:
    """Which of the spans between the cuts a number is in; null where it is none."""
    words = pl.when(value.is_null()).then(None).when(value < cuts[0]).then(pl.lit(f"{name} below {cuts[0]:.4g}"))
    for low, high in pairwise(cuts):
        words = words.when(value < high).then(pl.lit(f"{name} {low:.4g} to {high:.4g}"))
    return words.otherwise(pl.lit(f"{name} from {cuts[-1]:.4g}"))


def _tables(rows: pl.DataFrame, group: Sequence[str]) -> Iterator[tuple[str, pl.DataFrame]]:
    """Of each slice its days with rows, sum of scores and sum of labels."""
    summed = (
        rows.filter(pl.all_horizontal(pl.col(name).is_not_null() for name in group))
        .group_by(*group, "day")
        .agg(pl.len().alias("rows"), pl.col(SCORE).sum().alias("scores"), pl.col("label").sum().alias("labels"))
        .sort(*group, "day")
    )
    for key, table in summed.group_by(*group, maintain_order=True):
        if table["rows"].sum() >= LEAST_ROWS and table.height >= LEAST_DAYS:
            yield " and ".join(str(part) for part in key), table


def _slice(name: str, table: pl.DataFrame, level: float) -> Slice:
    scores, labels, rows = (table[column].to_numpy() for column in ("scores", "labels", "rows"))
    gap, alone = (base_rate_interval(scores, labels, rows, level=one) for one in (level, 1 - ERROR))
    return Slice(name, int(rows.sum()), table.height, gap, alone)


def _nearest(gap: Interval) -> float:
    """The least error that the interval allows."""
    return 0.0 if gap.low <= 0 <= gap.high else min(abs(gap.low), abs(gap.high))
