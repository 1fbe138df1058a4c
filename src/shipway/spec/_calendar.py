"""When a ref may move: hours of the week in a time zone, and spans in which nothing moves. Pure: time is an argument."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from shipway.kernel.clock import instant
from shipway.kernel.errors import nearest
from shipway.spec._errors import SpecMalformed
from shipway.spec._node import shown

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"([a-z,-]+) ([0-9]{2}:[0-9]{2})-([0-9]{2}:[0-9]{2}) ([A-Za-z0-9_+/-]+)")
_HOURS_FORM = "as in mon-fri 09:00-17:00 Europe/Berlin"
_FREEZE_FORM = "as in 2026-12-20..2027-01-02, both days frozen, or two instants with their offsets"
_A_DAY = 24 * 60
_YEAR = 366  # days that `opening` looks ahead: hours of two zones may meet in summer alone


class Hours(msgspec.Struct, frozen=True, order=True):
    """Days of the week (0 is Monday) and minutes of the day, by the clock on the wall of a time zone; `end` is outside.

    An `end` that is not after `start` lies on the next day.
    """

    days: tuple[int, ...]
    start: int
    end: int
    zone: str

    @property
    def text(self) -> str:
        """As a person writes it, in one form.

        >>> parse_hours("fri,mon-wed 09:00-24:00 UTC").text
        'mon-wed,fri 09:00-24:00 UTC'
        """
        return f"{_days_text(self.days)} {_clock(self.start)}-{_clock(self.end)} {self.zone}"

    def holds(self, moment: datetime) -> bool:
        """Whether the moment lies in these hours."""
        local = moment.astimezone(_zone(self.zone))
        day, minute = local.weekday(), local.hour * 60 + local.minute
        if self.start < self.end:
            return day in self.days and self.start <= minute < self.end
        return (day in self.days and minute >= self.start) or ((day - 1) % 7 in self.days and minute < self.end)


class Freeze(msgspec.Struct, frozen=True, order=True):
    """From `start` until `end`, which is outside; both instants in UTC as text. An empty `end` never comes."""

    start: str
    end: str

    @property
    def text(self) -> str:
        """In one form, in UTC."""
        return f"{self.start}..{self.end}"

    def holds(self, moment: datetime) -> bool:
        """Whether the moment lies in the freeze."""
        at = instant(moment)
        return self.start <= at and (not self.end or at < self.end)


def parse_hours(text: str) -> Hours:
    """The hours of `mon-fri 09:00-17:00 Europe/Berlin`. Raises SpecMalformed."""
    match = _HOURS.fullmatch(" ".join(text.split())) if len(text) <= 120 else None
    if match is None:
        raise SpecMalformed(f"{shown(text)} is nothing that hours can be", mend=_HOURS_FORM)
    days = sorted({day for part in match[1].split(",") for day in _day_span(part)})
    start, end = _minute(match[2]), _minute(match[3])
    if start in (end, _A_DAY):
        raise SpecMalformed(f"{match[2]}-{match[3]} is no time at all", mend="the whole day is 00:00-24:00")
    return Hours(tuple(days), start, end, check_zone(match[4]))


def check_zone(name: str) -> str:
    """The name of a time zone. Raises SpecMalformed."""
    if name not in _zones():
        near = nearest(name[:80], sorted(_zones()))
        mend = f"did you mean {near}?" if near else "as in Europe/Berlin, or UTC"
        raise SpecMalformed(f"{shown(name)} is no time zone", mend=mend)
    return name


def parse_freeze(text: str) -> Freeze:
    """The freeze of `2026-12-20..2027-01-02` (two days, both frozen; days of UTC unless a zone follows) or of two instants.

    What has no end is left open: `2026-12-20..`. Raises SpecMalformed.
    """
    words = text.split()
    first, dots, last = words[0].partition("..") if 1 <= len(words) <= 2 and len(text) <= 120 else ("", "", "")
    zone = words[1] if len(words) == 2 else "UTC"
    if not dots or zone not in _zones():
        raise SpecMalformed(f"{shown(text)} is no span of time", mend=_FREEZE_FORM)
    start, end = _moment(first, zone, text), _moment(last, zone, text, after=True) if last else ""
    if end and end <= start:
        raise SpecMalformed(f"{shown(text)} ends before it begins", mend=_FREEZE_FORM)
    return Freeze(start, end)


def opening(windows: Sequence[Sequence[Hours]], start: datetime) -> datetime | None:
    """The first moment from `start` on at which each group of hours is open; None when there is none in a year.

    windows: groups of hours that all have to be open; a group is open when one of its hours holds. Where the clocks go forward
    over the beginning of hours, it is late by as much.
    """
    zones = {hours.zone for group in windows for hours in group}
    starts = [start]
    for zone in sorted(zones):
        today = start.astimezone(_zone(zone)).date()
        minutes = {hours.start for group in windows for hours in group if hours.zone == zone} | {0}
        for number in range(-1, _YEAR + 1):
            midnight = datetime.combine(today + timedelta(days=number), time(), _zone(zone))
            starts += [(midnight + timedelta(minutes=minute)).astimezone(UTC) for minute in minutes]
    later = sorted(moment for moment in starts if moment >= start)
    return next((moment for moment in later if all(any(h.holds(moment) for h in group) for group in windows)), None)


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    from zoneinfo import available_timezones  # most specs have no hours, and `--help` has no time for it

    return frozenset(available_timezones())


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)


def _day_span(text: str) -> range | list[int]:
    """The days of `mon` or `mon-fri`; `sat-mon` goes round the end of the week."""
    first, dash, last = text.partition("-")
    if first not in DAYS or (dash and last not in DAYS):
        raise SpecMalformed(f"{shown(text)} is no day of the week", mend=f"one of {', '.join(DAYS)}, or two: mon-fri")
    begin = DAYS.index(first)
    if not dash:
        return [begin]
    return [(begin + number) % 7 for number in range((DAYS.index(last) - begin) % 7 + 1)]


def _days_text(days: Sequence[int]) -> str:
    runs: list[list[int]] = []
    for day in days:
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ",".join(DAYS[run[0]] if len(run) == 1 else f"{DAYS[run[0]]}-{DAYS[run[-1]]}" for run in runs)


def _minute(text: str) -> int:
    hour, minute = int(text[:2]), int(text[3:])
    if minute > 59 or hour > 24 or (hour == 24 and minute):
        raise SpecMalformed(f"{shown(text)} is no time of the day", mend="00:00 to 24:00")
    return hour * 60 + minute


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _moment(text: str, zone: str, whole: str, *, after: bool = False) -> str:
    """The instant of a date or a time with its offset; of a date its beginning, or the end of that day."""
    try:
        if len(text) == len("2026-12-20"):
            day = date.fromisoformat(text) + timedelta(days=1 if after else 0)
            return instant(datetime.combine(day, time(), _zone(zone)))
        moment = datetime.fromisoformat(text)
        at = instant(moment)
    except (ValueError, OverflowError):
        raise SpecMalformed(f"{shown(whole)} is no span of time", mend=_FREEZE_FORM) from None
    if moment.tzinfo is None:
        raise SpecMalformed(f"{shown(text)} has no offset", mend="as in 2026-12-20T18:00+01:00")
    return at
