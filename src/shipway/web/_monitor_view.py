"""The Monitor page of a deployment, from facts to what a template draws. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from shipway.kernel.check import Check
from shipway.monitor import DayVerdict, Event, Incident, Reading, Severity, Silence
from shipway.spec import MonitorSpec
from shipway.web._loudness import TONES, said_word, tone_of
from shipway.web._strips import Strips, last_day, make_strips, said_by
from shipway.web._words import Stamp, amount, between, limit, listed, span, stamp, title_of

_SHOWN = 3  # findings of one monitor that are told apart
_EVENTS = 40  # of what happened, the newest: the drawing has them all


@dataclass(frozen=True, slots=True)
class MonitorRow:
    """What a monitor said last, in a word and its tone; when: the day or moment, empty where it has not spoken."""

    monitor: str
    severity: str
    tone: str
    says: str
    value: str
    interval: str
    threshold: str
    text: str
    window: str
    when: str
    silenced: str


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One incident in a list."""

    id: str
    severity: str
    open: bool
    title: str
    since: str
    until: str
    cause: str


@dataclass(frozen=True, slots=True)
class MonitorPage:
    """All monitors of a deployment on one timeline; unfit: those that have nothing to look at, and why, in words."""

    ref: str
    name: str
    strips: Strips | None
    rows: tuple[MonitorRow, ...]
    unfit: str
    incidents: tuple[IncidentRow, ...]
    silences: tuple[SilenceRow, ...]
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class SilenceRow:
    """Who does not want to hear of what, until when, and why."""

    monitor: str
    who: str
    why: str
    until: Stamp


def make_monitor_page(
    ref: str,
    monitors: Sequence[MonitorSpec],
    days: Sequence[DayVerdict],
    readings: Sequence[Reading],
    incidents: Sequence[Incident],
    events: Sequence[Event],
    silences: Sequence[Silence],
    *,
    unfit: Mapping[str, str],
    now: datetime,
) -> MonitorPage:
    """monitors: those that are on; days: by day; incidents: the newest first; unfit: of monitors that have nothing to look at,
    why: they have no row, unless they have said something all the same.
    """
    alerts = [alert for incident in incidents for alert in (*incident.alerts, *incident.informing)]
    said = said_by(days, readings)
    last = last_day(said, days[-1].day if days else None)
    strips = make_strips(said, alerts, events, first=days[0].day if days else None, last=last)
    told = {monitor.name: _rows(monitor, days[-1:], readings, silences, now) for monitor in monitors}
    absent = [name for name, rows in told.items() if name in unfit and not any(row.when for row in rows)]
    rows = [row for name, rows in told.items() if name not in absent for row in rows]
    return MonitorPage(
        ref=ref,
        name=ref.removeprefix("deploy/"),
        strips=strips,
        rows=tuple(sorted(rows, key=lambda row: _ORDER.index(row.tone))),
        unfit=_unfit_words({name: unfit[name] for name in absent}),
        incidents=tuple(incident_row(incident) for incident in incidents),
        silences=silence_rows(silences, now),
        events=tuple(event for event in reversed(events) if strips and strips.first <= event.day <= strips.last)[:_EVENTS],
    )


_ORDER = (*TONES[:-1], "", TONES[-1])  # what has said nothing stands before what passes


def _unfit_words(unfit: Mapping[str, str]) -> str:
    """Monitors with their reason, those that share one together.

    >>> _unfit_words({"calibration": "a number", "segments": "none are declared", "base_rate": "a number"})
    'Calibration error, Base-rate error (a number); Segments (none are declared)'
    """
    why = dict.fromkeys(unfit.values())
    return "; ".join(f"{', '.join(title_of(name) for name in unfit if unfit[name] == one)} ({one})" for one in why)


def incident_row(incident: Incident) -> IncidentRow:
    loudest = [alert for alert in incident.alerts if alert.severity is incident.severity]
    return IncidentRow(
        id=incident.id,
        severity=incident.severity.value,
        open=incident.open,
        title=listed(list(dict.fromkeys(title_of(alert.monitor) for alert in [*loudest, *incident.alerts])), most=3),
        since=incident.first_day.isoformat(),
        until="" if incident.open else incident.last_day.isoformat(),
        cause=f"{incident.causes[0].likelihood}: {incident.causes[0].text}" if incident.causes else "",
    )


def silence_rows(silences: Sequence[Silence], now: datetime) -> tuple[SilenceRow, ...]:
    return tuple(
        SilenceRow("all monitors" if one.monitor == "*" else title_of(one.monitor), one.who, one.why, stamp(one.until, now))
        for one in silences
    )


def _rows(
    monitor: MonitorSpec, newest: Sequence[DayVerdict], readings: Sequence[Reading], silences: Sequence[Silence], now: datetime
) -> list[MonitorRow]:
    """One row, or a row for each of the worst findings of a monitor of columns."""
    quiet = next((f"silenced until {one.until:%Y-%m-%d %H:%M}" for one in silences if one.covers(monitor.name, now)), "")
    for reading in readings:
        if reading.monitor == monitor.name:
            when = f"{reading.at:%Y-%m-%d %H:%M}"
            return [_row(monitor, reading.check, reading.severity, when, quiet)]
    found = [
        (finding.severity, finding.check, day.day)
        for day in newest
        for finding in day.findings
        if finding.check.name.partition(".")[0] == monitor.name
    ]
    found.sort(key=lambda one: (_ORDER.index(tone_of(one[1].verdict, one[0])), -(one[1].value or 0.0)))
    if not found:
        return [MonitorRow(title_of(monitor.name), "", "", "", "", "", "", "", span(monitor.window), "", quiet)]
    return [_row(monitor, check, severity, _day(day), quiet) for severity, check, day in found[:_SHOWN]]


def _row(monitor: MonitorSpec, check: Check, severity: Severity, when: str, quiet: str) -> MonitorRow:
    tone = tone_of(check.verdict, severity)
    return MonitorRow(
        monitor=title_of(check.name),
        severity=severity.value,
        tone=tone,
        says=said_word(tone),
        value=amount(monitor.name, check.value),
        interval=between(monitor.name, check.low, check.high),
        threshold=limit(monitor.name, check.threshold),
        text=check.text,
        window=span(monitor.window),
        when=when,
        silenced=quiet,
    )


def _day(day: date) -> str:
    return day.isoformat()
