"""Realised performance of models that answer a number or several classes, against their own reference. Pure.

Judged are the mean absolute error and the accuracy; errors are clustered by day. Too few days are an honest not-yet.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from shipway.data import AnswerProfile
from shipway.kernel.check import Check, Verdict
from shipway.monitor._checks import judged, least_days
from shipway.monitor._limits import undecided
from shipway.monitor._verdict import Finding, Severity
from shipway.spec import MonitorSpec
from shipway.stats import Interval, ratio_interval, t_interval, t_quantile

Days = Sequence[tuple[date, AnswerProfile]]
Floats = NDArray[np.float64]
_LEVEL = 0.95


def check_error(monitor: MonitorSpec, days: Days, reference: AnswerProfile) -> Finding | None:
    """Value: by which share the mean absolute error of the window is above that of the reference; 0.25 is a quarter more.

    Fails when that is surely above the threshold. None for a model of classes.
    """
    if reference.classes or not reference.n:
        return None
    if not reference.loss:
        return undecided(monitor, "the reference has no error, so nothing can be compared with it")
    if len(days) < least_days(monitor):
        return _too_few(monitor, days)
    found, before = measure_loss(days), reference.loss / reference.n
    own = _row_variance(days)
    now, then = _variances(found, own, reference.squares / reference.n - before**2, reference.n)
    # of a quotient, by its linear part
    variance = now / before**2 + then * (found.value / before**2) ** 2
    more = _interval(found.value / before - 1, variance, found)
    text = f"mean absolute error {found.value:.4g} over {len(days)} days, {before:.4g} in the reference"
    return judged(monitor, more, error=(more.low, more.high), text=text, side=1.0)


def check_accuracy(monitor: MonitorSpec, days: Days, reference: AnswerProfile) -> Finding | None:
    """Value: accuracy of the reference minus that of the window. Fails when it has surely fallen by more than the threshold.

    None for a model of a number.
    """
    if not reference.classes or not reference.n:
        return None
    if len(days) < least_days(monitor):
        return _too_few(monitor, days)
    found, before = measure_accuracy(days), _right(reference) / reference.n
    own = found.value * (1 - found.value) / found.n
    now, then = _variances(found, own, before * (1 - before), reference.n)
    loss = _interval(before - found.value, now + then, found)
    text = f"accuracy {found.value:.1%} over {len(days)} days, {before:.1%} in the reference"
    return judged(monitor, loss, error=(loss.low, loss.high), text=text, side=1.0)


def report_answers(days: Days) -> list[Finding]:
    """Numbers that nobody is woken by: mae, rmse and bias of a number; accuracy, macro_f1 and log_loss of classes."""
    if len(days) < 2:
        return []
    if days[0][1].classes:
        named = {"accuracy": measure_accuracy(days), "macro_f1": measure_macro_f1(days), "log_loss": measure_loss(days)}
    else:
        squares, shifts = [day.squares for _, day in days], [day.shift for _, day in days]
        named = {"mae": measure_loss(days), "rmse": _root(_mean(days, squares)), "bias": _mean(days, shifts)}
    return [
        Finding(Severity.REPORT, Check(name, Verdict.PASS, one.value, one.low, one.high, n=one.n))
        for name, one in named.items()
    ]


def measure_loss(days: Days) -> Interval:
    """Mean absolute error, or mean surprise of classes in nats. Raises ValueError for fewer than two days."""
    return _mean(days, [day.loss for _, day in days])


def measure_accuracy(days: Days) -> Interval:
    """Share of rows whose likeliest class came true. Raises ValueError for fewer than two days."""
    return _mean(days, [_right(day) for _, day in days])


def measure_macro_f1(days: Days) -> Interval:
    """Mean F1 over the classes that came true or were answered, its interval by leaving out a day at a time (jackknife).

    Raises ValueError for fewer than two days. Source: Tukey (1958).
    """
    each = np.stack([day.confusion for _, day in days])
    whole, count = each.sum(axis=0), len(days)
    if count < 2:
        raise ValueError("days: an interval needs at least two")
    without = np.array([_macro_f1(whole - day) for day in each])
    variance = (count - 1) / count * float(((without - without.mean()) ** 2).sum())
    return t_interval(_macro_f1(whole), variance, df=count - 1, level=_LEVEL, n=int(whole.sum()), clusters=count)


def _macro_f1(confusion: NDArray[np.int64]) -> float:
    hits, both = np.diag(confusion).astype(np.float64), confusion.sum(axis=0) + confusion.sum(axis=1)
    seen = both > 0
    return float((2 * hits[seen] / both[seen]).mean()) if seen.any() else 0.0


def _right(answers: AnswerProfile) -> float:
    return float(np.trace(answers.confusion))


def _mean(days: Days, sums: Sequence[float]) -> Interval:
    rows = [day.n for _, day in days]
    return ratio_interval(sums, rows, level=_LEVEL, n=sum(rows))


def _root(squares: Interval) -> Interval:
    """The root of a mean has the roots of its interval's ends, the lower one not below 0."""
    value, low, high = (math.sqrt(max(end, 0.0)) for end in squares[:3])
    return squares._replace(value=value, low=low, high=high)


def _row_variance(days: Days) -> float:
    """Of the window's mean loss, were its rows independent."""
    rows = sum(day.n for _, day in days)
    mean = sum(day.loss for _, day in days) / rows
    return max(0.0, sum(day.squares for _, day in days) / rows - mean**2) / rows


def _variances(found: Interval, own: float, spread: float, rows: int) -> tuple[float, float]:
    """Of the window, by its days, and of the reference, which has rows and no days: widened by what days widen the window's.

    own: of the window, were its rows independent; spread: of one row of the reference.
    """
    now = ((found.high - found.low) / 2 / t_quantile((1 + _LEVEL) / 2, found.clusters - 1)) ** 2
    widened = max(1.0, now / own) if own else 1.0
    return now, widened * max(0.0, spread) / rows


def _interval(value: float, variance: float, like: Interval) -> Interval:
    return t_interval(value, variance, df=like.clusters - 1, level=_LEVEL, n=like.n, clusters=like.clusters)


def _too_few(monitor: MonitorSpec, days: Days) -> Finding:
    labels, least = sum(day.n for _, day in days), least_days(monitor)
    needed = math.ceil((least - len(days)) * labels / len(days)) if days else None
    about = f", about {needed:,} more labels" if needed else ""
    return undecided(monitor, f"{len(days)} of {least} days with labels{about}", n=labels, needed=needed)
