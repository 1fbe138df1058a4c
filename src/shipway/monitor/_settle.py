"""Which days can be judged: those whose rows and labels will not change any more. Pure.

The rule must not depend on when somebody looks. A day is settled when it is over on the event clock and
- every row of it has a mature label, or
- the clock is a grace past the maturity of its last row and a later day has labels (labels come in the order of days, so
  this one has all it will get), or
- the clock is a week past that maturity and its rows were recorded at least a minute ago: nobody labels any more. (The
  minute because an outcome may be compacted seconds after a prediction, which are weeks of a fast replay.)
Days are settled in order: one that waits holds back those after it, whose windows it is in. So for logs in the order of
events, looking often and looking once give equal verdicts. What comes after that is late: it is in the windows of later
days.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import NamedTuple

from shipway.monitor._leaf import Leaf, Question

GRACE = timedelta(days=1)
PATIENCE = timedelta(days=7)
LAG = timedelta(minutes=1)  # what is recorded can be read after this: writers and compaction take seconds
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Settled(NamedTuple):
    """The days that can be judged, in order; waits: more can be once a minute has passed, without a change of the logs."""

    days: tuple[date, ...]
    waits: bool = False


def settle_days(leaves: Iterable[Leaf], question: Question) -> Settled:
    """leaves: the counted rows and mature labels of every day, of every release that answered in it."""
    days = [(day, list(parts)) for day, parts in groupby(sorted(leaves, key=lambda leaf: leaf.day), lambda leaf: leaf.day)]
    labelled = max((day for day, parts in days if any(leaf.labels for leaf in parts)), default=date.min)
    settled: list[date] = []
    for day, parts in days:
        overdue = question.clock >= _mature(day, question) + PATIENCE
        if not (_complete(day, parts, labelled, question) or (overdue and _recorded_long_ago(parts, question))):
            return Settled(tuple(settled), waits=overdue)
        settled.append(day)
    return Settled(tuple(settled))


def _complete(day: date, parts: Sequence[Leaf], labelled: date, question: Question) -> bool:
    if question.clock < _end(day):
        return False
    return all(leaf.labels == leaf.rows for leaf in parts) or (
        day < labelled and question.clock >= _mature(day, question) + GRACE
    )


def _recorded_long_ago(parts: Sequence[Leaf], question: Question) -> bool:
    return question.now >= _EPOCH + timedelta(microseconds=max(leaf.rows_at for leaf in parts)) + LAG


def _end(day: date) -> datetime:
    return datetime.combine(day, time(), UTC) + timedelta(days=1)


def _mature(day: date, question: Question) -> datetime:
    """When every row of the day has matured."""
    return _end(day) + timedelta(seconds=question.matures)
