"""How long a provider asks us to wait, from the headers of its answer. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_LONGEST = 86400.0  # seconds; more than a day is no advice that a caller could follow


def parse_retry_after(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Seconds to wait from `retry-after-ms`, or `retry-after` in seconds or as an HTTP date (RFC 9110, 10.2.3); None when
    there is none or it cannot be read. headers: names in lower case, or a mapping that does not mind.

    >>> parse_retry_after({"retry-after": "2"}, now=datetime(2026, 11, 23, tzinfo=UTC))
    2.0
    """
    fine = _number(headers.get("retry-after-ms", ""))
    if fine is not None:
        return min(fine / 1000, _LONGEST)
    said = headers.get("retry-after", "")
    seconds = _number(said)
    if seconds is None:
        seconds = _until(said, now)
    return None if seconds is None else min(seconds, _LONGEST)


def _number(text: str) -> float | None:
    text = text.strip()
    return float(text) if text.isascii() and text.replace(".", "", 1).isdigit() else None


def _until(text: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
