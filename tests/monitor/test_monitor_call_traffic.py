"""Requests to a gateway on the clock, from calls as it logs them: what failed, what did not fit, how slow, how quiet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from monitor_calls import NOW, REF, call, log_calls
from monitor_logs import new_store, time_column

from shipway.kernel.check import Verdict
from shipway.kernel.units import Seconds
from shipway.monitor import (
    Finding,
    Window,
    check_contract,
    check_errors,
    check_latency,
    check_silence,
    compact_logs,
    measure_calls,
)
from shipway.spec import REQUEST_MONITORS
from shipway.store import CallRecord

HOUR = Seconds(3600.0)
MINUTE = timedelta(minutes=1)


def hours(folder: Path, calls: Sequence[CallRecord], *, cached: bool = True) -> tuple[Window, ...]:
    store = new_store(folder)
    log_calls(store, calls)
    compact_logs(store, now=NOW, time_column=time_column)
    return measure_calls(store, REF, window=HOUR, now=NOW, cached=cached)


def many(count: int, *, hour: int = 0, start: int = 0, **more: Any) -> list[CallRecord]:
    ago = timedelta(hours=hour) + MINUTE
    return [call(f"{hour}-{start + number}", ago=ago, **more) for number in range(count)]


def test_what_no_provider_answered_failed_and_our_own_limits_did_not(tmp_path: Path) -> None:
    calls = [
        *many(60),
        *many(1, start=100, status=502, error="gateway.upstream-down"),
        *many(1, start=101, status=504, error="gateway.upstream-slow"),
        *many(1, start=102, status=429, error="gateway.upstream-said"),  # busy to the end, after all fallbacks
        *many(1, start=103, status=200, error="gateway.stream-cut"),
        *many(1, start=104, degraded=["model"]),  # passages alone: a 200 without an answer
        *many(1, start=105, degraded=["dense"]),  # a layer of the search was down, the model answered
        *many(2, start=106, status=400, error="gateway.request-malformed"),
        *many(1, start=108, status=422, error="gateway.upstream-said"),
        *many(9, start=109, status=429, error="gateway.rate-reached"),
        *many(9, start=118, status=402, error="gateway.budget-spent"),
        *many(9, start=127, status=499),
        *many(50, start=136, status=500, deployment="deploy/other@prod"),
    ]
    (window,) = hours(tmp_path, calls)
    assert (window.answered, window.failed, window.refused) == (61, 5, 3)
    monitor = REQUEST_MONITORS["errors"]
    assert check_errors(monitor, [window]).check.verdict is Verdict.INCONCLUSIVE
    assert check_errors(monitor, [window._replace(failed=20)]).check.verdict is Verdict.FAIL
    assert check_contract(REQUEST_MONITORS["contract"], [window]).check.text.startswith("3 of 69 requests did not fit")


def test_providers_that_became_slow_are_a_ticket_and_answers_from_the_cache_hide_nothing(tmp_path: Path) -> None:
    calls = [one for hour in range(2, 14) for one in many(30, hour=hour, latency_us=80_000 + 2_000 * (hour % 5))]
    calls += [one for hour in (0, 1) for one in many(30, hour=hour, latency_us=400_000)]
    calls += [one for hour in (0, 1) for one in many(900, hour=hour, start=100, cache="exact", latency_us=900)]
    monitor = REQUEST_MONITORS["latency"]

    def judged(folder: str, *, cached: bool) -> Finding:
        return check_latency(monitor, hours(tmp_path / folder, calls, cached=cached))

    found = judged("fresh", cached=False)
    assert (found.check.verdict, found.severity.value) == (Verdict.FAIL, "ticket")
    assert found.check.value is not None
    assert 4 < found.check.value < 6
    assert judged("all", cached=True).check.verdict is not Verdict.FAIL, "which is why they are left out"


def test_a_gateway_that_nobody_asks_any_more_is_silent_and_one_that_is_quiet_at_night_is_not(tmp_path: Path) -> None:
    busy = [hour for hour in range(24 * 6) if 6 <= (NOW - timedelta(hours=hour)).hour < 18]
    day = [one for hour in busy for one in many(12, hour=hour)]
    monitor = REQUEST_MONITORS["silence"]
    assert check_silence(monitor, hours(tmp_path / "day", day)).check.verdict is Verdict.PASS
    gone = [one for one in day if one.recorded < (NOW - timedelta(hours=3)).timestamp() * 1e6]
    found = check_silence(monitor, hours(tmp_path / "gone", gone)).check
    assert (found.verdict, found.value) == (Verdict.FAIL, 3.0)
