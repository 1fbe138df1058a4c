"""A check as a picture: the interval, the value in it, and the line that it must not cross. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from shipway.kernel.check import Check

_MARGIN = 0.15  # of the span, left free at both ends


@dataclass(frozen=True, slots=True)
class Whisker:
    """Places in per cent of the width; threshold is empty without one. said: the same in words, for who does not see it."""

    low: str
    high: str
    value: str
    threshold: str
    said: str


def make_whisker(check: Check) -> Whisker | None:
    """None where there is nothing to see: no number, or neither an interval nor a threshold."""
    value, threshold = check.value, check.threshold
    exact = check.low is None or check.high is None
    if value is None or (exact and threshold in (None, value)):
        return None
    low, high = (value if end is None else end for end in (check.low, check.high))
    points = [low, value, high, *([] if threshold is None else [threshold])]
    least, most = min(points), max(points)
    span = (most - least) or abs(most) or 1.0
    start, width = least - _MARGIN * span, (most - least) + 2 * _MARGIN * span

    def place(number: float) -> str:
        return f"{100 * (number - start) / width:.2f}%"

    limit = "" if threshold is None else place(threshold)
    said = f"{value:.4g} in {low:.4g} to {high:.4g}" + ("" if threshold is None else f", threshold {threshold:.4g}")
    return Whisker(place(low), place(high), place(value), limit, said)
