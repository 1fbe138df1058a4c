"""Whether columns or predictions have drifted: by effect, beyond the days' own noise, and not for one week only. Pure.

Many columns are many tests: Benjamini and Hochberg's rule says which of them to believe. What drifts informs; DESIGN rule 1
says why nobody is woken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from shipway.data import (
    Drift,
    Profile,
    drift_bins,
    measure_drift,
    measure_score_drift,
    merge_profiles,
    score_bins,
)
from shipway.kernel.check import Check, Verdict
from shipway.monitor._limits import exceeded, limits_of, undecided
from shipway.monitor._measure import NUMBER
from shipway.monitor._new_values import new_values_words
from shipway.monitor._projections import fold_projections
from shipway.monitor._verdict import Finding
from shipway.spec import MonitorSpec
from shipway.stats import DriftChance, benjamini_hochberg, drift_chance

WEEK, LOOKS = 7, 3  # an index is looked at in each of the last three weeks; shorter windows in their thirds
FALSE_SHARE = 0.05  # of the columns that are called drifted
CLASS = "class"
_ORDER = (Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL)


class _Column(NamedTuple):
    """A column's index over the window, what chance does, and the same index in the last parts of the window, oldest first."""

    name: str
    psi: float
    chance: DriftChance
    parts: tuple[float, ...]
    rows: int
    new: str = ""  # values that the reference has not, in words


def check_drift(monitor: MonitorSpec, reference: Profile, days: Sequence[Profile]) -> list[Finding]:
    """A finding `drift.<feature>` for each feature, by its population stability index; days: the window's, in order."""
    window, parts = merge_profiles(*days), _parts(days)
    whole = measure_drift(reference, window)
    pieces = [measure_drift(reference, merge_profiles(*part)) for part in parts]
    columns = []
    for name, drift in whole.items():
        bins = drift_bins(reference, days, name)
        if drift.psi is not None and bins is not None:
            chance = drift_chance(drift.psi, reference=bins[0], days=bins[1], limit=limits_of(monitor)[-1][1])
            new = new_values_words(window, name)
            columns.append(_Column(f"{monitor.name}.{name}", drift.psi, chance, _indices(pieces, name), window.rows, new))
    return fold_projections(_judged(monitor, columns), monitor.name, reference)


def check_effects(
    monitor: MonitorSpec,
    drifts: Mapping[str, Drift],
    rows: int,
    current: Profile | None = None,
    reference: Profile | None = None,
) -> list[Finding]:
    """As check_drift by the effect alone, of a window that comes without days: what is noise, its reader has to know.

    current: of the window, whose new values are named; reference: whose projections are told as one.
    """
    found = []
    for name, drift in drifts.items():
        if drift.psi is not None:
            over, (loudest, _), (_, lowest) = exceeded(monitor, drift.psi), limits_of(monitor)[0], limits_of(monitor)[-1]
            severity, limit = over or (loudest, lowest)
            verdict = Verdict.FAIL if over else Verdict.PASS
            text = new_values_words(current, name) if over and current else ""
            found.append(
                Finding(severity, Check(f"{monitor.name}.{name}", verdict, drift.psi, threshold=limit, n=rows, text=text))
            )
    return fold_projections(found, monitor.name, reference) if reference else found


def check_prediction_drift(monitor: MonitorSpec, reference: Profile, days: Sequence[Profile]) -> list[Finding]:
    """The one finding of what was predicted.

    Of several classes it is that of the column that moved most among the predicted classes and their chances, each tested.
    Inconclusive without held-out answers to compare with.
    """
    if reference.score is None:
        return [_check_answers(monitor, reference, days)]
    window, bins = merge_profiles(*days), score_bins(reference, days)
    drift = measure_score_drift(reference, window)
    if drift.psi is None or bins is None:
        return []
    pieces = [{"": measure_score_drift(reference, merge_profiles(*part))} for part in _parts(days)]
    chance = drift_chance(drift.psi, reference=bins[0], days=bins[1], limit=limits_of(monitor)[-1][1])
    return _judged(monitor, [_Column(monitor.name, drift.psi, chance, _indices(pieces, ""), window.rows)])


def _check_answers(monitor: MonitorSpec, reference: Profile, days: Sequence[Profile]) -> Finding:
    """Of answers that are no probability, which drift as features do."""
    if not reference.predictions:
        return undecided(monitor, "the held-out answers of this release are not in this store: nothing to compare with")
    answered = [_as_columns(day) for day in days if day.predictions]
    found = check_drift(monitor, _as_columns(reference), answered)
    if not found:
        return undecided(monitor, "no day of the window has a profile of what was answered yet")
    worst = max(found, key=lambda one: (_ORDER.index(one.check.verdict), one.check.value or 0.0))
    column = worst.check.name.removeprefix(f"{monitor.name}.")
    said = [] if column == NUMBER else ["the predicted class" if column == CLASS else column]
    text = ": ".join(part for part in (*said, worst.check.text) if part)
    return Finding(worst.severity, replace(worst.check, name=monitor.name, text=text))


def _as_columns(profile: Profile) -> Profile:
    """Its answers as if they were features; rows: those that it has answers of."""
    return Profile(next((column.n for column in profile.predictions.values()), 0), profile.predictions)


def _parts(days: Sequence[Profile]) -> list[Sequence[Profile]]:
    """The last three weeks of a window, or its thirds; none of a window of fewer than three days."""
    size = WEEK if len(days) >= LOOKS * WEEK else len(days) // LOOKS
    return [days[len(days) - size * back : len(days) - size * (back - 1)] for back in range(LOOKS, 0, -1)] if size else []


def _indices(pieces: Sequence[Mapping[str, Drift]], name: str) -> tuple[float, ...]:
    found = [piece[name].psi for piece in pieces if name in piece]
    return tuple(index for index in found if index is not None)


def _judged(monitor: MonitorSpec, columns: Sequence[_Column]) -> list[Finding]:
    believed = benjamini_hochberg([column.chance.chance for column in columns], q=FALSE_SHARE).tolist()
    return [_finding(monitor, column, sure=sure) for column, sure in zip(columns, believed, strict=True)]


def _finding(monitor: MonitorSpec, column: _Column, *, sure: bool) -> Finding:
    over, (loudest, _), (_, lowest) = exceeded(monitor, column.psi), limits_of(monitor)[0], limits_of(monitor)[-1]
    severity, limit = over or (loudest, lowest)
    lasting = sum(index > limit for index in column.parts)
    check = Check(column.name, Verdict.PASS, column.psi, threshold=limit, n=column.rows)
    needed = column.chance.rows_needed
    if over is None:
        if needed is not None and column.rows < needed:
            more = needed - column.rows
            text = f"not enough yet, about {more:,} more rows"
            return Finding(severity, replace(check, verdict=Verdict.INCONCLUSIVE, still_needed=more, text=text))
        return Finding(severity, check)
    if not sure:
        more = max(0, needed - column.rows) if needed is not None else 0
        wanted = f", about {more:,} more rows would decide" if more else ""
        text = f"no more than the days' own noise{wanted}"
        return Finding(severity, replace(check, verdict=Verdict.INCONCLUSIVE, still_needed=more or None, text=text))
    if column.parts and 2 * lasting <= len(column.parts):
        text = f"in {lasting} of the last {len(column.parts)} parts of the window: it has not lasted"
        return Finding(severity, replace(check, verdict=Verdict.INCONCLUSIVE, text=text))
    return Finding(severity, replace(check, verdict=Verdict.FAIL, text=column.new))
