"""From a window to findings: what is judged against which threshold, and what is only reported. Pure.

Judged are calibration, base rate and ranking; errors are clustered by day. Too few days are an honest not-yet.
"""

from __future__ import annotations

import math

from shipway.data import OutcomeProfile
from shipway.kernel.check import Check, Verdict
from shipway.monitor._limits import limits_of
from shipway.monitor._verdict import Finding, Severity
from shipway.monitor._window import Outcomes
from shipway.spec import MonitorSpec
from shipway.stats import (
    NEVER,
    Interval,
    auc_interval_binned,
    auc_row_variance,
    base_rate_interval,
    binned_auc,
    brier_skill_interval,
    calibration_error_binned,
    calibration_interval,
    rows_still_needed,
    t_interval,
    t_quantile,
)

_DAY = 86_400


def window_days(monitor: MonitorSpec) -> int:
    """Whole days of a monitor's window."""
    return max(1, round(monitor.window / _DAY))


def least_days(monitor: MonitorSpec) -> int:
    """Days with labels without which nothing is said: half of the window (14 of 28), since fewer know no weekdays."""
    return max(2, math.ceil(window_days(monitor) / 2))


def check_calibration(monitor: MonitorSpec, outcomes: Outcomes) -> Finding:
    """Fails when even the lower bound of the calibration error is above the threshold."""
    if len(outcomes.days) < least_days(monitor):
        return _too_few(monitor, outcomes)
    interval = calibration_interval(outcomes.count, outcomes.score_sum, outcomes.label_sum)
    return judged(monitor, interval, error=(interval.low, interval.high), text=_rates(outcomes))


def check_base_rate(monitor: MonitorSpec, outcomes: Outcomes) -> Finding:
    """Value: predicted minus realised rate. Fails when its absolute value is surely above the threshold."""
    if len(outcomes.days) < least_days(monitor):
        return _too_few(monitor, outcomes)
    rows, scores, labels = (table.sum(axis=1) for table in (outcomes.count, outcomes.score_sum, outcomes.label_sum))
    interval = base_rate_interval(scores, labels, rows)
    low, high = sorted((abs(interval.low), abs(interval.high)))
    error = (0.0 if interval.low <= 0 <= interval.high else low, high)
    return judged(monitor, interval, error=error, text=_rates(outcomes))


def check_performance(monitor: MonitorSpec, outcomes: Outcomes, reference: OutcomeProfile | None) -> Finding | None:
    """Value: AUC of the reference minus AUC of the window. Fails when it has surely fallen by more than the threshold.

    None without a reference of both classes: there is nothing to have fallen from. The reference has rows and no days; its
    variance is widened by what the days widen that of the window.
    """
    if reference is None or not (reference.positive.rows and reference.negative.rows):
        return None
    if len(outcomes.days) < least_days(monitor):
        return _too_few(monitor, outcomes)
    if (found := measure_auc(outcomes)) is None:
        return _too_few(monitor, outcomes)
    before = binned_auc(reference.positive.counts, reference.negative.counts)
    own = auc_row_variance(found.value, int(outcomes.positives.sum()), int(outcomes.negatives.sum()))
    variance = ((found.high - found.low) / 2 / t_quantile(0.975, found.clusters - 1)) ** 2
    widened = max(1.0, variance / own) if own else 1.0
    variance += widened * auc_row_variance(before, reference.positive.rows, reference.negative.rows)
    loss = t_interval(before - found.value, variance, df=found.clusters - 1, level=0.95, n=found.n, clusters=found.clusters)
    text = f"AUC {found.value:.3f} over {len(outcomes.days)} days, {before:.3f} in the reference"
    return judged(monitor, loss, error=(loss.low, loss.high), text=text, side=1.0)


def report_quality(outcomes: Outcomes) -> list[Finding]:
    """AUC, Brier skill and calibration error: numbers that nobody is woken by, left out where they have no meaning."""
    found = []
    for name, interval in (("auc", measure_auc(outcomes)), ("brier_skill", measure_skill(outcomes))):
        if interval is not None:
            found.append(_reported(name, interval.value, interval.low, interval.high, interval.n))
    if (error := measure_error(outcomes)) is not None:
        found.append(_reported("ece", error, None, None, outcomes.labels))
    return found


def measure_auc(outcomes: Outcomes) -> Interval | None:
    """AUC clustered by day, None with fewer than two days of either class."""
    try:
        return auc_interval_binned(outcomes.positives, outcomes.negatives)
    except ValueError:
        return None


def measure_skill(outcomes: Outcomes) -> Interval | None:
    """Brier skill clustered by day, None with fewer than two days or one class only."""
    try:
        return brier_skill_interval(outcomes.squared_error, outcomes.label_sum.sum(axis=1), outcomes.count.sum(axis=1))
    except ValueError:
        return None


def measure_error(outcomes: Outcomes) -> float | None:
    """The plain calibration error, biased upwards; None without labels."""
    tables = (outcomes.count, outcomes.score_sum, outcomes.label_sum)
    return calibration_error_binned(*(table.sum(axis=0) for table in tables)) if outcomes.labels else None


def judged(
    monitor: MonitorSpec, interval: Interval, *, error: tuple[float, float], text: str, side: float | None = None
) -> Finding:
    """error: lower and upper bound of what the thresholds are about. The loudest that surely fails counts. side: of zero on
    which the thresholds lie, that of the value when left out.
    """
    limits = limits_of(monitor)
    low, high = error
    for severity, limit in limits:
        if low > limit:
            return Finding(severity, _check(monitor, interval, Verdict.FAIL, limit, None, text))
    severity, limit = limits[-1]  # the lowest one
    if high <= limit:  # and so every other: it passes as what it can do at its loudest
        return Finding(limits[0][0], _check(monitor, interval, Verdict.PASS, limit, None, text))
    more = rows_still_needed(interval, math.copysign(limit, side or interval.value))
    needed = more if 0 < more < NEVER else None
    wanted = f"; about {needed:,} more labels would decide" if needed else ""
    return Finding(severity, _check(monitor, interval, Verdict.INCONCLUSIVE, limit, needed, text + wanted))


def _check(monitor: MonitorSpec, interval: Interval, verdict: Verdict, limit: float, needed: int | None, text: str) -> Check:
    value, low, high = interval[:3]
    return Check(monitor.name, verdict, value, low, high, limit, interval.n, still_needed=needed, text=text)


def _too_few(monitor: MonitorSpec, outcomes: Outcomes) -> Finding:
    (severity, _), (_, limit) = limits_of(monitor)[0], limits_of(monitor)[-1]
    days, least = len(outcomes.days), least_days(monitor)
    needed = math.ceil((least - days) * outcomes.labels / days) if days else None
    about = f", about {needed:,} more labels" if needed else ""
    text = f"{days} of {least} days with labels{about}"
    check = Check(monitor.name, Verdict.INCONCLUSIVE, threshold=limit, n=outcomes.labels, still_needed=needed, text=text)
    return Finding(severity, check)


def _reported(name: str, value: float, low: float | None, high: float | None, n: int) -> Finding:
    return Finding(Severity.REPORT, Check(name, Verdict.PASS, value, low, high, n=n))


def _rates(outcomes: Outcomes) -> str:
    return f"predicted {outcomes.predicted:.1%}, realised {outcomes.realised:.1%} over {len(outcomes.days)} days"
