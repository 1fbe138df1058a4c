from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from monitor_logs import NOW, REF, RELEASE, FakeClock, microseconds, new_store, prediction

from shipway.kernel.check import Verdict
from shipway.kernel.units import Seconds
from shipway.monitor import (
    Severity,
    Window,
    check_contract,
    check_errors,
    check_latency,
    check_run_age,
    check_schedule,
    check_silence,
    compact_logs,
    measure_traffic,
)
from shipway.spec import ADDED_MONITORS, MonitorSpec, ScheduleSpec, parse_cron, times_before
from shipway.store import FailureRecord, SegmentWriter, encode_record

HOUR = Seconds(3600.0)
WEEK = 168


def usual(hours: int = 5 * WEEK, *, seed: int = 1, slow: float = 0.02) -> list[Window]:
    """Newest first: 100 requests an hour by day, none by night, a latency that varies by a tenth."""
    random = np.random.default_rng(seed)
    return [
        Window(answered=100, failed=1, slow=slow * float(np.exp(random.normal(0, 0.1)))) if (back % 24) < 16 else Window()
        for back in range(hours)
    ]


def failure(request: str, status: int) -> FailureRecord:
    return FailureRecord(
        request=request,
        release=RELEASE,
        deployment=REF,
        arm="live",
        recorded=microseconds(NOW - timedelta(minutes=5)),
        status=status,
        code="serve.any",
        latency_us=10,
    )


def test_requests_are_counted_by_windows_that_end_now_with_those_that_got_no_answer(tmp_path: Path) -> None:
    store = new_store(tmp_path, FakeClock(NOW))
    log = SegmentWriter(store.log_folder("predictions"), "predictor", rotate_bytes=1 << 20, capacity_bytes=1 << 20)
    for number, ago in enumerate([0.5, 0.6, 3.5]):
        when = NOW - timedelta(hours=ago)
        record = prediction(f"r{number}", {"x": np.ones(3)}, np.full(3, 0.2), recorded=when)
        assert log.append(encode_record(record), record.rows)
    for number, status in enumerate([500, 422, 404]):
        assert log.append(encode_record(failure(f"f{number}", status)), 0)
    log.close()
    compact_logs(store, now=NOW, time_column=lambda _: None)
    newest, *rest = measure_traffic(store, REF, window=HOUR, now=NOW)
    assert newest == Window(answered=2, refused=1, failed=1, slow=newest.slow)
    assert newest.slow == pytest.approx(0.001234)
    assert [window.total for window in rest] == [0, 0, 1]
    assert measure_traffic(store, "deploy/other@prod", window=HOUR, now=NOW) == ()


def test_errors_page_once_they_are_surely_above_the_threshold_and_say_how_many_more_would_tell() -> None:
    monitor = ADDED_MONITORS["errors"]
    failing = check_errors(monitor, [Window(answered=80, failed=20), *usual()])
    assert (failing.severity, failing.check.verdict) == (Severity.PAGE, Verdict.FAIL)
    assert failing.check.text == "20 of 100 requests failed, 1.0% before"
    few = check_errors(monitor, [Window(answered=9, failed=1)]).check
    assert few.verdict is Verdict.INCONCLUSIVE
    assert few.still_needed
    assert few.text.endswith(f"not enough yet, about {few.still_needed:,} more requests")
    assert check_errors(monitor, [Window(answered=999, failed=1)]).check.verdict is Verdict.PASS
    assert check_errors(monitor, []).check.text == "no request in the window"


def test_requests_that_do_not_fit_the_signature_are_a_broken_contract() -> None:
    found = check_contract(ADDED_MONITORS["contract"], [Window(answered=50, refused=50)]).check
    assert (found.name, found.verdict) == ("contract", Verdict.FAIL)


def test_latency_opens_a_ticket_when_it_lasts_and_is_beyond_the_noise_of_the_windows_before() -> None:
    monitor, slow = ADDED_MONITORS["latency"], Window(answered=100, slow=0.09)
    once = check_latency(monitor, [slow, *usual()]).check
    assert once.verdict is Verdict.INCONCLUSIVE
    lasting = check_latency(monitor, [slow, slow, *usual()])
    assert (lasting.severity, lasting.check.verdict) == (Severity.TICKET, Verdict.FAIL)
    assert 4 < (lasting.check.value or 0) < 5
    assert check_latency(monitor, usual()).check.verdict is Verdict.PASS
    young = check_latency(monitor, [slow, *usual(5)]).check
    assert young.text == "5 windows to compare with: not enough yet, about 5 more"


def test_latency_that_is_usual_at_this_hour_of_the_week_is_no_finding() -> None:
    weekly = [Window(answered=100, slow=0.09 if back % WEEK < 3 else 0.02) for back in range(5 * WEEK)]
    assert check_latency(ADDED_MONITORS["latency"], weekly).check.value == pytest.approx(1.0)


def test_no_request_where_some_are_usual_is_a_silence_and_at_night_it_is_none() -> None:
    monitor = ADDED_MONITORS["silence"]
    by_day = check_silence(monitor, [Window(), *usual()[1:]])
    assert (by_day.severity, by_day.check.verdict) == (Severity.PAGE, Verdict.FAIL)
    assert by_day.check.text == "no request in 1 windows, at least 101 are usual"
    by_night = usual()[20:]
    assert by_night[0].total == 0
    assert check_silence(monitor, by_night).check.verdict is Verdict.PASS
    assert check_silence(monitor, usual()).check.verdict is Verdict.PASS
    assert check_silence(monitor, [Window(), *usual(30)]).check.verdict is Verdict.INCONCLUSIVE
    assert check_silence(monitor, []).check.text == "no request yet"


def test_little_traffic_is_silent_only_once_ten_requests_are_missing() -> None:
    monitor, trickle = ADDED_MONITORS["silence"], [Window(answered=1)] * (5 * WEEK)
    verdicts = [check_silence(monitor, [Window()] * quiet + trickle).check.verdict for quiet in (1, 9, 10)]
    assert verdicts == [Verdict.PASS, Verdict.PASS, Verdict.FAIL]


def test_a_run_that_did_not_come_is_counted() -> None:
    monitor = MonitorSpec(name="missed_run", ticket=0.0, window=Seconds(86_400.0))
    late = check_run_age(monitor, NOW - timedelta(hours=50), now=NOW)
    assert (late.severity, late.check.verdict, late.check.value) == (Severity.TICKET, Verdict.FAIL, 2.0)
    assert check_run_age(monitor, NOW - timedelta(hours=20), now=NOW).check.verdict is Verdict.PASS
    assert check_run_age(monitor, None, now=NOW).check.verdict is Verdict.INCONCLUSIVE


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("cron", "newest", "now", "missed"),
    [
        ("0 4 * * mon", "2026-11-16T04:20", "2026-11-23T05:59", 0),  # within the grace of two hours
        ("0 4 * * mon", "2026-11-16T04:20", "2026-11-23T06:00", 1),
        ("0 4 * * mon", "2026-11-23T03:59", "2026-11-23T06:00", 1),  # a run by hand a minute before is not that one
        ("0 4 * * mon", "2026-11-23T04:00:01", "2026-11-29T23:00", 0),
        ("0 4 * * mon", "2026-11-01T12:00", "2026-11-23T12:00", 4),
        ("30 2 * * *", "2026-03-28T02:40", "2026-03-29T12:00", 0),  # 29 March has no 02:30 in Berlin
        ("30 2 * * *", "2026-03-28T02:40", "2026-03-30T12:00", 1),
        ("30 2 * * *", "2026-10-24T02:40", "2026-10-25T12:00", 1),  # 25 October has two, and one run
        ("0 0 13 * fri", "2026-11-12T12:00", "2026-11-21T12:00", 2),  # the 13th, a Friday too, and the 20th
        ("*/15 * * * *", "2026-11-23T08:00", "2026-11-23T12:00", 8),
    ],
)
def test_a_scheduled_time_that_no_run_has_followed_is_counted_by_the_clock_on_the_wall(
    cron: str, newest: str, now: str, missed: int
) -> None:
    monitor = MonitorSpec(name="missed_run", ticket=0.0, window=Seconds(7200.0))
    schedule = ScheduleSpec(cron=cron, timezone="Europe/Berlin")
    last, at = (datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC) for text in (newest, now))
    found = check_schedule(monitor, schedule, last, now=at)
    assert (found.check.value, found.check.verdict is Verdict.FAIL, found.severity) == (missed, missed > 0, Severity.TICKET)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["0 4 * * *", "30 2 * * sun", "15 1,2,3 25-31 3,10 *", "*/20 2 * * 0,3"]),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]),
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 1)),
)
def test_scheduled_times_are_those_that_a_look_at_every_minute_finds(text: str, zone: str, start: datetime) -> None:
    after, cron = start.replace(tzinfo=UTC, second=30, microsecond=0), parse_cron(text)
    until = after + timedelta(days=4)
    expected, minute = [], after.replace(second=0) + timedelta(minutes=1)
    while minute <= until:
        wall = minute.astimezone(ZoneInfo(zone))
        day, weekday = cron.day is None or wall.day in cron.day, cron.weekday is None or wall.isoweekday() % 7 in cron.weekday
        dated = (day or weekday) if cron.day and cron.weekday else (day and weekday)
        fits = [field is None or value in field for field, value in
                ((cron.minute, wall.minute), (cron.hour, wall.hour), (cron.month, wall.month))]  # fmt: skip
        expected += [minute] if dated and all(fits) and not wall.fold else []
        minute += timedelta(minutes=1)
    assert list(times_before(cron, zone, after=after, until=until)) == expected[::-1]


def test_a_run_each_six_hours_that_did_not_come_is_counted_once_the_grace_is_over() -> None:
    monitor, schedule = MonitorSpec(name="missed_run", ticket=0.0, window=HOUR), ScheduleSpec(every=Seconds(6 * 3600.0))
    found = [check_schedule(monitor, schedule, NOW - timedelta(hours=ago), now=NOW).check.value for ago in (6.9, 7, 13.5)]
    assert found == [0.0, 1.0, 2.0]
    assert check_schedule(monitor, schedule, None, now=NOW).check.verdict is Verdict.INCONCLUSIVE


def test_a_series_without_a_change_opens_next_to_no_ticket() -> None:
    """500 hours of noise alone: latency asks for twice the usual and for two windows of three."""
    windows = usual(5 * WEEK + 500, seed=2)
    found = [check_latency(ADDED_MONITORS["latency"], windows[start : start + 400]).check.verdict for start in range(0, 500, 5)]
    assert Verdict.FAIL not in found
