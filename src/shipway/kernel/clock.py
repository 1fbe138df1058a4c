"""Time and ids arrive as arguments; these are their protocols, the real ones, and one text form of an instant."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Says what time it is, in UTC."""

    def now(self) -> datetime: ...


class Ids(Protocol):
    """Makes ids that sort by the time they were made."""

    def new(self) -> str: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


_TAILS: list[str] = []  # of ids to come, taken from the end: a visit to the system for each would cost more than all the rest
os.register_at_fork(after_in_child=_TAILS.clear)  # or two processes would give the same ones


class RandomIds:
    """UUID version 7 without dashes (RFC 9562): 48 bits of milliseconds, then random bits of the system."""

    def new(self) -> str:
        try:
            tail = _TAILS.pop()
        except IndexError:
            tail = _more_tails()
        return f"{time.time_ns() // 1_000_000:012x}{tail}"


def _more_tails() -> str:
    """Fills the store, and one for now: version and variant, and 74 random bits. Two threads at once only make more."""
    digits = os.urandom(10 * 128).hex()
    tails = [
        f"7{digits[at : at + 3]}{'89ab'[int(digits[at + 3], 16) & 3]}{digits[at + 4 : at + 19]}" for at in range(0, 2560, 20)
    ]
    _TAILS.extend(tails[1:])
    return tails[0]


def instant(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds, so that text order is time order.

    >>> instant(datetime(2013, 2, 1, tzinfo=UTC))
    '2013-02-01T00:00:00.000000Z'
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_instant(text: str) -> datetime:
    """The instant of an ISO 8601 text; a text without an offset is taken as UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
