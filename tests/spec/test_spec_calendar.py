"""Hours and freezes, against an implementation that looks at one minute after the other."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.spec import Hours, SpecMalformed, opening
from shipway.spec._calendar import DAYS, parse_freeze, parse_hours

ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"]
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)).map(lambda moment: moment.replace(tzinfo=UTC))
# the days on which the clocks of Berlin, New York and Lord Howe change
CHANGES = st.sampled_from([date(2026, 3, 29), date(2026, 10, 25), date(2026, 3, 8), date(2026, 11, 1), date(2026, 4, 5)])


@st.composite
def hours(draw: st.DrawFn) -> str:
    first, last = draw(st.sampled_from(DAYS)), draw(st.sampled_from(DAYS))
    start, end = draw(st.integers(0, 1439)), draw(st.integers(1, 1440))
    days = first if draw(st.booleans()) else f"{first}-{last}"
    if start == end:
        end += 1
    clock = [f"{minute // 60:02d}:{minute % 60:02d}" for minute in (start, end)]
    return f"{days} {clock[0]}-{clock[1]} {draw(st.sampled_from(ZONES))}"


def by_the_minute(text: str, moment: datetime) -> bool:
    """Walk the clock on the wall back, minute by minute, until a window begins or there cannot be one any more."""
    days, clock, zone = text.split()
    start, end = clock.split("-")
    first, _, last = days.partition("-")
    week = DAYS * 2
    begin = week.index(first)
    chosen = {first} if not last else set(week[begin : week.index(last, begin) + 1])
    wall = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None, second=0, microsecond=0)
    for _ in range(24 * 60):
        now = f"{wall:%H:%M}"
        if now == start:
            return DAYS[wall.weekday()] in chosen
        wall -= timedelta(minutes=1)
        if f"{wall + timedelta(minutes=1):%H:%M}" == ("00:00" if end == "24:00" else end):
            return False
    return False


@settings(max_examples=300)
@given(hours(), MOMENTS)
def test_hours_hold_as_the_clock_on_the_wall_says(text: str, moment: datetime) -> None:
    assert parse_hours(text).holds(moment) is by_the_minute(text, moment)


@settings(max_examples=150)
@given(hours(), CHANGES, st.integers(-240, 1700))
def test_hours_hold_where_the_clocks_change(text: str, day: date, minute: int) -> None:
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=minute)
    assert parse_hours(text).holds(moment) is by_the_minute(text, moment)


@given(hours())
def test_hours_have_one_text(text: str) -> None:
    assert parse_hours(parse_hours(text).text) == parse_hours(text)


def test_office_hours_are_an_hour_earlier_by_utc_in_summer() -> None:
    office = parse_hours("mon-fri 09:00-17:00 Europe/Berlin")
    winter, summer = datetime(2026, 1, 5, 7, 30, tzinfo=UTC), datetime(2026, 7, 6, 7, 30, tzinfo=UTC)
    assert (office.holds(winter), office.holds(summer)) == (False, True)
    assert not office.holds(datetime(2026, 7, 4, 9, 0, tzinfo=UTC)), "a Saturday"


@settings(max_examples=60, deadline=None)
@given(hours(), hours(), MOMENTS)
def test_the_next_opening_is_open_and_none_was_open_before_it(one: str, two: str, moment: datetime) -> None:
    windows: list[list[Hours]] = [[parse_hours(one)], [parse_hours(two)]]
    found = opening(windows, moment)
    if found is None:
        return
    assert found >= moment
    assert all(any(window.holds(found) for window in group) for group in windows)


def test_hours_that_never_meet_have_no_opening() -> None:
    now = datetime(2026, 11, 28, 12, tzinfo=UTC)
    assert opening([[parse_hours("mon 09:00-10:00 UTC")], [parse_hours("tue 09:00-10:00 UTC")]], now) is None
    assert opening([[parse_hours("mon 09:00-10:00 UTC")]], now) == datetime(2026, 11, 30, 9, tzinfo=UTC)
    only_in_winter = [[parse_hours("mon 09:00-09:30 Europe/Berlin")], [parse_hours("mon 08:00-08:30 UTC")]]
    assert opening(only_in_winter, datetime(2026, 5, 1, tzinfo=UTC)) == datetime(2026, 10, 26, 8, tzinfo=UTC)


@given(st.dates(date(2026, 1, 1), date(2027, 1, 1)), st.integers(0, 40), st.integers(-50, 60 * 24 * 50), st.sampled_from(ZONES))
def test_both_days_of_a_freeze_are_frozen_whole(first: date, more: int, minute: int, zone: str) -> None:
    last = first + timedelta(days=more)
    moment = datetime(first.year, first.month, first.day, tzinfo=UTC) + timedelta(minutes=minute)
    local = moment.astimezone(ZoneInfo(zone)).date()
    assert parse_freeze(f"{first}..{last} {zone}").holds(moment) is (first <= local <= last)


def test_a_freeze_between_instants_ends_at_the_second() -> None:
    freeze = parse_freeze("2026-12-20T18:00+01:00..2027-01-02T08:00:00Z")
    assert not freeze.holds(datetime(2026, 12, 20, 16, 59, 59, tzinfo=UTC))
    assert freeze.holds(datetime(2026, 12, 20, 17, 0, tzinfo=UTC))
    assert freeze.holds(datetime(2027, 1, 2, 7, 59, 59, tzinfo=UTC))
    assert not freeze.holds(datetime(2027, 1, 2, 8, 0, tzinfo=UTC))


def test_a_freeze_without_an_end_holds_for_ever() -> None:
    assert parse_freeze("2026-12-20..").holds(datetime(2999, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("mon-fri 09:00-17:00", "as in mon-fri"),
        ("mon-fri 09:00-17:00 Europe/Berln", "did you mean Europe/Berlin?"),
        ("monday 09:00-17:00 UTC", "one of mon, tue"),
        ("mon-fry 09:00-17:00 UTC", "one of mon, tue"),
        ("mon 09:00-09:00 UTC", "00:00-24:00"),
        ("mon 24:00-09:00 UTC", "00:00-24:00"),
        ("mon 09:60-17:00 UTC", "00:00 to 24:00"),
        ("mon 09:00-24:01 UTC", "00:00 to 24:00"),
        ("mon 09:00-17:00 ../../etc/passwd", "as in mon-fri"),
        ("mon 09:00-17:00 " + "A" * 300, "as in mon-fri"),
    ],
)
def test_what_hours_cannot_be_is_named_with_the_way_to_mend_it(text: str, mend: str) -> None:
    with pytest.raises(SpecMalformed) as problem:
        parse_hours(text)
    assert mend in str(problem.value.mend)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-12-20",
        "2027-01-02..2026-12-20",
        "2026-12-20T18:00..2027-01-02",
        "2026-13-20..2027-01-02",
        "..2026-12-20",
        "2026-12-20..9999-12-31",
        "2026-12-20..2027-01-02 Europe/Berln",
        "2026-12-20..2027-01-02 UTC now",
    ],
)
def test_what_no_freeze_can_be_is_refused(text: str) -> None:
    with pytest.raises(SpecMalformed, match=r"span of time|has no offset|ends before"):
        parse_freeze(text)


@pytest.mark.parametrize("text", ["0001-01-01T00:00+05:00..2026-01-01", "2026-01-01..9999-12-31T23:00-05:00"])
def test_an_instant_outside_the_calendar_is_no_span_of_time(text: str) -> None:
    with pytest.raises(SpecMalformed, match="no span of time"):
        parse_freeze(text)
