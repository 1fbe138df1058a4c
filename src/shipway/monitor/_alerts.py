"""Alerts: what failing checks become. Their whole life is a pure fold over the verdicts of the days.

An alert opens when its monitor fails, lasts while it fails, and is resolved by three days of pass, by a week without a
failing day, by a day on which its monitor says nothing (it was switched off, or its feature is gone), or by another
release taking over. A monitor has at most one open alert.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import cast

from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Verdict
from shipway.kernel.digest import Digest, parse_digest
from shipway.monitor._verdict import DayVerdict, Finding, Severity

QUIET_DAYS = 3  # of pass; a monitor that wavers round its threshold is one alert, not ten
CALM_DAYS = 7  # without a failing day: an interval as wide as these passes seldom, and an alert that never ends is not read
LOUDEST_FIRST = (Severity.PAGE, Severity.TICKET, Severity.INFORM)


@dataclass(frozen=True, slots=True)
class Alert:
    """A monitor of a deployment failing from first_day to last_day; the numbers and the text are those of last_day.

    resolved: the day that resolved it, None while it is open.
    """

    ref: str
    severity: Severity
    monitor: str
    value: float | None
    low: float | None
    high: float | None
    threshold: float | None
    first_day: date
    last_day: date
    release: Digest
    resolved: date | None = None
    text: str = ""

    @property
    def key(self) -> str:
        """The key of its row of state."""
        return f"{self.ref}/{self.monitor}/{self.first_day}"

    @property
    def open(self) -> bool:
        return self.resolved is None

    def to_json(self) -> JsonObject:
        """The value of its row of state."""
        return {
            "version": 1,
            "ref": self.ref,
            "severity": self.severity.value,
            "monitor": self.monitor,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "threshold": self.threshold,
            "first_day": self.first_day.isoformat(),
            "last_day": self.last_day.isoformat(),
            "release": self.release,
            "status": "open" if self.open else "resolved",
            "resolved_day": self.resolved.isoformat() if self.resolved else None,
            **({"text": self.text} if self.text else {}),
        }

    @classmethod
    def from_json(cls, record: JsonObject) -> Alert:
        """The inverse of to_json."""
        resolved = record["resolved_day"]
        return cls(
            ref=str(record["ref"]),
            severity=Severity(str(record["severity"])),
            monitor=str(record["monitor"]),
            **{name: cast("float | None", record[name]) for name in ("value", "low", "high", "threshold")},
            first_day=date.fromisoformat(str(record["first_day"])),
            last_day=date.fromisoformat(str(record["last_day"])),
            release=parse_digest(str(record["release"])),
            resolved=date.fromisoformat(str(resolved)) if resolved else None,
            text=str(record.get("text") or ""),
        )


def fold_alerts(verdicts: Iterable[DayVerdict]) -> tuple[Alert, ...]:
    """Every alert that the verdicts of one deployment, in the order of their days, have opened; oldest first."""
    lives: dict[str, _Life] = {}
    done: list[Alert] = []
    for verdict in verdicts:
        said = {finding.check.name for finding in verdict.findings if finding.severity is not Severity.REPORT}
        for monitor, life in list(lives.items()):
            if life.alert.release != verdict.release or monitor not in said:
                done.append(replace(lives.pop(monitor).alert, resolved=verdict.day))
        for finding in verdict.findings:
            done += _live(lives, finding, verdict)
    return tuple(sorted([*done, *(life.alert for life in lives.values())], key=lambda alert: (alert.first_day, alert.monitor)))


@dataclass(frozen=True, slots=True)
class _Life:
    """An open alert, how many passes it has seen since it failed last, and how many days."""

    alert: Alert
    passes: int = 0
    days: int = 0


def _live(lives: dict[str, _Life], finding: Finding, verdict: DayVerdict) -> list[Alert]:
    """Takes one finding into the open alerts; the alert that it resolves, if any."""
    monitor, life = finding.check.name, lives.get(finding.check.name)
    if finding.severity is Severity.REPORT:
        return []
    if finding.check.verdict is Verdict.FAIL:
        lives[monitor] = _Life(_opened(finding, verdict) if life is None else _extended(life.alert, finding, verdict))
    elif life is not None:
        passed = finding.check.verdict is Verdict.PASS
        life = lives[monitor] = replace(life, passes=life.passes + passed, days=life.days + 1)
        if life.passes >= QUIET_DAYS or life.days >= CALM_DAYS:
            return [replace(lives.pop(monitor).alert, resolved=verdict.day)]
    return []


def _opened(finding: Finding, verdict: DayVerdict) -> Alert:
    check = finding.check
    return Alert(
        ref=verdict.ref,
        severity=finding.severity,
        monitor=check.name,
        value=check.value,
        low=check.low,
        high=check.high,
        threshold=check.threshold,
        first_day=verdict.day,
        last_day=verdict.day,
        release=verdict.release,
        text=check.text,
    )


def _extended(alert: Alert, finding: Finding, verdict: DayVerdict) -> Alert:
    severity = min(alert.severity, finding.severity, key=LOUDEST_FIRST.index)
    return replace(_opened(finding, verdict), first_day=alert.first_day, severity=severity)
