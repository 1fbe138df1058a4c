"""Rows of the page's tables: checks, moves, alerts, gaps. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check
from shipway.kernel.clock import parse_instant
from shipway.kernel.digest import is_digest
from shipway.monitor import Alert, DayVerdict, Severity
from shipway.web._facts import Move
from shipway.web._words import ReleaseName, Stamp, amount, between, count, limit, number, release_name, stamp, title_of

_LOUD = (Severity.PAGE, Severity.TICKET)


@dataclass(frozen=True, slots=True)
class CheckRow:
    """A measurement against its threshold."""

    verdict: str
    name: str
    value: str
    interval: str
    threshold: str
    n: str
    text: str


@dataclass(frozen=True, slots=True)
class MoveRow:
    """A record of a ref's history. mark: how it looks (moved, returned, refused)."""

    when: Stamp
    who: str
    source: ReleaseName | None
    target: ReleaseName | None
    changed: str
    why: str
    mark: str
    missing: tuple[str, ...]
    self_approved: bool


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert; until: the day on which it was resolved; lasted in words; text: of its last failing day."""

    severity: str
    open: bool
    monitor: str
    value: str
    interval: str
    threshold: str
    since: str
    until: str
    lasted: str
    release: ReleaseName
    text: str


@dataclass(frozen=True, slots=True)
class GapRow:
    """Rows that a log has lost."""

    stream: str
    source: str
    size: str
    between: str
    recorded: Stamp | None


@dataclass(frozen=True, slots=True)
class Drifted:
    """A feature whose distribution has moved, with its index."""

    feature: str
    value: str


def check_row(check: Check) -> CheckRow:
    n = f"{check.n:,}" if check.n is not None else ""
    needed = f"about {check.still_needed:,} more needed" if check.still_needed else ""
    text = "; ".join(filter(None, (check.text, needed)))
    values = amount(check.name, check.value), between(check.name, check.low, check.high), limit(check.name, check.threshold)
    return CheckRow(check.verdict.value, check.name, *values, n, text)


def move_row(move: Move, now: datetime) -> MoveRow:
    mark = "forced" if move.forced else "returned" if move.moved and move.action == "return" else move.outcome
    verdict = move.verdict
    return MoveRow(
        when=stamp(move.when, now),
        who=move.who,
        source=release_name(move.source) if move.source else None,
        target=release_name(move.target) if move.target else None,
        changed=", ".join(move.changed),
        why=move.why,
        mark=mark,
        missing=verdict.missing if verdict and (move.forced or not move.moved) else (),
        self_approved=verdict is not None and verdict.self_approved,
    )


def alert_rows(alerts: Sequence[Alert]) -> tuple[AlertRow, ...]:
    """What pages or opens a ticket: open before resolved, then the newest first."""
    loud = [alert for alert in alerts if alert.severity in _LOUD]
    return tuple(alert_row(alert) for alert in sorted(loud, key=lambda alert: (alert.open, alert.first_day), reverse=True))


def alert_row(alert: Alert) -> AlertRow:
    """One alert in the words of a page."""
    return AlertRow(
        severity=alert.severity.value,
        open=alert.open,
        monitor=title_of(alert.monitor),
        value=amount(alert.monitor, alert.value),
        interval=between(alert.monitor, alert.low, alert.high),
        threshold=limit(alert.monitor, alert.threshold),
        since=alert.first_day.isoformat(),
        until=alert.resolved.isoformat() if alert.resolved else "",
        lasted=count((alert.last_day - alert.first_day).days + 1, "day"),
        release=release_name(alert.release),
        text=alert.text,
    )


def drifted(day: DayVerdict) -> tuple[Drifted, ...]:
    """Features beyond their threshold on one day, the farthest first."""
    checks = [f.check for f in day.findings if f.severity is Severity.INFORM and f.check.verdict == "fail"]
    far = sorted(checks, key=lambda check: -abs(check.value or 0.0))
    return tuple(Drifted(check.name.partition(".")[2] or check.name, number(check.value)) for check in far)


def gap_row(gap: JsonObject, now: datetime) -> GapRow:
    """A gap as the monitor wrote it: rows where they were counted, bytes where only a damaged segment is left."""
    rows, lost = gap.get("rows"), gap.get("bytes")
    sizes = [f"{value:,} {noun}" for value, noun in ((rows, "rows"), (lost, "bytes")) if isinstance(value, int) and value]
    ends = [str(end)[:19].replace("T", " ") for end in (gap.get("first"), gap.get("last")) if end]
    recorded = gap.get("recorded")
    return GapRow(
        stream=str(gap.get("stream")),
        source=str(gap.get("source")),
        size=", ".join(sizes) or "size not known",
        between=" to ".join(ends),
        recorded=stamp(parse_instant(recorded), now) if isinstance(recorded, str) else None,
    )


def evidence_count(evidence: Sequence[str]) -> str:
    """How many signed statements a verdict cites."""
    return count(len([digest for digest in evidence if is_digest(digest)]), "signed statement")
