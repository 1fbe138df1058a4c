"""The `schedule:` section: when the pipeline runs by itself where an engine runs it. Pure: no clock."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from shipway.kernel.units import Seconds
from shipway.spec._calendar import check_zone
from shipway.spec._errors import SpecMalformed
from shipway.spec._fields import duration, fields, text
from shipway.spec._node import Node, shown

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 7))
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART = re.compile(r"(\*|[a-z0-9]+)(?:-([a-z0-9]+))?(?:/([0-9]{1,4}))?")
_FORM = "five fields, as in `0 4 * * 1`: minute, hour, day of the month, month, day of the week"
_LONGEST = 28  # days: February has no more, and a cron field starts anew each month


class ScheduleSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Either `cron`, five fields by the clock on the wall of `timezone`, or `every`, a whole number of minutes in seconds."""

    cron: str | None = None
    every: Seconds | None = None
    timezone: str = "UTC"


class Cron(msgspec.Struct, frozen=True):
    """The values of each field, in order; None where it is `*`. Days of the week are 0 (Sunday) to 6."""

    minute: tuple[int, ...] | None
    hour: tuple[int, ...] | None
    day: tuple[int, ...] | None
    month: tuple[int, ...] | None
    weekday: tuple[int, ...] | None


def parse_cron(text: str) -> Cron:
    """The fields of a cron expression as POSIX has it, with steps and English names. Raises SpecMalformed.

    >>> parse_cron("*/30 4 * * mon-tue").minute, parse_cron("0 4 * * 1-2,7").weekday
    ((0, 30), (0, 1, 2))
    """
    words = text.lower().split()
    if len(words) != len(_FIELDS) or len(text) > 200:
        raise SpecMalformed(f"{shown(text)} is no cron expression", mend=_FORM)
    minute, hour, day, month, weekday = (_field(word, *field) for word, field in zip(words, _FIELDS, strict=True))
    weekday = None if weekday is None else tuple(sorted({value % 7 for value in weekday}))
    if day and month and weekday is None and not any(_has(value, d) for value in month for d in day):
        raise SpecMalformed(f"{shown(text)} is a day that never comes", mend=_FORM)
    return Cron(minute, hour, day, month, weekday)


def _has(month: int, day: int) -> bool:
    return day <= (29 if month == 2 else 30 if month in (4, 6, 9, 11) else 31)


def _field(word: str, what: str, low: int, high: int) -> tuple[int, ...] | None:
    if word == "*":
        return None
    values: set[int] = set()
    for part in word.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise SpecMalformed(f"{shown(part)} is no {what}", mend=_FORM)
        start, end = _span(match, what, low, high)
        step = int(match[3] or 1)
        if step == 0 or start > end:
            raise SpecMalformed(f"{shown(part)} is no {what}", mend=f"from {low} to {high}, the smaller first")
        values |= set(range(start, end + 1, step))
    return tuple(sorted(values))


def _span(match: re.Match[str], what: str, low: int, high: int) -> tuple[int, int]:
    if match[1] == "*":
        if match[2]:
            raise SpecMalformed(f"{shown(match[0])} is no {what}", mend=_FORM)
        return low, 6 if what == "day of the week" else high  # of both names of Sunday one
    start = _number(match[1], what, low, high)
    if match[2]:
        return start, _number(match[2], what, low, high)
    return start, high if match[3] else start


def _number(word: str, what: str, low: int, high: int) -> int:
    names = {"month": _MONTHS, "day of the week": _DAYS}.get(what, ())
    if word in names:
        return names.index(word) + low
    if not word.isdecimal() or not low <= int(word) <= high:
        raise SpecMalformed(f"{shown(word)} is no {what}", mend=f"from {low} to {high}")
    return int(word)


def times_before(cron: Cron, timezone: str, *, after: datetime, until: datetime) -> Iterator[datetime]:
    """The scheduled instants later than `after` and not later than `until`, in UTC, the newest first.

    By the clock on the wall: an hour that does not come when clocks go forward has no run, one that comes twice has its first.
    Days that fit either the day of the month or of the week count where both are given (POSIX). Takes a step for each day.

    >>> monday, cron = datetime(2026, 11, 30, 3, tzinfo=UTC), parse_cron("0 4 * * mon")
    >>> [f"{at:%d %H:%M}" for at in times_before(cron, "Europe/Berlin", after=monday - timedelta(days=14), until=monday)]
    ['30 03:00', '23 03:00']
    """
    zone = ZoneInfo(timezone)
    day, first = until.astimezone(zone).date(), after.astimezone(zone).date()
    hours, minutes = cron.hour or range(24), cron.minute or range(60)
    moments = [time(hour, minute, tzinfo=zone) for hour in reversed(hours) for minute in reversed(minutes)]
    while day >= first:
        for moment in moments if _is_day(cron, day) else ():
            at = datetime.combine(day, moment).astimezone(UTC)
            there = at.astimezone(zone).replace(tzinfo=None) == datetime.combine(day, moment).replace(tzinfo=None)
            if there and after < at <= until:
                yield at
        day -= timedelta(days=1)


def _is_day(cron: Cron, day: date) -> bool:
    if cron.month is not None and day.month not in cron.month:
        return False
    fits = [day.day in cron.day] if cron.day is not None else []
    fits += [day.isoweekday() % 7 in cron.weekday] if cron.weekday is not None else []
    return any(fits) or not fits


def read_schedule(node: Node) -> ScheduleSpec:
    """The schedule, its expression checked. Raises SpecMalformed."""
    entries = fields(node, ("cron", "every", "timezone"), "schedule")
    if ("cron" in entries) == ("every" in entries):
        raise node.fail("schedule has one of cron and every", mend='cron: "0 4 * * 1", or every: 6h')
    if "timezone" in entries and "every" in entries:
        raise entries["timezone"].fail("what comes every so often knows no time zone", mend="remove the line")
    return ScheduleSpec(
        cron=_read_cron(entries["cron"]) if "cron" in entries else None,
        every=_read_every(entries["every"]) if "every" in entries else None,
        timezone=_read_zone(entries["timezone"]) if "timezone" in entries else "UTC",
    )


def _read_cron(node: Node) -> str:
    try:
        parse_cron(text(node, "schedule.cron"))
    except SpecMalformed as problem:
        raise node.fail(problem.what, mend=problem.mend) from problem
    return " ".join(node.raw.lower().split())


def _read_every(node: Node) -> Seconds:
    every = duration(node, "schedule.every")
    if every < 60 or every % 60 or every > _LONGEST * 86400:
        raise node.fail(f"schedule.every is not {node.shown()}", mend=f"whole minutes, from 1m to {_LONGEST}d")
    return every


def _read_zone(node: Node) -> str:
    try:
        return check_zone(text(node, "schedule.timezone"))
    except SpecMalformed as problem:
        raise node.fail(problem.what, mend=problem.mend) from problem
