"""Monitors over days as one drawing: a strip for each, a cell a day, alerts framed, and across all what happened. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from shipway.monitor import Alert, DayVerdict, Event, EventKind, Reading, Severity
from shipway.web._loudness import loudest, said_word, tone_of
from shipway.web._timeline import Scale, Tick
from shipway.web._words import title_of

ROW, TOP, AXIS = 29, 12, 20  # pixels: a strip with its title, a line of what happened, the days
_MOST_DAYS, _MOST_TICKS = 400, 7
_NEAR = timedelta(days=90)  # after the newest judged day: longer than most labels take
_MARKS = {EventKind.DEPLOY: "release", EventKind.CODE: "code", EventKind.DATA: "data", EventKind.PROVIDER: "provider",
          EventKind.LABELS: "labels", EventKind.GAP: "lost rows"}  # fmt: skip
_ROOM = 1.6  # per cent of the width that a letter of a label takes on a telephone
_LINES = 3  # of labels at most; each stands in the first that has room


@dataclass(frozen=True, slots=True)
class Cell:
    """Days in a row of one tone; x, width: per cent."""

    x: str
    width: str
    tone: str
    title: str


@dataclass(frozen=True, slots=True)
class Frame:
    """The days of an alert."""

    x: str
    width: str
    level: str
    title: str


@dataclass(frozen=True, slots=True)
class Strip:
    """One monitor; y: pixels."""

    title: str
    y: int
    cells: tuple[Cell, ...]
    frames: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class EventMark:
    """A line across all strips; label: empty where there is no room for it; y: its line, in pixels."""

    x: str
    y: int
    label: str
    anchor: str
    kind: str
    title: str


@dataclass(frozen=True, slots=True)
class Strips:
    """All of the drawing."""

    first: date
    last: date
    height: int
    axis_y: int
    tick_y: int
    strips: tuple[Strip, ...]
    marks: tuple[EventMark, ...]
    ticks: tuple[Tick, ...]


Said = Mapping[str, Mapping[date, str]]
"""The tone of what each monitor said on each day, the loudest where it said more than once."""


def said_by(days: Sequence[DayVerdict], readings: Sequence[Reading]) -> Said:
    """By monitor, in the order of the findings; numbers that are only reported are left out.

    The history of a reading has no severity: the newest one's is that of all its points.
    """
    found: dict[str, dict[date, list[str]]] = {}
    for day in days:
        for finding in day.findings:
            if finding.severity is not Severity.REPORT:
                family, tone = finding.check.name.partition(".")[0], tone_of(finding.check.verdict, finding.severity)
                found.setdefault(family, {}).setdefault(day.day, []).append(tone)
    for reading in readings:
        for point in reading.history:
            tone = tone_of(point.verdict, reading.severity)
            found.setdefault(reading.monitor, {}).setdefault(point.at.date(), []).append(tone)
    return {name: {day: loudest(tones) for day, tones in sorted(told.items())} for name, told in found.items()}


def last_day(said: Said, judged: date | None) -> date | None:
    """Where a drawing ends: readings are of the wall clock, and belong to it unless the judged days are a replay."""
    told = [day for days in said.values() for day in days]
    if judged is None:
        return max(told, default=None)
    return max([judged, *(day for day in told if day <= judged + _NEAR)])


def make_strips(
    said: Said, alerts: Sequence[Alert], events: Sequence[Event], *, first: date | None = None, last: date | None = None
) -> Strips | None:
    """The drawing from first to last (of what was said, when left out), at most 400 days; None where nothing was said."""
    told = [day for days in said.values() for day in days]
    if not told:
        return None
    last = last or max(told)
    first = max(first or min(told), last - timedelta(days=_MOST_DAYS - 1))
    scale = Scale(first, max(first, last))
    names = [name for name, days in said.items() if any(first <= day <= last for day in days)]
    marks = _marks([event for event in events if first <= event.day <= last], scale)
    top = max([TOP, *(mark.y for mark in marks)]) + TOP
    strips = tuple(_strip(name, top + ROW * at, said[name], alerts, scale, last) for at, name in enumerate(names))
    axis = top + ROW * len(names)
    return Strips(first, last, axis + AXIS, axis, top - 4, strips, marks, _ticks(scale))


def _strip(name: str, y: int, days: Mapping[date, str], alerts: Sequence[Alert], scale: Scale, last: date) -> Strip:
    runs: list[tuple[date, date, str]] = []
    for day, tone in days.items():
        if scale.first <= day <= last:
            if runs and runs[-1][2] == tone and day == runs[-1][1] + timedelta(days=1):
                runs[-1] = (runs[-1][0], day, tone)
            else:
                runs.append((day, day, tone))
    cells = tuple(
        Cell(_percent(scale.x(begin)), _percent(scale.width((end - begin).days + 1)), tone, _span(begin, end, tone))
        for begin, end, tone in runs
    )
    mine = [alert for alert in alerts if alert.monitor.partition(".")[0] == name]
    return Strip(title_of(name), y, cells, tuple(_frame(alert, scale, last) for alert in mine if _inside(alert, scale, last)))


def _span(begin: date, end: date, tone: str) -> str:
    return f"{begin}: {said_word(tone)}" if begin == end else f"{begin} to {end}: {said_word(tone)}"


def _inside(alert: Alert, scale: Scale, last: date) -> bool:
    return alert.first_day <= last and (alert.open or alert.last_day >= scale.first)


def _frame(alert: Alert, scale: Scale, last: date) -> Frame:
    begin, end = max(alert.first_day, scale.first), min(last, last if alert.open else alert.last_day)
    until = "still open" if alert.open else f"to {alert.last_day}"
    title = f"{alert.severity}: {title_of(alert.monitor)} from {alert.first_day} {until}"
    width = scale.width(max(1, (end - begin).days + 1))
    return Frame(_percent(scale.x(begin)), _percent(width), alert.severity.value, title)


def _marks(events: Sequence[Event], scale: Scale) -> tuple[EventMark, ...]:
    """One for each day, with a label where there is room; what counts most gives the line its look."""
    days: dict[date, list[Event]] = {}
    for event in events:
        days.setdefault(event.day, []).append(event)
    marks, free = [], [0.0] * _LINES
    for day, found in sorted(days.items()):
        kinds = [kind for kind in _MARKS if any(event.kind is kind for event in found)]
        label, x, late = ", ".join(_MARKS[kind] for kind in kinds), scale.x(day), scale.x(day) > 85
        width = _ROOM * (len(label) + 2)
        line = next((number for number, end in enumerate(free) if (x - width if late else x) >= end), None)
        if line is not None:
            free[line] = x if late else x + width
        shown, y = ("", 0) if line is None else (label, TOP * (line + 1))
        title = f"{day}: {'; '.join(event.text for event in found)}"
        marks.append(EventMark(_percent(x), y, shown, "end" if late else "start", kinds[0].value, title))
    return tuple(marks)


def _ticks(scale: Scale) -> tuple[Tick, ...]:
    step = max(1, -(-scale.days // _MOST_TICKS))
    days = [scale.first + timedelta(days=number) for number in range(0, scale.days, step)]
    return tuple(Tick(_percent(scale.x(day)), f"{day:%b} {day.day}") for day in days if scale.x(day) < 94)


def _percent(value: float) -> str:
    return f"{value:.3f}%"
