"""The thresholds of a monitor, by how loud they are."""

from __future__ import annotations

from shipway.kernel.check import Check, Verdict
from shipway.monitor._verdict import Finding, Severity
from shipway.spec import MonitorSpec


def limits_of(monitor: MonitorSpec) -> list[tuple[Severity, float]]:
    """The thresholds that are given, the loudest first."""
    given = [(Severity.PAGE, monitor.page), (Severity.TICKET, monitor.ticket), (Severity.INFORM, monitor.inform)]
    return [(severity, limit) for severity, limit in given if limit is not None]


def exceeded(monitor: MonitorSpec, value: float) -> tuple[Severity, float] | None:
    """The loudest threshold that a number is above."""
    return next(((severity, limit) for severity, limit in limits_of(monitor) if value > limit), None)


def undecided(monitor: MonitorSpec, text: str, *, value: float | None = None, n: int = 0, needed: int | None = None) -> Finding:
    """An honest not-yet, at the lowest threshold and as loud as that could be; the monitor has one."""
    severity, (_, limit) = limits_of(monitor)[0][0], limits_of(monitor)[-1]
    check = Check(monitor.name, Verdict.INCONCLUSIVE, value, threshold=limit, n=n, still_needed=needed, text=text)
    return Finding(severity, check)
