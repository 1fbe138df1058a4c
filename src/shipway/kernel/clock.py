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


class RandomIds:
    """UUID version 7 without dashes (RFC 9562): 48 bits of milliseconds, then random bits."""

    def new(self) -> str:
        millis = time.time_ns() // 1_000_000
        raw = bytearray(millis.to_bytes(6, "big") + os.urandom(10))
        raw[6] = 0x70 | (raw[6] & 0x0F)
        raw[8] = 0x80 | (raw[8] & 0x3F)
        return raw.hex()


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
