"""Business metrics: outcomes with a unit and a direction, their last window against those before, day by day of the week.

Pure but for `measure_metric`, which reads the logs.

The noise is the series' own. A day is held against the same place of earlier windows, so a weekday's pattern is none; and
windows among themselves say how much one differs from the others for no reason. Whichever is the wider interval counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Verdict
from shipway.kernel.units import Seconds
from shipway.monitor._checks import judged, window_days
from shipway.monitor._deployments import rows_of_ref
from shipway.monitor._entities import entity_rule
from shipway.monitor._join import with_labels
from shipway.monitor._limits import undecided
from shipway.monitor._tables import WEIGHT, scan_weights
from shipway.monitor._verdict import Finding
from shipway.spec import MonitorSpec
from shipway.stats import Interval, ratio_interval, t_interval
from shipway.store import Store

BEFORE = 8  # windows that the last one is held against
LEAST = 3  # of them; fewer do not say how much windows differ for no reason
_ERROR = 0.05

Floats = NDArray[np.float64]


class MetricDays(NamedTuple):
    """Of one metric: its days in order that have a value, requests with one (by weight) and the sum of the values.

    higher: whether more is better; last: the newest day all of whose rows are old enough to have a value.
    """

    name: str
    unit: str | None
    higher: bool
    last: date
    days: tuple[date, ...]
    rows: tuple[float, ...]
    sums: tuple[float, ...]


class MetricFall(NamedTuple):
    """By which share of what it was the metric is worse; now, before: means over the same days; windows: how many before."""

    name: str
    unit: str | None
    fall: Interval
    now: float
    before: float
    windows: int

    @property
    def text(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        where = f"over {self.fall.clusters} days, {self.before:.4g} on the same days of {self.windows} windows before"
        return f"{self.name} {self.now:.4g}{unit} {where}"

    def to_json(self) -> JsonObject:
        fall = self.fall
        shown: JsonObject = {"name": self.name, "unit": self.unit, "now": self.now, "before": self.before}
        return {
            **shown,
            "value": fall.value,
            "low": fall.low,
            "high": fall.high,
            "days": fall.clusters,
            "windows": self.windows,
        }


def newest_day(clock: datetime, matures: Seconds) -> date:
    """The last day all of whose rows have had the time for an outcome by the event clock."""
    return (clock - timedelta(seconds=matures)).date() - timedelta(days=1)


def measure_metric(
    store: Store, ref: str, name: str, *, unit: str | None, higher: bool, matures: Seconds, clock: datetime, window: int
) -> MetricDays:
    """Values of an outcome by day, of the last window and those before it, of all releases behind the ref. window: days."""
    last = newest_day(clock, matures)
    first = last - timedelta(days=window * (BEFORE + 1) - 1)
    rows = rows_of_ref(store, scan_weights(store, first=first, last=last), ref)
    rule = entity_rule(store, ref, name, first, last)
    labelled = with_labels(store, rows, outcome=name, matures=matures, as_of=clock, entity=rule)
    known = labelled.filter(pl.col("label").is_not_null())
    weighed = known.group_by("day").agg(
        pl.col(WEIGHT).sum().alias("rows"), (pl.col("label") * pl.col(WEIGHT)).sum().alias("sums")
    )
    found = weighed.filter(pl.col("rows") > 0).sort("day").collect()
    columns = (tuple(found[column].to_list()) for column in ("day", "rows", "sums"))
    return MetricDays(name, unit, higher, last, *columns)


def measure_fall(metric: MetricDays, *, window: int, level: float = 0.95) -> MetricFall | str:
    """By how much the metric has surely fallen; or, in words, what is missing for an answer."""
    tables = _tables(metric, window)
    if isinstance(tables, str):
        return tables
    rows, sums = tables
    paired = (rows[0] > 0) & (rows[1:] > 0).any(axis=0)
    weight, expected = rows[0][paired], _pooled(rows[1:], sums[1:])[paired]
    mean = sums[0][paired] / weight
    now, before = float(weight @ mean / weight.sum()), float(weight @ expected / weight.sum())
    if not before:
        return f"{metric.name} was 0 before, and no share can be told of nothing"
    amounts = _amounts(weight, expected)
    by_day = ratio_interval(weight * (expected - mean), amounts, level=level, n=round(float(weight.sum())))
    fall = max(by_day, _by_window(by_day, rows[1:], sums[1:], level), key=lambda one: one.high - one.low)
    side = 1.0 if metric.higher else -1.0
    low, high = sorted((fall.low * side, fall.high * side))
    shown = fall._replace(value=by_day.value * side, low=low, high=high, clusters=by_day.clusters)
    return MetricFall(metric.name, metric.unit, shown, now, before, len(rows) - 1)


def check_business(monitor: MonitorSpec, metrics: Sequence[MetricDays]) -> tuple[Finding, JsonObject]:
    """Check `business`: value is the fall of the metric that has surely fallen most, as a share of what it was; and its detail.

    Of k metrics each interval has the level 1 - 0.05/k, so that all hold together 95 times of 100.
    """
    window, level = window_days(monitor), 1 - _ERROR / max(1, len(metrics))
    measured = [measure_fall(metric, window=window, level=level) for metric in metrics]
    findings = [_judge(monitor, found) for found in measured]
    order = {Verdict.FAIL: 0, Verdict.INCONCLUSIVE: 1, Verdict.PASS: 2}

    def loudest(finding: Finding) -> tuple[int, float]:
        return order[finding.check.verdict], -(finding.check.low if finding.check.low is not None else -math.inf)

    detail: JsonObject = {
        "metrics": [found.to_json() for found in measured if isinstance(found, MetricFall)],
        "missing": [found for found in measured if isinstance(found, str)],
    }
    return min(findings, key=loudest), detail


def _judge(monitor: MonitorSpec, found: MetricFall | str) -> Finding:
    if isinstance(found, str):
        return undecided(monitor, found)
    return judged(monitor, found.fall, error=(found.fall.low, found.fall.high), text=found.text, side=1.0)


def _tables(metric: MetricDays, window: int) -> tuple[Floats, Floats] | str:
    """(windows, days) rows and sums, the last window first, without windows before that have no day; or what is missing."""
    rows, sums = np.zeros((BEFORE + 1, window)), np.zeros((BEFORE + 1, window))
    for day, count, total in zip(metric.days, metric.rows, metric.sums, strict=True):
        back = (metric.last - day).days
        if 0 <= back < window * (BEFORE + 1):
            rows[back // window, back % window], sums[back // window, back % window] = count, total
    least = max(2, math.ceil(window / 2))
    full = [at for at in range(1, BEFORE + 1) if np.count_nonzero(rows[at]) >= least]
    days = np.count_nonzero(rows[0])
    if days < least:
        return f"{metric.name}: {days} of {least} days with a value"
    if len(full) < LEAST:
        return f"{metric.name}: {len(full)} of {LEAST} windows of {window} days before; not enough yet"
    kept = [0, *full]
    if np.count_nonzero((rows[0] > 0) & (rows[full] > 0).any(axis=0)) < 2:
        return f"{metric.name}: fewer than 2 days that windows before have, too"
    return rows[kept], sums[kept]


def _pooled(rows: Floats, sums: Floats) -> Floats:
    """(days,) the mean of each place over windows; 0 where none has it."""
    total = rows.sum(axis=0)
    mean: Floats = np.divide(sums.sum(axis=0), total, out=np.zeros_like(total), where=total > 0)
    return mean


def _amounts(weight: Floats, expected: Floats) -> Floats:
    """What shares of are told, a day at a time: what was expected of it; of a metric of both signs what its mean would give."""
    whole = weight * expected
    total = abs(float(whole.sum()))
    one_sign = (whole >= 0).all() or (whole <= 0).all()
    found: Floats = np.abs(whole) if one_sign else weight * (total / float(weight.sum()))
    return found


def _by_window(by_day: Interval, rows: Floats, sums: Floats, level: float) -> Interval:
    """The same fall with the noise of whole windows: which share each one before is from the others, on the same days.

    Of k windows each differs from the others' mean by k/(k - 1) of what it differs from the mean of all.
    """
    apart = []
    for at in range(len(rows)):
        others = np.arange(len(rows)) != at
        both = (rows[at] > 0) & (rows[others] > 0).any(axis=0)
        weight, expected = rows[at][both], _pooled(rows[others], sums[others])[both]
        if (amount := float(_amounts(weight, expected).sum()) if both.any() else 0.0) > 0:
            apart.append(float(weight @ (sums[at][both] / weight - expected)) / amount)
    known = len(apart)
    if known < LEAST:
        return by_day
    variance = float(np.square(apart).sum()) * (known - 1) / known**2
    return t_interval(by_day.value, variance * (1 + 1 / known), df=known - 1, level=level, n=by_day.n, clusters=known)
