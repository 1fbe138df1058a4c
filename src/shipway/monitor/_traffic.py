"""Requests of a deployment in windows of the wall clock, and what monitors say of the newest against those before it.

A window is held against its own kind: the same hour of the week where three weeks are known, of the day where three days
are. Noise is the series' own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl

from shipway.kernel.check import Check, Verdict
from shipway.kernel.units import Seconds
from shipway.monitor._calls import calls_of_ref, scan_calls
from shipway.monitor._deployments import SHADOW, deployment_ref, rows_of_ref
from shipway.monitor._faults import past_unreadable
from shipway.monitor._limits import exceeded, limits_of, undecided
from shipway.monitor._tables import INSTANT, list_tables, scan_answers
from shipway.monitor._verdict import Finding
from shipway.spec import MonitorSpec
from shipway.stats import NEVER, rows_still_needed, wilson
from shipway.store import Store

LOOK_BACK = timedelta(days=35)  # five of each hour of the week
DAY, WEEK = 86_400.0, 7 * 86_400.0
KINDS_KNOWN = 3  # windows of the same kind without which nothing is usual
REFERENCES, REQUESTS = 10, 20  # windows without which latency has no noise of its own, and requests of each
EXPECTED = 10  # requests that must be missing before silence is none of chance
SIGMAS, LEAST_NOISE = 3.0, 0.05
_REFUSED = (400, 422)  # what was asked does not fit: the contract of the model is broken by whoever calls it


class Window(NamedTuple):
    """Requests of one window: answered, refused for what they asked, failed; slow: 95th percentile in seconds, None without."""

    answered: int = 0
    refused: int = 0
    failed: int = 0
    slow: float | None = None

    @property
    def total(self) -> int:
        return self.answered + self.refused + self.failed


def measure_traffic(store: Store, ref: str, *, window: Seconds, now: datetime) -> tuple[Window, ...]:
    """The windows of five weeks that end now, the newest first, up to the one with the first request of them."""
    since = now - LOOK_BACK
    return _windows(pl.concat([_answered(store, ref, since), _failures(store, ref, since)]), window, now)


def measure_calls(store: Store, ref: str, *, window: Seconds, now: datetime, cached: bool = True) -> tuple[Window, ...]:
    """As measure_traffic, of calls through a gateway. cached: answers from a cache count too; they say nothing of latency.

    Failed is what no provider answered after all fallbacks: 500 and above, a provider's own 429, a stream that was cut, and
    an answer that is passages alone because no model gave one. Limits of ours and callers who left are neither.
    """
    calls = calls_of_ref(store, scan_calls(store, since=now - LOOK_BACK), ref)
    calls = calls if cached else calls.filter(pl.col("cache") == "none")
    busy = (pl.col("status") == 429) & (pl.col("error") == "gateway.upstream-said")
    lost = busy | (pl.col("error") == "gateway.stream-cut") | pl.col("degraded").list.contains("model").fill_null(value=False)
    status = pl.when(lost).then(502).otherwise(pl.col("status")).cast(pl.Int64)
    return _windows(calls.select("recorded", "latency_us", status=status), window, now)


def _windows(asked: pl.LazyFrame, window: Seconds, now: datetime) -> tuple[Window, ...]:
    back = ((pl.lit(now, dtype=INSTANT) - pl.col("recorded")).dt.total_microseconds() // int(window * 1e6)).clip(0)
    counted = (
        asked.with_columns(back.alias("back"))
        .group_by("back")
        .agg(
            (pl.col("status") == 200).sum().alias("answered"),
            pl.col("status").is_in(_REFUSED).sum().alias("refused"),
            (pl.col("status") >= 500).sum().alias("failed"),
            (pl.col("latency_us").filter(pl.col("status") == 200).quantile(0.95) / 1e6).alias("slow"),
        )
        .collect()
    )
    found = {int(row[0]): Window(*row[1:]) for row in counted.iter_rows()}
    return tuple(found.get(number, Window()) for number in range(max(found, default=-1) + 1))


def check_errors(monitor: MonitorSpec, windows: Sequence[Window]) -> Finding:
    """Value: the share of requests that failed for a fault of ours. Fails when it is surely above the threshold."""
    return _share(monitor, windows, [window.failed for window in windows], "failed")


def check_contract(monitor: MonitorSpec, windows: Sequence[Window]) -> Finding:
    """Value: the share of requests that were refused because what they asked does not fit: a model's signature, or a gateway's
    protocol.
    """
    return _share(monitor, windows, [window.refused for window in windows], "did not fit what is asked for")


def check_latency(monitor: MonitorSpec, windows: Sequence[Window]) -> Finding:
    """Value: the 95th percentile of latency as a multiple of the usual one. Fails when it is above the threshold and beyond the
    noise of the windows before, now and in one of the two before.
    """
    now = windows[0] if windows else Window()
    if now.slow is None or now.answered < REQUESTS:
        missing = REQUESTS - now.answered
        text = f"{now.answered} answers in the window: not enough yet, about {missing} more"
        return undecided(monitor, text, n=now.answered, needed=missing)
    logs = {number: math.log(w.slow) for number, w in enumerate(windows) if w.slow and w.answered >= REQUESTS}
    before = [log for number, log in logs.items() if number > 0]
    if len(before) < REFERENCES:
        missing = REFERENCES - len(before)
        text = f"{len(before)} windows to compare with: not enough yet, about {missing} more"
        return undecided(monitor, text, n=now.answered, needed=missing * now.answered)
    noise = max(LEAST_NOISE, 1.4826 * float(np.median(np.abs(np.array(before) - np.median(before)))))
    above = {number: log - _usual(logs, number, monitor.window) for number, log in logs.items() if number < KINDS_KNOWN}
    ratio, reach = math.exp(above[0]), SIGMAS * noise
    over = exceeded(monitor, ratio)
    limit = over[1] if over else limits_of(monitor)[-1][1]
    text = f"95 % of the answers within {now.slow * 1000:.3g} ms, usually {now.slow * 1000 / ratio:.3g} ms"
    low, high = math.exp(above[0] - reach), math.exp(above[0] + reach)
    check = Check(monitor.name, Verdict.PASS, ratio, low, high, limit, now.answered, text=text)
    lasting = sum(log > math.log(limit) for number, log in above.items() if number > 0)
    if over is None:
        return Finding(limits_of(monitor)[0][0], check)
    failing = above[0] > reach and lasting > 0
    return Finding(over[0], replace(check, verdict=Verdict.FAIL if failing else Verdict.INCONCLUSIVE))


def check_silence(monitor: MonitorSpec, windows: Sequence[Window]) -> Finding:
    """Value: empty windows up to now in which requests are usual. Fails once so many are missing that it is no chance."""
    severity, limit = limits_of(monitor)[0]
    quiet = next((number for number, window in enumerate(windows) if window.total), len(windows))
    check = Check(monitor.name, Verdict.PASS, 0.0, threshold=limit, n=sum(window.total for window in windows))
    if not windows:
        return undecided(monitor, "no request yet")
    if not quiet:
        return Finding(severity, replace(check, text=f"{windows[0].total:,} requests in the window"))
    least = [_least(windows, number, quiet, monitor.window) for number in range(quiet)]
    if any(usual is None for usual in least):
        return undecided(
            monitor, f"no request in {quiet} windows, and less than three days to know what is usual", n=check.n or 0
        )
    missing = sum(usual or 0 for usual in least)
    check = replace(check, value=float(quiet), text=f"no request in {quiet} windows, at least {missing:,} are usual")
    if quiet > limit and missing >= EXPECTED:
        return Finding(severity, replace(check, verdict=Verdict.FAIL))
    return Finding(severity, check)


def _share(monitor: MonitorSpec, windows: Sequence[Window], counts: Sequence[int], what: str) -> Finding:
    total = windows[0].total if windows else 0
    if not total:
        return undecided(monitor, "no request in the window")
    interval = wilson(counts[0], total)
    past, of = sum(counts[1:]), sum(window.total for window in windows[1:])
    text = f"{counts[0]:,} of {total:,} requests {what}" + (f", {past / of:.1%} before" if of else "")
    over, (loudest, _), (_, lowest) = exceeded(monitor, interval.low), limits_of(monitor)[0], limits_of(monitor)[-1]
    limit = over[1] if over else lowest
    check = Check(monitor.name, Verdict.PASS, interval.value, interval.low, interval.high, limit, total, text=text)
    if over:
        return Finding(over[0], replace(check, verdict=Verdict.FAIL))
    if interval.high <= limit:
        return Finding(loudest, check)
    more = rows_still_needed(interval, limit)
    needed = more if 0 < more < NEVER else None
    wanted = f"; not enough yet, about {needed:,} more requests" if needed else ""
    return Finding(loudest, replace(check, verdict=Verdict.INCONCLUSIVE, still_needed=needed, text=text + wanted))


def _kin(windows: int, number: int, window: float, *, after: int = 0) -> list[int]:
    """Windows of the same hour of the week, else of the day, that came before; none when too few are known."""
    for period in (WEEK, DAY):
        step = period / window
        if step >= 1 and step == int(step):
            found = [kin for kin in range(number + int(step), windows, int(step)) if kin >= after]
            if len(found) >= KINDS_KNOWN:
                return found
    return []


def _usual(logs: dict[int, float], number: int, window: float) -> float:
    kin = [logs[other] for other in _kin(max(logs) + 1, number, window) if other in logs]
    return float(np.median(kin if len(kin) >= KINDS_KNOWN else [log for other, log in logs.items() if other > number] or [0.0]))


def _least(windows: Sequence[Window], number: int, quiet: int, window: float) -> int | None:
    """The fewest requests of a window of this kind, before the silence; None where the kind is not known."""
    kin = _kin(len(windows), number, window, after=quiet)
    return min(windows[other].total for other in kin) if kin else None


def _answered(store: Store, ref: str, since: datetime) -> pl.LazyFrame:
    recent = scan_answers(store).filter(pl.col("recorded") >= pl.lit(since, dtype=INSTANT))
    asked = rows_of_ref(store, recent, ref).select("request", "recorded", "latency_us").unique()
    return asked.select("recorded", "latency_us", pl.lit(200, dtype=pl.Int64).alias("status"))


def _failures(store: Store, ref: str, since: datetime) -> pl.LazyFrame:
    paths = list_tables(store, "failures")
    if not paths:
        return pl.LazyFrame(schema={"recorded": INSTANT, "latency_us": pl.Int64(), "status": pl.Int64()})
    frame = pl.scan_parquet(paths, glob=False, hive_partitioning=False)
    recent = frame.filter(pl.col("recorded") >= pl.lit(since, dtype=INSTANT), pl.col("arm") != SHADOW)
    ours = []
    for name in recent.select("deployment").unique().collect()["deployment"].to_list():
        with past_unreadable():
            ours += [name] if deployment_ref(store, name) == ref else []
    found = recent.filter(pl.col("deployment").is_in(ours))
    return found.select("recorded", pl.col("latency_us").cast(pl.Int64), pl.col("status").cast(pl.Int64))
