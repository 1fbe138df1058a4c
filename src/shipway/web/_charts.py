"""Two small drawings: a number over the moments it was read, and intervals beside each other. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from shipway.kernel.check import Verdict
from shipway.monitor import ReadingPoint

CHART, BOX_WIDTH = 56, 1000  # pixels high; units of the box that is stretched to the width


@dataclass(frozen=True, slots=True)
class Run:
    """Readings in a row of one verdict: a piece of the strip."""

    x: str
    width: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Chart:
    """line: points in the box; threshold: pixels from the top, empty without one; high: the largest number."""

    line: str
    threshold: str
    high: str
    first: str
    last: str
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """An interval and its value, in per cent of the width."""

    low: str
    high: str
    value: str


def make_chart(history: Sequence[ReadingPoint], threshold: float | None, words: Callable[[float], str]) -> Chart | None:
    """From 0 to what is largest; None with fewer than two numbers. words: a number as people read it."""
    points = [(point, value) for point in history if (value := point.value) is not None]
    if len(points) < 2:
        return None
    begin, end = history[0].at, history[-1].at
    length = (end - begin).total_seconds() or 1.0
    places = [(point.at - begin).total_seconds() / length for point in history]
    top = max([1.1 * value for _, value in points] + [1.6 * (threshold or 0.0)]) or 1.0
    line = [((point.at - begin).total_seconds() / length, CHART * (1 - max(0.0, value) / top)) for point, value in points]
    several = begin.date() != end.date()
    return Chart(
        line=" ".join(f"{x * BOX_WIDTH:.1f},{y:.1f}" for x, y in line),
        threshold=f"{CHART * (1 - threshold / top):.1f}" if threshold is not None else "",
        high=words(max(value for _, value in points)),
        first=f"{begin:%b} {begin.day} {begin:%H:%M}" if several else f"{begin:%H:%M}",
        last=f"{end:%b} {end.day} {end:%H:%M}" if several else f"{end:%H:%M} UTC",
        runs=tuple(_runs(history, places)),
    )


def make_bar(value: float, low: float | None, high: float | None, *, top: float) -> Bar:
    """On a scale from 0 to `top`; what is outside of it is drawn at its end."""

    def place(number: float) -> str:
        return f"{100 * min(1.0, max(0.0, number / top if top else 0.0)):.2f}%"

    return Bar(place(value if low is None else low), place(value if high is None else high), place(value))


def _runs(history: Sequence[ReadingPoint], places: Sequence[float]) -> Iterator[Run]:
    """Each reading holds until the next one; the last one has the width of a point."""
    start = 0
    for number in range(1, len(history) + 1):
        if number == len(history) or history[number].verdict != history[start].verdict:
            end = places[number] if number < len(history) else 1.0
            yield _run(places[start], end, history[start].verdict)
            start = number


def _run(start: float, end: float, verdict: Verdict) -> Run:
    width = max(end - start, 0.01)
    return Run(f"{100 * min(start, 1 - width):.2f}%", f"{100 * width:.2f}%", verdict.value)
