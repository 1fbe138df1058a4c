"""From a window to findings: what is judged against which threshold, and what is only reported. Pure.

Judged are calibration, base rate and drift; errors are clustered by day. Too few days are an honest not-yet.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from shipway.data import Drift
from shipway.kernel.check import Check, Verdict
from shipway.monitor._verdict import Finding, Severity
from shipway.monitor._window import Outcomes
from shipway.spec import MonitorSpec
from shipway.stats import (
    NEVER,
    Interval,
    auc_interval_binned,
    base_rate_interval,
    brier_skill_interval,
    calibration_error_binned,
    calibration_interval,
    rows_still_needed,
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
    return _judged(monitor, interval, error=(interval.low, interval.high), text=_rates(outcomes))


def check_base_rate(monitor: MonitorSpec, outcomes: Outcomes) -> Finding:
    """Value: predicted minus realised rate. Fails when its absolute value is surely above the threshold."""
    if len(outcomes.days) < least_days(monitor):
        return _too_few(monitor, outcomes)
    rows, scores, labels = (table.sum(axis=1) for table in (outcomes.count, outcomes.score_sum, outcomes.label_sum))
    interval = base_rate_interval(scores, labels, rows)
    low, high = sorted((abs(interval.low), abs(interval.high)))
    error = (0.0 if interval.low <= 0 <= interval.high else low, high)
    return _judged(monitor, interval, error=error, text=_rates(outcomes))


def check_drift(monitor: MonitorSpec, drifts: Mapping[str, Drift], rows: int) -> list[Finding]:
    """A finding `drift.<feature>` for each feature, by its population stability index. Informs, never pages."""
    found = []
    for feature, drift in drifts.items():
        if drift.psi is not None and monitor.inform is not None:
            verdict = Verdict.FAIL if drift.psi > monitor.inform else Verdict.PASS
            name = f"{monitor.name}.{feature}"
            found.append(Finding(Severity.INFORM, Check(name, verdict, drift.psi, threshold=monitor.inform, n=rows)))
    return found


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


def _judged(monitor: MonitorSpec, interval: Interval, *, error: tuple[float, float], text: str) -> Finding:
    """error: lower and upper bound of what the thresholds are about. The loudest that surely fails counts."""
    limits = _limits(monitor)
    low, high = error
    for severity, limit in limits:
        if low > limit:
            return Finding(severity, _check(monitor, interval, Verdict.FAIL, limit, None, text))
    severity, limit = limits[-1]  # the lowest one
    if high <= limit:  # and so every other: it passes as what it can do at its loudest
        return Finding(limits[0][0], _check(monitor, interval, Verdict.PASS, limit, None, text))
    more = rows_still_needed(interval, math.copysign(limit, interval.value))
    needed = more if 0 < more < NEVER else None
    wanted = f"; about {needed:,} more labels would decide" if needed else ""
    return Finding(severity, _check(monitor, interval, Verdict.INCONCLUSIVE, limit, needed, text + wanted))


def _limits(monitor: MonitorSpec) -> list[tuple[Severity, float]]:
    """Loudest first; a monitor has at least one."""
    given = [(Severity.PAGE, monitor.page), (Severity.INFORM, monitor.inform)]
    return [(severity, limit) for severity, limit in given if limit is not None]


def _check(monitor: MonitorSpec, interval: Interval, verdict: Verdict, limit: float, needed: int | None, text: str) -> Check:
    value, low, high = interval[:3]
    return Check(monitor.name, verdict, value, low, high, limit, interval.n, still_needed=needed, text=text)


def _too_few(monitor: MonitorSpec, outcomes: Outcomes) -> Finding:
    (severity, _), (_, limit) = _limits(monitor)[0], _limits(monitor)[-1]
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
