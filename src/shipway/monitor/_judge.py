"""The verdict on one day, from the leaves of the release that answered it. Reads leaves, writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from shipway.data import Profile, measure_drift
from shipway.monitor._checks import check_base_rate, check_calibration, check_drift, report_quality, window_days
from shipway.monitor._leaf import Leaf
from shipway.monitor._verdict import DayVerdict, Finding
from shipway.monitor._window import Windows
from shipway.spec import MonitorSpec

_REPORTED = MonitorSpec(name="report")  # the window of the numbers that nobody is woken by


def answering_leaves(leaves: Sequence[Leaf]) -> list[Leaf]:
    """For each day, in order, the leaf of the release that answered most of it; of equal ones the last to answer."""
    found: dict[date, Leaf] = {}
    for leaf in sorted(leaves, key=lambda leaf: (leaf.day, leaf.rows, leaf.rows_at)):
        found[leaf.day] = leaf
    return list(found.values())


def judge_day(
    ref: str,
    last: Leaf,
    leaves: Sequence[Leaf],
    monitors: Mapping[str, MonitorSpec],
    windows: Windows,
    reference: Profile | None,
) -> DayVerdict:
    """The verdict on the day of `last`, from the windows that end with it; leaves: those of its release, by day."""
    widest = max([*monitors.values(), _REPORTED], key=window_days)
    inside = _inside(leaves, last.day, widest)
    outcomes = windows.outcomes(inside)
    findings: list[Finding] = []
    for monitor in monitors.values():
        findings += _findings(monitor, _inside(leaves, last.day, monitor), windows, reference)
    return DayVerdict(
        ref=ref,
        day=last.day,
        release=last.release,
        first_day=last.day - timedelta(days=window_days(widest) - 1),
        days=len(outcomes.days),
        rows=sum(leaf.rows for leaf in inside),
        labels=outcomes.labels,
        findings=(*findings, *report_quality(outcomes)),
    )


def _inside(leaves: Sequence[Leaf], day: date, monitor: MonitorSpec) -> list[Leaf]:
    first = day - timedelta(days=window_days(monitor) - 1)
    return [leaf for leaf in leaves if first <= leaf.day <= day]


def _findings(monitor: MonitorSpec, leaves: Sequence[Leaf], windows: Windows, reference: Profile | None) -> list[Finding]:
    if monitor.page is None and monitor.inform is None:
        return []
    if monitor.name == "calibration":
        return [check_calibration(monitor, windows.outcomes(leaves))]
    if monitor.name == "base_rate":
        return [check_base_rate(monitor, windows.outcomes(leaves))]
    if monitor.name == "drift" and reference is not None:
        return check_drift(monitor, measure_drift(reference, windows.features(leaves)), sum(leaf.rows for leaf in leaves))
    return []
