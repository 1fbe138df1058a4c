"""Values at ranks of a column, exact, putting little of it in order: a sample says where to look, counts whether it was so."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import polars as pl

SAMPLE = 50_000
_MARGIN = SAMPLE // 100  # over four deviations of a rank among so many values drawn by chance
Ranked = Mapping[int, float]


def at_quantiles(series: pl.Series, quantiles: Sequence[float], between: Callable[[Ranked, float], float]) -> list[float]:
    """The value at each quantile of numbers without nulls, as `between` takes it from the values at the ranks on both sides.

    Empty for no values.
    """
    last = series.len() - 1
    if last < 0:
        return []
    # A percentage and back, as pandas hands a quantile on: the rank is whole where it is there.
    ranks = [last * (float(q) * 100 / 100) for q in quantiles]
    step = (series.len() - 1) // SAMPLE + 1
    sample = series.gather_every(step).sort()
    found = []
    for rank in ranks:
        ends = math.floor(rank), math.ceil(rank)
        at = dict(zip(ends, sample.gather(list(ends)), strict=True)) if step == 1 else _look(series, sample, step, ends)
        found.append(float(between(at, rank)))
    return found


def _look(series: pl.Series, sample: pl.Series, step: int, ends: tuple[int, int]) -> Ranked:
    """Only values between two of the sample are put in order; all of them where these did not stand on both sides."""
    first, last = ends[0] // step - _MARGIN, ends[1] // step + _MARGIN
    below, near = 0, None
    if first > 0:
        under = series < sample[first]
        below, near = int(under.sum()), ~under
    if last < sample.len():
        upto = series <= sample[last]
        near = upto if near is None else near & upto
    within = series if near is None else series.filter(near)
    if ends[0] < below or ends[1] >= below + within.len():
        within, below = series, 0
    return dict(zip(ends, within.sort().gather([end - below for end in ends]), strict=True))
