"""Slices of a model that answers a number or classes: where it errs more than its held-out rows let expect. Pure.

Segments differ in how hard they are, so a segment's error is held against the whole's and that against the same on the held-out
rows: a segment that was twice as hard as the whole there, and is now, has an excess of 0. The price of searching is that of
`_slices`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shipway.monitor._slices import ERROR, LEAST_DAYS, LEAST_ROWS, Measured, Slice, Slices, groups_of, words_of
from shipway.stats import Interval, t_interval

Floats = NDArray[np.float64]
LOSS = "loss"  # of a row: the absolute error of a number, 1 where the likeliest class was wrong


class _Sums(NamedTuple):
    """rows, their losses and the squares of those, added up."""

    rows: float
    loss: float
    squares: float

    @property
    def mean(self) -> float:
        return self.loss / self.rows


def measure_excess(
    rows: pl.DataFrame, columns: Sequence[str], *, share: bool, held_out: pl.DataFrame | None = None, pairs: bool = False
) -> Slices:
    """The excess of every slice of these columns, errors clustered by day; above 0 it is worse than it was.

    rows, held_out: the columns and `loss`, null or NaN where it is not known; rows have `day`, too. share: losses as a share of
    the whole's mean, for numbers; else they are compared as they are, for classes. Without held_out a slice is compared with
    the whole alone. Slices of fewer than 50 labels or 7 days, or of fewer than 50 held-out rows, are not looked at.
    """
    known = _known(rows)
    measured = Measured.SHARE if share else Measured.ACCURACY
    if known.is_empty():
        return Slices(0, (), measured, held_out=held_out is not None)
    words = {name: said for name in columns if name in known.columns and (said := words_of(known, name)) is not None}
    before = _like(held_out, known, list(words)) if held_out is not None else None
    known = known.with_columns(**words)
    before = before.with_columns(**words) if before is not None else None
    found = [one for group in groups_of(words, pairs=pairs) for one in _slices(known, before, group, share=share)]
    level = 1 - ERROR / max(1, len(found))
    slices = [Slice(one.name, one.rows, one.days, one.at(level), one.at(1 - ERROR)) for one in found]
    ranked = Slices(len(found), (), measured, held_out=before is not None)
    return ranked._replace(found=tuple(sorted(slices, key=lambda one: -ranked.sure(one))))


class _Excess(NamedTuple):
    name: str
    rows: int
    days: int
    value: float
    variance: float

    def at(self, level: float) -> Interval:
        return t_interval(self.value, self.variance, df=self.days - 1, level=level, n=self.rows, clusters=self.days)


def _known(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col(LOSS).is_not_null() & pl.col(LOSS).is_not_nan())


def _like(held_out: pl.DataFrame, known: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame | None:
    """The held-out rows with the types of the log, so that a value has one name; None where a column is not in them."""
    if not all(name in held_out.columns for name in names) or (kept := _known(held_out)).is_empty():
        return None
    return kept.with_columns(pl.col(name).cast(known[name].dtype, strict=False) for name in names)


def _slices(known: pl.DataFrame, before: pl.DataFrame | None, group: Sequence[str], *, share: bool) -> Iterator[_Excess]:
    whole_days = _by(known, ["day"]).sort("day")
    whole, there = _sums(whole_days), [pl.col(name).is_not_null() for name in group]
    of_day = {day: at for at, day in enumerate(whole_days["day"].to_list())}
    earlier = _sums(_by(before, [])) if before is not None else None
    held = {key: _sums(one) for key, one in _by(before.filter(there), group).group_by(*group)} if before is not None else {}
    summed = _by(known.filter(there), [*group, "day"]).sort(*group, "day")
    for key, table in summed.group_by(*group, maintain_order=True):
        own = _sums(table)
        reference = held.get(key)
        few = earlier is not None and (reference is None or reference.rows < LEAST_ROWS)
        if own.rows < LEAST_ROWS or table.height < LEAST_DAYS or few or not whole.loss:
            continue
        value, scale = _value(own, whole, share=share)
        pulls = _pulls(table, whole_days, [of_day[day] for day in table["day"].to_list()], own, whole, scale)
        variance = len(pulls) / (len(pulls) - 1) * float(pulls @ pulls)
        if earlier is not None and reference is not None and earlier.loss:
            was, then = _value(reference, earlier, share=share)
            by_row = _row_variance(own, whole, scale)
            widened = max(1.0, variance / by_row) if by_row else 1.0
            value, variance = value - was, variance + widened * _row_variance(reference, earlier, then)
        yield _Excess(" and ".join(str(part) for part in key), round(own.rows), table.height, value, variance)


def _by(rows: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    sums = [pl.len().alias("rows"), pl.col(LOSS).sum().alias("loss"), (pl.col(LOSS) ** 2).sum().alias("squares")]
    return rows.group_by(*names).agg(sums) if names else rows.select(sums)


def _sums(table: pl.DataFrame) -> _Sums:
    return _Sums(*(float(table[name].sum()) for name in _Sums._fields))


class _Scale(NamedTuple):
    """How a row's loss pulls at the excess: own, of a row of the slice about its mean; whole, of any row about the whole's."""

    own: float
    whole: float


def _value(own: _Sums, whole: _Sums, *, share: bool) -> tuple[float, _Scale]:
    """The slice's mean less the whole's, or as a share of it; linear parts (Cochran 1977, 6.3)."""
    if share:
        return own.mean / whole.mean - 1, _Scale(1 / (own.rows * whole.mean), own.mean / whole.mean / whole.loss)
    return own.mean - whole.mean, _Scale(1 / own.rows, 1 / whole.rows)


def _pulls(table: pl.DataFrame, whole_days: pl.DataFrame, at: Sequence[int], own: _Sums, whole: _Sums, scale: _Scale) -> Floats:
    """(days,) what each day of the window pulls: days are the independent units, and the slice is a part of the whole."""
    pulls: Floats = -scale.whole * (whole_days["loss"].to_numpy() - whole.mean * whole_days["rows"].to_numpy())
    pulls[list(at)] += scale.own * (table["loss"].to_numpy() - own.mean * table["rows"].to_numpy())
    return pulls


def _row_variance(own: _Sums, whole: _Sums, scale: _Scale) -> float:
    """As if rows were independent, from sums alone."""
    slope, shift = scale.own - scale.whole, scale.own * own.mean - scale.whole * whole.mean
    inside = slope**2 * own.squares - 2 * slope * shift * own.loss + own.rows * shift**2
    rest = _Sums(*(all_ - part for all_, part in zip(whole, own, strict=True)))
    outside = scale.whole**2 * (rest.squares - 2 * whole.mean * rest.loss + rest.rows * whole.mean**2)
    return max(0.0, inside + outside)
