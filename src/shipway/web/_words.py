"""Numbers, moments and names as a person reads them. Pure."""

from __future__ import annotations

import math
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
    "prediction_error": "Rise of the error",
    "business": "Fall of the metric",
    "mae": "Mean absolute error",
    "rmse": "Root mean squared error",
    "macro_f1": "Macro F1",
    "freshness": "Stale documents",
    "cost": "Cost",
    "sentinel": "Provider drift",
}
MONEY = frozenset({"cost", "cost_usd"})  # in USD
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


def amount(monitor: str, value: float | None) -> str:
    """The number of a monitor: money where it is money.

    >>> amount("cost", 1.5), amount("freshness", 3.0)
    ('1.50 USD', '3')
    """
    return usd(value) if is_money(monitor) else number(value)


def is_money(name: str) -> bool:
    """Whether a monitor or metric is in USD; of `golden.cost_usd` the part after the golden set counts."""
    return name.rpartition(".")[2] in MONEY


def usd(value: float | None) -> str:
    """An amount with its unit.

    >>> usd(1234.5), usd(None)
    ('1,234.50 USD', '')
    """
    return "" if value is None else f"{dollars(value)} USD"


def dollars(value: float | None) -> str:
    """Cents, and of less than ten of them three digits that count: one answer costs thousandths of a cent.

    >>> dollars(1234.5), dollars(0.0002134), dollars(0.0), dollars(None)
    ('1,234.50', '0.000213', '0.00', '')
    """
    if value is None:
        return ""
    digits = 2 if abs(value) >= 0.1 or not value else min(12, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def limit(monitor: str, value: float | None) -> str:
    """A threshold as it was written: without zeros at its end, and for both sides where the monitor has a sign.

    >>> limit("calibration", 0.05), limit("base_rate", 0.05)
    ('0.05', '±0.05')
    """
    unit = " USD" if is_money(monitor) else ""
    return "" if value is None else f"{'±' if monitor in SIGNED else ''}{value:.6g}{unit}"


def interval(low: float | None, high: float | None) -> str:
    """`[low, high]`, empty when there is none."""
    return f"[{number(low)}, {number(high)}]" if low is not None and high is not None else ""


def between(name: str, low: float | None, high: float | None) -> str:
    """The interval of a monitor or metric, in dollars without the word where it is money.

    >>> between("golden.cost_usd", 0.000168, 0.000252), between("auc", 0.6, 0.7)
    ('[0.000168, 0.000252]', '[0.600, 0.700]')
    """
    if is_money(name) and low is not None and high is not None:
        return f"[{dollars(low)}, {dollars(high)}]"
    return interval(low, high)


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
    return "just now" if seconds < 1 else f"{span(seconds)} ago"


def span(seconds: float) -> str:
    """A length of time in its largest fitting unit, of which there are two at least.

    >>> span(900.0), span(86_400.0)
    ('15 min', '24 h')
    """
    _, unit, name = next(row for row in _AGES if seconds >= row[0] or row[1] == 1)
    return f"{seconds / unit:.0f} {name}"


def release_name(digest: Digest) -> ReleaseName:
    return ReleaseName(short(digest), digest)
