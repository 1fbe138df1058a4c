"""Months: what a report says of each calendar month. They only report; a day's trailing window is what is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from functools import cache
from typing import NamedTuple

import numpy as np

from shipway.data import Profile, measure_drift
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest
from shipway.monitor._alerts import Alert
from shipway.monitor._checks import measure_auc, measure_error, measure_skill
from shipway.monitor._deployments import Reference, release_reference
from shipway.monitor._estimate import estimate_window
from shipway.monitor._faults import past_unreadable
from shipway.monitor._foreign_estimate import ForeignEstimate
from shipway.monitor._leaf import Leaf, load_leaves
from shipway.monitor._watch import load_alerts
from shipway.monitor._window import Floats, Outcomes, Windows
from shipway.store import Store

DRIFTED = 0.2  # population stability index; the default of the drift monitor
ByRows = Callable[[Digest, Sequence[date]], ForeignEstimate | None]  # of a release's rows of some days, read from the log


class _Known(NamedTuple):
    profile_of: Callable[[Digest], Profile | None]
    by_rows: ByRows
    drifted: float


def report_months(
    store: Store,
    ref: str,
    *,
    drifted: float = DRIFTED,
    reference: Reference | None = None,
    by_rows: ByRows | None = None,
) -> list[JsonObject]:
    """One record a calendar month with leaves (made by `watch`), over all releases that answered in it, oldest first.

    n: rows of the settled days; labels, base_rate and predicted_rate: of the rows with a label; auc, auc_low, auc_high
    (95 %, clustered by day), brier_skill, ece: None where they have no meaning. drifted_features: names whose index
    against the reference of the month's main release is above `drifted`, worst first. alerts: those that were open on
    any day of the month, also when they opened in an earlier one; an alert lasts to its resolution, or to today.
    estimated: what the scores of the main release say without a label, and what that assumes; None where its reference has
    too few labels. by_rows: says it where stored profiles have no scores of a yes, of the main release's days.
    """
    profile_of = cache(_readable(reference or (lambda release: release_reference(store, release))))
    known = _Known(profile_of, by_rows or (lambda *_: None), drifted)
    alerts, windows = load_alerts(store, ref), Windows(store)
    months: dict[str, list[Leaf]] = {}
    for leaf in load_leaves(store, ref):
        months.setdefault(f"{leaf.day:%Y-%m}", []).append(leaf)
    return [_month(name, leaves, alerts, windows, known) for name, leaves in months.items()]


def _readable(reference: Reference) -> Reference:
    """None for a release that cannot be read: its numbers are kept, its drift is not known."""

    def find(release: Digest) -> Profile | None:
        with past_unreadable():
            return reference(release)
        return None

    return find


def _month(
    name: str,
    leaves: Sequence[Leaf],
    alerts: Iterable[Alert],
    windows: Windows,
    known: _Known,
) -> JsonObject:
    releases = sorted({leaf.release for leaf in leaves}, key=lambda release: -_rows(leaves, release))
    each = [windows.outcomes([leaf for leaf in leaves if leaf.release == release]) for release in releases]
    whole = _together(each)
    auc, skill = measure_auc(whole), measure_skill(whole)
    main = [leaf for leaf in leaves if leaf.release == releases[0]]
    reference, features = known.profile_of(releases[0]), windows.features(main)
    profiled = estimate_window(reference, features) if reference else None
    estimated = profiled or _of_rows(known.by_rows, main)
    return {
        "month": name,
        "n": sum(leaf.rows for leaf in leaves),
        "labels": whole.labels or sum(leaf.labels for leaf in leaves),  # of numbers and classes no score says yes
        "base_rate": whole.realised,
        "predicted_rate": whole.predicted,
        "auc": auc.value if auc else None,
        "auc_low": auc.low if auc else None,
        "auc_high": auc.high if auc else None,
        "brier_skill": skill.value if skill else None,
        "ece": _error(each),
        "drifted_features": _drifted(reference, features, known.drifted) if reference else [],
        "estimated": estimated.to_json() if estimated else None,
        "alerts": [_alert(alert) for alert in alerts if _was_open(alert, name)],
    }


def _of_rows(by_rows: ByRows, leaves: Sequence[Leaf]) -> ForeignEstimate | None:
    """None of a release that cannot be read."""
    with past_unreadable():
        return by_rows(leaves[0].release, [leaf.day for leaf in leaves])
    return None


def _rows(leaves: Iterable[Leaf], release: Digest) -> int:
    return sum(leaf.rows for leaf in leaves if leaf.release == release)


def _together(each: Sequence[Outcomes]) -> Outcomes:
    """The outcomes of several releases, a day once; their calibration tables, of other edges each, as one bin."""
    days = sorted({day for outcomes in each for day in outcomes.days})
    place = np.array([days.index(day) for outcomes in each for day in outcomes.days], dtype=np.int64)

    def added(parts: Sequence[Floats]) -> Floats:
        held = [part for part in parts if part.size]
        if not held:
            return np.zeros((0, 0))
        rows = np.concatenate(held)
        total = np.zeros((len(days), *rows.shape[1:]))
        np.add.at(total, place, rows)
        return total

    return Outcomes(
        tuple(days),
        positives=added([outcomes.positives for outcomes in each]),
        negatives=added([outcomes.negatives for outcomes in each]),
        count=added([outcomes.count.sum(axis=1, keepdims=True) for outcomes in each]),
        score_sum=added([outcomes.score_sum.sum(axis=1, keepdims=True) for outcomes in each]),
        label_sum=added([outcomes.label_sum.sum(axis=1, keepdims=True) for outcomes in each]),
        squared_error=added([outcomes.squared_error for outcomes in each]),
    )


def _error(each: Sequence[Outcomes]) -> float | None:
    """Calibration error over the bins of each release: the mean of their errors by rows."""
    labels = sum(outcomes.labels for outcomes in each)
    parts = [(error, outcomes.labels) for outcomes in each if (error := measure_error(outcomes)) is not None]
    return sum(error * rows for error, rows in parts) / labels if labels else None


def _drifted(reference: Profile, current: Profile, limit: float) -> list[str]:
    found = {name: drift.psi for name, drift in measure_drift(reference, current).items()}
    above = {name: psi for name, psi in found.items() if psi is not None and psi > limit}
    return sorted(above, key=lambda name: -above[name])


def _was_open(alert: Alert, month: str) -> bool:
    end = alert.resolved or date.max
    return f"{alert.first_day:%Y-%m}" <= month <= f"{end:%Y-%m}"


def _alert(alert: Alert) -> JsonObject:
    return {
        "severity": alert.severity.value,
        "monitor": alert.monitor,
        "value": alert.value,
        "threshold": alert.threshold,
        "first_day": alert.first_day.isoformat(),
    }
