"""Columns that say nothing any more: all null, one value only, or only values that the reference has not. Pure.

Chance is asked first: one row is always constant. A column that was as dead on a day before is so by nature (the weekday is
the same for all of a day), and nobody is woken for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from shipway.data import CategoryProfile, NumericProfile, Profile, described_name
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
    for name, parts in _parts(reference, window).items():
        column, death = window.columns[parts[0]], _death(reference, window, parts)
        if death is None or _by_nature(death, len(earlier)) or _as_before(death, parts, reference, earlier):
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


def _parts(reference: Profile, window: Profile) -> dict[str, list[str]]:
    """Each column of the table with what it is profiled by: itself, or all of its descriptors."""
    source_of = {described_name(name, part): name for name, rule in reference.described.items() for part in rule.names}
    found: dict[str, list[str]] = {}
    for name in window.columns:
        found.setdefault(source_of.get(name, name), []).append(name)
    return found


_CONSTANT = "has one value"


def _death(reference: Profile, window: Profile, parts: Sequence[str]) -> Death | None:
    """None for a living column, and for one whose reference is as dead. Of descriptors all are dead, or the column lives."""
    deaths = [_looks(reference.columns.get(part), window.columns.get(part)) for part in parts]
    found = [death for death in deaths if death is not None]
    if len(found) < len(parts) or len({death.words for death in found}) > 1:
        return None
    death = min(found, key=lambda one: one.share)
    return death if death.share < 0.99 else None


def _looks(reference: Column | None, column: Column | None) -> Death | None:
    if column is None or reference is None or not column.n or type(reference) is not type(column):
        return None
    rows = reference.n + 2
    if column.missing == column.n:
        return Death("is null", (reference.missing + 1) / rows)
    if isinstance(column, CategoryProfile):
        assert isinstance(reference, CategoryProfile)
        if column.other == column.n:
            return Death("has values unknown to the reference", (reference.other + 1) / rows)
        if max(column.counts.values(), default=0) == column.n:
            return Death(_CONSTANT, (max(reference.counts.values(), default=0) + 1) / rows)
        return None
    assert isinstance(reference, NumericProfile)
    if not column.missing and column.minimum == column.maximum:
        return Death(_CONSTANT, (int(reference.bins.counts.max()) + 1) / rows)
    return None


def _by_nature(death: Death, known_days: int) -> bool:
    """Whether a constant is no sign of anything: too few days are known, or it may be of the value that most rows have anyway.

    A dry day has no rain in any row, though the rows of a reference seem to say that chance cannot do that.
    """
    return death.words == _CONSTANT and (known_days < KNOWN_DAYS or death.share >= COMMON)


def _as_before(death: Death, parts: Sequence[str], reference: Profile, earlier: Sequence[Profile]) -> bool:
    """Whether a day of this release was dead in the same way."""
    for day in earlier:
        column = day.columns.get(parts[0])
        known = _death(reference, day, parts) if column is not None and column.n > 1 else None
        if known is not None and known.words == death.words:
            return True
    return False
