"""One lane of a timeline: a monitor's number with its interval over days, its threshold, its alerts. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from shipway.kernel.check import Check
from shipway.monitor import Alert, DayVerdict, Severity
from shipway.web._words import SIGNED, interval, limit, number, title_of

LANE, BOX_WIDTH = 64, 1000
_FIRST = ("calibration", "base_rate")
_REPORTED = ("auc",)  # of the numbers that are only reported, those with a lane
_COUNTED = ("schema", "dead_columns")  # each of their alerts has a name of its own, and a lane of zeros says nothing
_ONE_DAY = timedelta(days=1)

Place = Callable[..., float]
"""Per cent of the width at a day, with `part` of it."""


@dataclass(frozen=True, slots=True)
class Span:
    """The days of an alert."""

    x: str
    width: str
    level: str
    title: str


@dataclass(frozen=True, slots=True)
class Lane:
    """lines and bands: point lists in the box of the lane; thresholds and top, zero: pixels from the lane's top."""

    title: str
    value: str
    interval: str
    verdict: str
    y: int
    lines: tuple[str, ...]
    bands: tuple[str, ...]
    thresholds: tuple[str, ...]
    threshold: str
    zero: str
    high: str
    low: str
    spans: tuple[Span, ...]


class _Point(NamedTuple):
    """A day's number and its interval, both ends the number itself where there is none."""

    day: date
    low: float
    value: float
    high: float


class _Range(NamedTuple):
    """The numbers at the bottom and at the top of a lane."""

    low: float
    high: float

    def y(self, value: float) -> float:
        inside = min(max(value, self.low), self.high)
        return LANE * (self.high - inside) / (self.high - self.low)


def monitors_of(days: Sequence[DayVerdict]) -> list[str]:
    """The monitors that get a lane: what is judged, then what is reported beside it; drift informs and gets none."""
    findings = [finding for day in days for finding in day.findings]
    seen = dict.fromkeys(found.check.name for found in findings if _drawn(found.severity, found.check))
    return sorted(seen, key=lambda name: (name in _REPORTED, name not in _FIRST))


def make_lane(monitor: str, days: Sequence[DayVerdict], alerts: Sequence[Alert], place: Place, y: int) -> Lane:
    """The lane of one monitor; `y` is its top in pixels."""
    checks = [(day, finding.check) for day in days for finding in day.findings if finding.check.name == monitor]
    runs = list(_runs(checks))
    threshold = next((check.threshold for _, check in reversed(checks) if check.threshold is not None), None)
    span = _range(monitor, [point for run in runs for point in run], threshold)
    newest = next((check for _, check in reversed(checks) if check.value is not None), None)
    sides = (1, -1) if monitor in SIGNED else (1,)
    return Lane(
        title=title_of(monitor),
        value=number(newest.value) if newest else "not yet",
        interval=interval(newest.low, newest.high) if newest else "",
        verdict=newest.verdict.value if newest and threshold is not None else "",
        y=y,
        lines=tuple(_line(run, span, place) for run in runs),
        bands=tuple(_band(run, span, place) for run in runs),
        thresholds=tuple(_pixels(span.y(threshold * side)) for side in sides) if threshold is not None else (),
        threshold=limit(monitor, threshold),
        zero=_pixels(span.y(0.0)) if span.low < 0 < span.high else "",
        high=number(span.high),
        low=number(span.low),
        spans=tuple(_span(alert, days[-1].day, place) for alert in alerts if alert.monitor == monitor),
    )


def _drawn(severity: Severity, check: Check) -> bool:
    if severity is Severity.REPORT:
        return check.name in _REPORTED
    return "." not in check.name and check.name not in _COUNTED


def _runs(checks: Sequence[tuple[DayVerdict, Check]]) -> Iterator[list[_Point]]:
    """Days in a row with a number, of one release: a line is not drawn over days that nobody has measured."""
    run: list[_Point] = []
    release = ""
    for day, check in checks:
        if run and (check.value is None or day.release != release or day.day != run[-1].day + _ONE_DAY):
            yield run
            run = []
        if check.value is not None:
            low, high = (check.value if end is None else end for end in (check.low, check.high))
            run.append(_Point(day.day, low, check.value, high))
            release = day.release
    if run:
        yield run


def _range(monitor: str, points: Sequence[_Point], threshold: float | None) -> _Range:
    """Wide enough for the numbers and the threshold; of the intervals the widest tenth may be cut off."""
    highs, lows = sorted(point.high for point in points), sorted(point.low for point in points)
    values = [point.value for point in points] or [threshold or 0.0]
    most = max(values + highs[: 1 + len(highs) * 9 // 10])
    least = min(values + lows[len(lows) // 10 :])
    if threshold is None:
        pad = max(0.01, 0.08 * (most - least))
        return _Range(least - pad, most + pad)
    least = min(least, -1.3 * threshold if monitor in SIGNED else 0.0)
    return _Range(least, max(1.05 * most, 1.3 * threshold))


def _line(run: Sequence[_Point], span: _Range, place: Place) -> str:
    return _points([(x, span.y(point.value)) for x, point in _places(run, place)])


def _band(run: Sequence[_Point], span: _Range, place: Place) -> str:
    placed = list(_places(run, place))
    upper = [(x, span.y(point.high)) for x, point in placed]
    lower = [(x, span.y(point.low)) for x, point in reversed(placed)]
    return _points(upper + lower)


def _places(run: Sequence[_Point], place: Place) -> Iterator[tuple[float, _Point]]:
    """From the beginning of the first day to the end of the last, so that one day alone can be seen."""
    yield place(run[0].day), run[0]
    for point in run:
        yield place(point.day, part=0.5), point
    yield place(run[-1].day, part=1.0), run[-1]


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x * BOX_WIDTH / 100:.1f},{y:.1f}" for x, y in points)


def _span(alert: Alert, newest: date, place: Place) -> Span:
    start = max(0.0, place(alert.first_day))
    end = place(newest if alert.open else alert.last_day, part=1.0)
    until = "still open" if alert.open else f"to {alert.last_day}"
    title = f"{alert.severity}: {title_of(alert.monitor)} from {alert.first_day} {until}"
    return Span(f"{start:.3f}%", f"{max(0.0, end - start):.3f}%", alert.severity.value, title)


def _pixels(y: float) -> str:
    return f"{y:.1f}"
