"""Numbers, moments and names as a person reads them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest, short

_TITLES = {
    "calibration": "Calibration error",
    "base_rate": "Base-rate error",
    "auc": "ROC AUC",
    "brier": "Brier score",
    "brier_skill": "Brier skill",
    "log_loss": "Log loss",
    "ece": "Calibration error",
}
SIGNED = frozenset({"base_rate"})  # predicted minus realised rate, judged by its size
_AGES = ((86400 * 2, 86400, "days"), (3600 * 2, 3600, "h"), (60 * 2, 60, "min"), (0, 1, "s"))


@dataclass(frozen=True, slots=True)
class Stamp:
    """An instant: for machines, for people, and how long ago."""

    iso: str
    text: str
    ago: str


@dataclass(frozen=True, slots=True)
class ReleaseName:
    """A release as text: its short digest, and all of it for the address."""

    short: str
    digest: Digest


def title_of(monitor: str) -> str:
    """What people call a monitor.

    >>> title_of("base_rate"), title_of("drift.temp"), title_of("p95_latency")
    ('Base-rate error', 'Drift of temp', 'P95 latency')
    """
    monitor, _, feature = monitor.partition(".")
    if feature:
        return f"{monitor.capitalize()} of {feature}"
    return _TITLES.get(monitor) or monitor.replace("_", " ").capitalize()


def number(value: float | None) -> str:
    """Three decimals below a hundred, none above; counts as they are.

    >>> number(0.08123), number(27004.0), number(-0.5), number(-0.0001), number(None)
    ('0.081', '27,004', '-0.500', '0.000', '')
    """
    if value is None:
        return ""
    if value == int(value) and (value == 0 or abs(value) >= 1):
        return f"{int(value):,}"
    return f"{value:z.3f}" if abs(value) < 100 else f"{value:,.0f}"


def limit(monitor: str, value: float | None) -> str:
    """A threshold as it was written: without zeros at its end, and for both sides where the monitor has a sign.

    >>> limit("calibration", 0.05), limit("base_rate", 0.05)
    ('0.05', '±0.05')
    """
    return "" if value is None else f"{'±' if monitor in SIGNED else ''}{value:.6g}"


def interval(low: float | None, high: float | None) -> str:
    """`[low, high]`, empty when there is none."""
    return f"[{number(low)}, {number(high)}]" if low is not None and high is not None else ""


def count(n: int, noun: str) -> str:
    """A number of things.

    >>> count(1, "day"), count(1200, "label")
    ('1 day', '1,200 labels')
    """
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def listed(items: Sequence[str], *, most: int) -> str:
    """The first few, and how many more there are.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    more = len(items) - most
    return ", ".join(items[:most]) + (f" and {more} more" if more > 0 else "")


def stamp(at: datetime, now: datetime) -> Stamp:
    return Stamp(instant(at), f"{at:%Y-%m-%d %H:%M:%S} UTC", age(at, now))


def age(at: datetime, now: datetime) -> str:
    """How long before `now`, in its largest fitting unit.

    >>> from datetime import timedelta
    >>> now = datetime(2013, 2, 1)
    >>> age(now - timedelta(hours=5), now), age(now, now)
    ('5 h ago', 'just now')
    """
    seconds = (now - at).total_seconds()
    least, unit, name = next(row for row in _AGES if seconds >= row[0] or row[1] == 1)
    return "just now" if seconds < 1 and least == 0 else f"{seconds / unit:.0f} {name} ago"


def release_name(digest: Digest) -> ReleaseName:
    return ReleaseName(short(digest), digest)
