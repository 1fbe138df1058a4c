"""Columns that say nothing any more: all null, one value only, or only values that the reference has not. Pure.

Chance is asked first: one row is always constant. A column that was as dead on a day before is so by nature (the weekday is
the same for all of a day), and nobody is woken for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from shipway.data import CategoryProfile, NumericProfile, Profile
from shipway.kernel.check import Check, Verdict
from shipway.monitor._limits import limits_of
from shipway.monitor._new_values import new_values_words
from shipway.monitor._verdict import Finding
from shipway.spec import MonitorSpec

CHANCE = 1e-6  # of a dead column where nothing has changed, over all columns together
KNOWN_DAYS = 7  # before which a constant may be one of every day of its kind
COMMON = 0.5  # share of the commonest value from which whole days of it are nothing new

Column = NumericProfile | CategoryProfile


class Death(NamedTuple):
    """What is wrong, in words; share: of the reference's rows that look so, from which the chance of n such rows follows."""

    words: str
    share: float


def check_dead_columns(monitor: MonitorSpec, reference: Profile, window: Profile, earlier: Sequence[Profile]) -> list[Finding]:
    """A finding `dead_columns.<column>` for each dead one, or `dead_columns` that passes.

    earlier: days of the release before.
    """
    severity, limit = limits_of(monitor)[0]
    found = []
    for name, column in window.columns.items():
        death = _death(reference.columns.get(name), column)
        if death is None or _by_nature(death, len(earlier)) or _as_before(death, name, reference, earlier):
            continue
        needed = max(0, math.ceil(math.log(CHANCE / max(1, len(window.columns))) / math.log(death.share)) - column.n)
        text = f"column {name} {death.words} in all {column.n:,} rows"
        if new := new_values_words(window, name):
            text += f"; {new}"
        if needed:
            text += f"; not enough yet, about {needed:,} more rows"
        verdict = Verdict.INCONCLUSIVE if needed else Verdict.FAIL
        check = Check(f"{monitor.name}.{name}", verdict, 1.0, threshold=limit, n=column.n, still_needed=needed or None)
        found.append(Finding(severity, replace(check, text=text)))
    return found or [Finding(severity, Check(monitor.name, Verdict.PASS, 0.0, threshold=limit, n=window.rows))]


_CONSTANT = "has one value"


def _death(reference: Column | None, column: Column) -> Death | None:
    """None for a living column, and for one whose reference is as dead."""
    if reference is None or not column.n or type(reference) is not type(column):
        return None
    rows = reference.n + 2
    if column.missing == column.n:
        death = Death("is null", (reference.missing + 1) / rows)
    elif isinstance(column, CategoryProfile) and isinstance(reference, CategoryProfile):
        if column.other == column.n:
            death = Death("has values unknown to the reference", (reference.other + 1) / rows)
        elif max(column.counts.values(), default=0) == column.n:
            death = Death(_CONSTANT, (max(reference.counts.values(), default=0) + 1) / rows)
        else:
            return None
    elif isinstance(column, NumericProfile) and isinstance(reference, NumericProfile):
        if column.missing or column.minimum != column.maximum:
            return None
        death = Death(_CONSTANT, (int(reference.bins.counts.max()) + 1) / rows)
    else:
        return None
    return death if death.share < 0.99 else None


def _by_nature(death: Death, known_days: int) -> bool:
    """Whether a constant is no sign of anything: too few days are known, or it may be of the value that most rows have anyway.

    A dry day has no rain in any row, though the rows of a reference seem to say that chance cannot do that.
    """
    return death.words == _CONSTANT and (known_days < KNOWN_DAYS or death.share >= COMMON)


def _as_before(death: Death, name: str, reference: Profile, earlier: Sequence[Profile]) -> bool:
    """Whether a day of this release was dead in the same way."""
    for day in earlier:
        column = day.columns.get(name)
        known = _death(reference.columns.get(name), column) if column is not None and column.n > 1 else None
        if known is not None and known.words == death.words:
            return True
    return False
