"""Freshness: whether what the index serves is what its source says, with as much delay as the monitor's window allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.kernel.canonical import JsonObject
from shipway.monitor._cost import judge_amount
from shipway.monitor._verdict import Finding
from shipway.spec import MonitorSpec

if TYPE_CHECKING:
    from shipway.rag import Freshness

_EXAMPLES = 5
_AGES = ((2 * 86_400, 86_400, "days"), (2 * 3_600, 3_600, "h"), (2 * 60, 60, "min"), (0, 1, "s"))


def check_freshness(monitor: MonitorSpec, freshness: Freshness, *, index: str) -> Finding:
    """Check `freshness`: value is how many documents are stale, once the oldest change is older than the window, and orphaned.

    A source changes in many files at once more often than one by one, so the age of the oldest change stands for all of
    them. What is gone from the source must not be served, and has no age: it counts at once. Fails above a threshold of the
    monitor.
    """
    stale = freshness.stale if freshness.oldest_seconds > monitor.window else 0
    value = stale + freshness.orphans
    return judge_amount(monitor, float(value), n=freshness.documents, text=_words(freshness, index))


def freshness_detail(freshness: Freshness, *, index: str) -> JsonObject:
    """The `detail` of a reading of the monitor `freshness`."""
    return {
        "index": index,
        "documents": freshness.documents,
        "stale": freshness.stale,
        "orphans": freshness.orphans,
        "oldest_seconds": freshness.oldest_seconds if freshness.stale else None,
        "examples": list(freshness.examples[:_EXAMPLES]),
    }


def _words(freshness: Freshness, index: str) -> str:
    parts = [(freshness.stale, "not served as they are now"), (freshness.orphans, "served and gone")]
    behind = [f"{number:,} {what}" for number, what in parts if number]
    if not behind:
        return f"index {index} serves all {freshness.documents:,} documents as they are now"
    named = f": {', '.join(freshness.examples[:_EXAMPLES])}" if freshness.examples else ""
    age = f"; the oldest change is {_age(freshness.oldest_seconds)} old" if freshness.stale else ""
    return f"index {index}, {freshness.documents:,} documents, {' and '.join(behind)}{named}{age}"


def _age(seconds: float) -> str:
    """How long, in its largest fitting unit.

    >>> _age(7.4), _age(7_300.0)
    ('7 s', '2 h')
    """
    _, unit, name = next(row for row in _AGES if seconds >= row[0])
    return f"{seconds / unit:.0f} {name}"
