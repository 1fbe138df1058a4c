"""What a deployment's calls cost: per answer, per release, per key, and what the caches kept it from costing.

Sums over the log `calls`, as the gateway priced each call when it was made; nothing is priced again here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import polars as pl

from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check, Verdict
from shipway.kernel.units import Seconds
from shipway.monitor._calls import calls_of_ref, scan_calls
from shipway.monitor._limits import limits_of
from shipway.monitor._tables import INSTANT
from shipway.monitor._verdict import Finding, Severity
from shipway.spec import MonitorSpec
from shipway.store import Store

COST_BY = ("release", "key", "provider", "model", "cache", "day")
_ANSWERED = pl.col("status").is_between(200, 299) & (pl.col("error") == "")
_USED = (pl.col("input_tokens") > 0) | (pl.col("output_tokens") > 0)
_UNPRICED = _USED & (pl.col("prices") == "") & (pl.col("usd") == 0) & (pl.col("cache") == "none")  # the gateway writes it so


@dataclass(frozen=True, slots=True)
class CostPart:
    """What some calls cost together. answers: calls that were answered; a failed one may cost and answers nothing.

    exact, semantic: answers out of a cache; saved_usd: what those would have cost; cached_tokens: part of input_tokens;
    unpriced: calls of a provider that used tokens whose price was not known, in `usd` as nothing.
    """

    answers: int
    usd: float
    saved_usd: float
    calls: int = 0
    exact: int = 0
    semantic: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    unpriced: int = 0

    @property
    def usd_per_answer(self) -> float | None:
        """None without an answer."""
        return self.usd / self.answers if self.answers else None

    def to_json(self) -> JsonObject:
        """The part as it stands in the detail of a reading."""
        return {
            "answers": self.answers,
            "usd": self.usd,
            "usd_per_answer": self.usd_per_answer,
            "saved_usd": self.saved_usd,
        }


@dataclass(frozen=True, slots=True)
class CostReading:
    """The calls of one deployment in the window_seconds before a moment: all of them, and by release and key."""

    window_seconds: Seconds
    whole: CostPart
    by_release: Mapping[str, CostPart]
    by_key: Mapping[str, CostPart]

    def to_json(self) -> JsonObject:
        """The `detail` of a reading of the monitor `cost`."""
        tokens: JsonObject = {
            "input": self.whole.input_tokens,
            "output": self.whole.output_tokens,
            "cached": self.whole.cached_tokens,
        }
        return {
            "window_seconds": self.window_seconds,
            **self.whole.to_json(),
            "calls": self.whole.calls,
            "unpriced": self.whole.unpriced,
            "from_cache": {"exact": self.whole.exact, "semantic": self.whole.semantic},
            "by_release": {name: part.to_json() for name, part in self.by_release.items()},
            "by_key": {name: part.to_json() for name, part in self.by_key.items()},
            "tokens": tokens,
        }


def measure_cost(store: Store, ref: str, *, window: Seconds, now: datetime) -> CostReading:
    """The compacted calls behind a ref that were recorded in the window that ends now; after now counts too (clocks differ)."""
    calls = calls_of_ref(store, scan_calls(store, since=now - timedelta(seconds=window)), ref)
    read = calls.select("release", "key", *_INPUTS).collect().lazy()
    (whole,) = _parts(read, None).values()
    return CostReading(window, whole, by_release=_parts(read, "release"), by_key=_parts(read, "key"))


def cost_by(
    store: Store, ref: str | None = None, *, by: str, since: datetime | None = None, until: datetime | None = None
) -> Mapping[str, CostPart]:
    """The cost of the calls of a ref (of all calls when None) for each value of one of COST_BY, the dearest first.

    since is included, until is not. Days are of the recording, UTC. Raises ValueError for another `by`.
    """
    if by not in COST_BY:
        raise ValueError(f"by: one of {', '.join(COST_BY)}, not {by!r}")
    calls = scan_calls(store, since=since)
    if until is not None:
        calls = calls.filter(pl.col("recorded") < pl.lit(until, dtype=INSTANT))
    return _parts(calls if ref is None else calls_of_ref(store, calls, ref), by)


def check_cost(monitor: MonitorSpec, reading: CostReading) -> Finding:
    """Check `cost`: value is the USD of the window; above a threshold of the monitor it fails, the loudest one counts.

    Inconclusive instead of a pass when a call has no price: the sum is then only the least that was spent.
    """
    whole, window = reading.whole, _span(reading.window_seconds)
    each = f", {_usd(whole.usd_per_answer)} each" if whole.usd_per_answer is not None else ""
    saved = f"; caches saved {_usd(whole.saved_usd)}" if whole.saved_usd else ""
    text = f"{_usd(whole.usd)} for {whole.answers:,} answers in {window}{each}{saved}"
    if whole.unpriced:
        text += f"; {whole.unpriced:,} of {whole.calls:,} calls have no price and are not in it"
    found = judge_amount(monitor, whole.usd, n=whole.answers, text=text)
    if whole.unpriced and found.check.verdict is Verdict.PASS:
        return replace(found, check=replace(found.check, verdict=Verdict.INCONCLUSIVE))
    return found


def judge_amount(monitor: MonitorSpec, value: float, *, n: int, text: str) -> Finding:
    """A number without an interval: fails above a threshold, as loud as that one; without a threshold it is reported."""
    limits = limits_of(monitor)
    for severity, limit in limits:
        if value > limit:
            return Finding(severity, Check(monitor.name, Verdict.FAIL, value, threshold=limit, n=n, text=text))
    loudest = limits[0][0] if limits else Severity.REPORT
    lowest = limits[-1][1] if limits else None
    return Finding(loudest, Check(monitor.name, Verdict.PASS, value, threshold=lowest, n=n, text=text))


_INPUTS = ("status", "error", "usd", "saved_usd", "cache", "prices", "input_tokens", "output_tokens", "cached_tokens")


def _parts(calls: pl.LazyFrame, by: str | None) -> dict[str, CostPart]:
    sums = (
        _ANSWERED.sum().alias("answers"),
        pl.col("usd").sum(),
        pl.col("saved_usd").sum(),
        pl.len().alias("calls"),
        (_ANSWERED & (pl.col("cache") == "exact")).sum().alias("exact"),
        (_ANSWERED & (pl.col("cache") == "semantic")).sum().alias("semantic"),
        pl.col("input_tokens", "output_tokens", "cached_tokens").sum(),
        _UNPRICED.sum().alias("unpriced"),
    )
    if by is None:
        return {"": CostPart(**calls.select(sums).collect().row(0, named=True))}
    table = calls.group_by(pl.col(by).cast(pl.String)).agg(sums).sort(["usd", by], descending=[True, False]).collect()
    return {str(row.pop(by) or ""): CostPart(**row) for row in table.iter_rows(named=True)}


def _usd(value: float | None) -> str:
    """Cents, and of less than ten of them three digits that count: an answer costs thousandths of a cent.

    >>> _usd(12.5), _usd(0.0002134), _usd(0.0)
    ('12.50 USD', '0.000213 USD', '0.00 USD')
    """
    amount = value or 0.0
    digits = 2 if amount >= 0.1 or amount <= 0 else 2 - math.floor(math.log10(amount))
    return f"{amount:.{digits}f} USD"


def _span(seconds: float) -> str:
    """A window in its largest whole unit.

    >>> _span(86_400.0), _span(900.0), _span(90.0)
    ('1 d', '15 min', '90 s')
    """
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"
