"""The verdict on one day, from the leaves of the release that answered it. Reads leaves, writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

from shipway.data import Profile, merge_profiles
from shipway.monitor._answered import check_accuracy, check_error, report_answers
from shipway.monitor._checks import (
    check_base_rate,
    check_calibration,
    check_performance,
    least_days,
    report_quality,
    window_days,
)
from shipway.monitor._dead import check_dead_columns
from shipway.monitor._drifted import check_drift, check_prediction_drift
from shipway.monitor._leaf import Leaf
from shipway.monitor._schema import DayColumns, check_schema
from shipway.monitor._verdict import DayVerdict, Finding
from shipway.monitor._window import Windows
from shipway.spec import MonitorSpec

DAY_MONITORS = frozenset(
    {"calibration", "base_rate", "performance", "prediction_error", "drift", "prediction_drift", "schema", "dead_columns"}
)
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
    columns: DayColumns | None = None,
) -> DayVerdict:
    """The verdict on the day of `last`, from the windows that end with it; leaves: those of its release, by day.

    columns: of the log, for the monitor `schema`.
    """
    monitors = {name: monitor for name, monitor in monitors.items() if name in DAY_MONITORS and not monitor.off}
    widest = max([*monitors.values(), _REPORTED], key=window_days)
    inside = _inside(leaves, last.day, widest)
    outcomes, answers = windows.outcomes(inside), windows.answers(inside)
    findings: list[Finding] = []
    for monitor in monitors.values():
        findings += _findings(monitor, last, leaves, windows, reference, columns)
    findings = _without_lost(findings)
    return DayVerdict(
        ref=ref,
        day=last.day,
        release=last.release,
        first_day=last.day - timedelta(days=window_days(widest) - 1),
        days=len(answers) or len(outcomes.days),
        rows=sum(leaf.rows for leaf in inside),
        labels=sum(day.n for _, day in answers) or outcomes.labels,
        findings=(*findings, *(report_answers(answers) if answers else report_quality(outcomes))),
    )


def _inside(leaves: Sequence[Leaf], day: date, monitor: MonitorSpec) -> list[Leaf]:
    first = day - timedelta(days=window_days(monitor) - 1)
    return [leaf for leaf in leaves if first <= leaf.day <= day]


def _findings(
    monitor: MonitorSpec,
    last: Leaf,
    leaves: Sequence[Leaf],
    windows: Windows,
    reference: Profile | None,
    columns: DayColumns | None,
) -> list[Finding]:
    inside = _inside(leaves, last.day, monitor)
    known = reference.answers if reference else None
    if monitor.name in ("calibration", "base_rate") and known is not None:
        return []  # no answer is a probability
    if monitor.name == "prediction_error" or (monitor.name == "performance" and known is not None):
        judge_answers = check_error if monitor.name == "prediction_error" else check_accuracy
        answered = judge_answers(monitor, windows.answers(inside), known) if known is not None else None
        return [answered] if answered else []
    if monitor.name == "calibration":
        return [check_calibration(monitor, windows.outcomes(inside))]
    if monitor.name == "base_rate":
        return [check_base_rate(monitor, windows.outcomes(inside))]
    if monitor.name == "schema":
        return check_schema(monitor, reference, columns, last.release, last.day) if columns is not None else []
    if reference is None:
        return []
    if monitor.name == "performance":
        found = check_performance(monitor, windows.outcomes(inside), reference.outcomes)
        return [found] if found else []
    if monitor.name == "dead_columns":
        window = merge_profiles(*windows.each(inside))
        earlier = [leaf for leaf in leaves if leaf.day < last.day][-window_days(_REPORTED) :]
        return check_dead_columns(monitor, reference, window, windows.each(earlier))
    judge = check_prediction_drift if monitor.name == "prediction_drift" else check_drift
    season = _season(monitor, last, leaves, windows)
    if season is None:
        return judge(monitor, reference, windows.each(inside))
    until, profile = season
    return [_against(finding, until) for finding in judge(monitor, profile, windows.each(inside))]


def _season(monitor: MonitorSpec, last: Leaf, leaves: Sequence[Leaf], windows: Windows) -> tuple[date, Profile] | None:
    """The last day and the sum of the window that the spec holds drift against; None where half of its days are not known.

    Of the same release, whose leaves alone have its edges: until it has served as long, its own reference counts.
    """
    if monitor.reference is None:
        return None
    until = last.day - timedelta(seconds=monitor.reference)
    before = _inside(leaves, until, monitor)
    return (until, merge_profiles(*windows.each(before))) if len(before) >= least_days(monitor) else None


def _against(finding: Finding, until: date) -> Finding:
    text = "; ".join(filter(None, (finding.check.text, f"against the window to {until}")))
    return replace(finding, check=replace(finding.check, text=text))


def _without_lost(findings: Sequence[Finding]) -> list[Finding]:
    """A lost column is null as well, and one alert says it."""
    lost = {
        check.name.partition(".")[2] for check in (finding.check for finding in findings) if check.name.startswith("schema.")
    }
    return [
        finding
        for finding in findings
        if not (finding.check.name.startswith("dead_columns.") and finding.check.name.partition(".")[2] in lost)
    ]
