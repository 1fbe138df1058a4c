"""The judged days of a deployment as a drawing: lanes of numbers over days, alerts behind them, moves across them. Pure.

Horizontal places are per cent of the width, so that the drawing fits a telephone and a wall; the lines of a lane are in
a box of BOX_WIDTH x LANE units that is stretched to the same width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from shipway.kernel.digest import short
from shipway.monitor import DayVerdict, Severity
from shipway.web._facts import DeploymentFacts
from shipway.web._lanes import LANE, Lane, make_lane, monitors_of
from shipway.web._words import count, interval, limit, number, title_of

_TOP, _STRIP, _LANE_GAP, _TITLE, _AXIS = 18, 8, 14, 20, 20  # pixels: mark labels, strip of verdicts, ...
_MOST_TICKS = 13


@dataclass(frozen=True, slots=True)
class Mark:
    """A release that took over: a line across all lanes, with a label where there is room."""

    x: str
    label: str
    anchor: str
    title: str


@dataclass(frozen=True, slots=True)
class DayCell:
    """One judged day: its verdict in the strip, and all its numbers for whoever points at it."""

    x: str
    width: str
    verdict: str
    title: str


@dataclass(frozen=True, slots=True)
class Tick:
    """The first of a month, or a day where the whole is short."""

    x: str
    text: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """All of the drawing; heights and places from the top are pixels."""

    first: date
    last: date
    caption: str
    height: int
    strip_y: int
    axis_y: int
    lanes: tuple[Lane, ...]
    marks: tuple[Mark, ...]
    cells: tuple[DayCell, ...]
    ticks: tuple[Tick, ...]


class Scale:
    """Days to per cent: every day is as wide as any other, judged or not."""

    def __init__(self, first: date, last: date) -> None:
        self.first, self.days = first, (last - first).days + 1

    def x(self, day: date, *, part: float = 0.0) -> float:
        """Per cent of the width at the beginning of the day, or at a part of it."""
        return 100 * ((day - self.first).days + part) / self.days

    def width(self, days: int = 1) -> float:
        return 100 * days / self.days


def make_timeline(facts: DeploymentFacts) -> Timeline | None:
    """The drawing of a deployment's judged days; None when there are none."""
    days = facts.days
    if not days:
        return None
    scale, top = Scale(days[0].day, days[-1].day), _TOP + _STRIP
    lanes = []
    for monitor in monitors_of(days):
        top += _LANE_GAP + _TITLE
        lanes.append(make_lane(monitor, days, facts.alerts, scale.x, top))
        top += LANE
    return Timeline(
        first=days[0].day,
        last=days[-1].day,
        caption=_caption(days),
        height=top + _AXIS,
        strip_y=_TOP,
        axis_y=top,
        lanes=tuple(lanes),
        marks=_marks(facts, scale),
        cells=tuple(_cell(day, scale) for day in days),
        ticks=_ticks(scale),
    )


def _caption(days: Sequence[DayVerdict]) -> str:
    newest = days[-1]
    window = count((newest.day - newest.first_day).days + 1, "day")
    labels = f"{newest.labels:,} of {newest.rows:,} rows labelled"
    return f"{days[0].day} to {newest.day}: {count(len(days), 'verdict')}, each on {window}; the last with {labels}"


def _cell(day: DayVerdict, scale: Scale) -> DayCell:
    lines = [f"{day.day}: {day.verdict}, release {short(day.release)}, {count(day.labels, 'label')}"]
    for finding in day.findings:
        check = finding.check
        if finding.severity is not Severity.INFORM and check.value is not None:
            over = f", threshold {limit(check.name, check.threshold)}" if check.threshold is not None else ""
            lines.append(f"{title_of(check.name)} {number(check.value)} {interval(check.low, check.high)}{over}")
    return DayCell(_percent(scale.x(day.day)), _percent(scale.width()), day.verdict.value, "\n".join(lines))


def _marks(facts: DeploymentFacts, scale: Scale) -> tuple[Mark, ...]:
    """Where another release took over: in the days themselves, and moves of the ref that fall among them."""
    found: dict[tuple[date, str], str] = {}
    for before, day in zip([None, *facts.days], facts.days, strict=False):
        if before is None or before.release != day.release:
            found[day.day, short(day.release)] = f"{day.day}: release {short(day.release)} answers from here"
    for move in facts.history:
        day_moved = move.when.date()
        if move.moved and move.target and 0 <= (day_moved - scale.first).days < scale.days:
            title = f"{move.when:%Y-%m-%d %H:%M}: {move.who} moved {facts.ref} to {short(move.target)}. {move.why}"
            found[day_moved, short(move.target)] = title
    return _labelled(sorted(found.items()), scale)


def _labelled(found: Sequence[tuple[tuple[date, str], str]], scale: Scale) -> tuple[Mark, ...]:
    """A label for each mark that has room before the next one to its left: a short digest is up to a quarter of a telephone."""
    marks, free = [], 0.0
    for (day, release), title in found:
        x = scale.x(day)
        room, near_end = x >= free, x > 75
        marks.append(Mark(_percent(x), release if room else "", "end" if near_end else "start", title))
        free = x + 26 if room else free
    return tuple(marks)


def _ticks(scale: Scale) -> tuple[Tick, ...]:
    days = [scale.first + timedelta(days=number) for number in range(scale.days)]
    if scale.days <= 45:
        chosen = days[:: max(1, scale.days // 5)]
        return tuple(Tick(_percent(scale.x(day)), f"{day:%b} {day.day}") for day in chosen)
    firsts = [day for day in days if day.day == 1 and scale.x(day) < 97]
    step = -(-len(firsts) // _MOST_TICKS)
    return tuple(Tick(_percent(scale.x(day)), f"{day:%Y}" if day.month == 1 else f"{day:%b}") for day in firsts[::step])


def _percent(value: float) -> str:
    return f"{value:.3f}%"
