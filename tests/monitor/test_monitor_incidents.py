from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from monitor_logs import NOW, REF, RELEASE, FakeClock, new_store

from shipway.kernel.units import Seconds
from shipway.monitor import (
    ALL,
    Alert,
    CauseKind,
    Event,
    EventKind,
    Incident,
    Severity,
    SilenceMalformed,
    group_alerts,
    keep_silence,
    load_incidents,
    load_silences,
    rank_causes,
)

DAY = date(2026, 5, 1)


def alert(
    monitor: str, first: int, last: int, *, severity: Severity = Severity.PAGE, text: str = "", over: bool = True
) -> Alert:
    days = [DAY + timedelta(days=number) for number in (first, last)]
    resolved = days[1] + timedelta(days=3) if over else None
    return Alert(REF, severity, monitor, 0.1, None, None, 0.05, days[0], days[1], RELEASE, resolved, text)


def deploy(day: int, *changed: str) -> Event:
    return Event(DAY + timedelta(days=day), EventKind.DEPLOY, "release took over", RELEASE, changed)


def kinds(incident: Incident, *events: Event) -> list[tuple[CauseKind, str]]:
    return [(cause.kind, cause.likelihood) for cause in rank_causes(incident, events)]


def test_alerts_that_overlap_are_one_incident_and_what_informs_stands_beside_it() -> None:
    drift = alert("drift.temp", 0, 90, severity=Severity.INFORM)
    later = alert("drift.x", 30, 31, severity=Severity.INFORM)
    loud = [alert("calibration", 3, 9), alert("base_rate", 8, 20), alert("calibration", 40, 44)]
    first, second = group_alerts([*loud, drift, later])
    assert [one.monitor for one in first.alerts] == ["calibration", "base_rate"]
    assert (first.first_day, first.last_day, first.open, first.severity) == (
        DAY + timedelta(3),
        DAY + timedelta(20),
        False,
        Severity.PAGE,
    )
    assert first.informing == (drift,)
    assert [one.monitor for one in second.alerts] == ["calibration"]
    assert first.id == "delay@prod/2026-05-04"


def test_drift_alone_is_no_incident() -> None:
    assert group_alerts([alert("drift.temp", 0, 90, severity=Severity.INFORM)]) == []


def test_an_open_alert_holds_its_incident_open_for_what_comes() -> None:
    (one,) = group_alerts([alert("base_rate", 0, 4, over=False), alert("latency", 50, 51, severity=Severity.TICKET)])
    assert one.open
    assert (one.severity, len(one.alerts)) == (Severity.PAGE, 2)


def test_a_lost_column_is_likelier_than_the_release_and_that_than_the_world() -> None:
    (one,) = group_alerts([alert("schema.x1", 0, 5, text="column x1 is lost"), alert("calibration", 2, 5)])
    assert kinds(one, deploy(-2, "model")) == [
        (CauseKind.COLUMNS, "likely"), (CauseKind.RELEASE, "likely"), (CauseKind.WORLD, "less likely")
    ]  # fmt: skip
    assert rank_causes(one, [])[0].text == "column x1 is lost"
    assert rank_causes(one, [])[0].runbook == "docs/runbooks.md#columns"


def test_a_release_of_long_ago_is_no_cause_and_then_it_was_the_world() -> None:
    (one,) = group_alerts([alert("base_rate", 0, 5), alert("drift.temp", 0, 5, severity=Severity.INFORM)])
    assert kinds(one, deploy(-60, "model")) == [(CauseKind.WORLD, "possible")]
    (cause,) = rank_causes(one, [deploy(-60)])
    assert cause.text == "the release did not change before it, the world did; most drifted: temp"
    assert kinds(one, deploy(-1, "model"))[0] == (CauseKind.RELEASE, "likely")
    assert rank_causes(one, [deploy(-1, "model")])[0].text == "it began 1 day after a release took over, which changed model"


@pytest.mark.parametrize(
    ("monitor", "kind"),
    [
        ("sentinel", CauseKind.PROVIDER),
        ("freshness", CauseKind.INDEX),
        ("errors", CauseKind.SERVICE),
        ("silence", CauseKind.SERVICE),
    ],
)
def test_what_an_alert_says_by_itself_comes_first(monitor: str, kind: CauseKind) -> None:
    (one,) = group_alerts([alert(monitor, 0, 1)])
    assert kinds(one)[0] == (kind, "likely")


@pytest.mark.parametrize(
    ("began", "ended", "likelihood"),
    [(5, False, "likely"), (27, False, "likely"), (28, False, "less likely"), (1, True, "less likely")],
)
def test_a_challenger_explains_what_began_within_a_window_of_it_until_a_later_one_ends_its_ticket(
    began: int, ended: bool, likelihood: str
) -> None:
    ticket = alert("staleness", 0, 0, severity=Severity.TICKET, text="challenger ab is better", over=ended)
    (one,) = group_alerts([ticket, alert("base_rate", began, began + 3, over=False)])
    (found,) = (cause for cause in rank_causes(one, []) if cause.text == "the data moved on: challenger ab is better")
    assert (found.kind, found.likelihood) == (CauseKind.WORLD, likelihood)


def test_late_labels_and_lost_rows_are_possible_causes() -> None:
    (one,) = group_alerts([alert("calibration", 0, 5)])
    late = Event(DAY, EventKind.LABELS, "labels are late: 20% of the window's rows have one, 98% are usual")
    lost = Event(DAY, EventKind.GAP, "388 rows of the log predictions were lost")
    assert [kind for kind, _ in kinds(one, late, lost)] == [CauseKind.WORLD, CauseKind.LABELS, CauseKind.GAP]


def test_every_cause_has_a_runbook() -> None:
    headings = (Path(__file__).parents[2] / "docs" / "runbooks.md").read_text()
    assert [kind for kind in CauseKind if f"\n## {kind.value}\n" not in headings] == []


def test_a_silence_has_a_reason_and_an_end_and_covers_the_columns_of_its_monitor(tmp_path: Path) -> None:
    clock = FakeClock(NOW)
    store = new_store(tmp_path, clock)
    for why, seconds in (("", 60.0), ("later", 40 * 86_400.0)):
        with pytest.raises(SilenceMalformed):
            keep_silence(store, REF, ALL, who="ada", why=why, seconds=Seconds(seconds))
    with pytest.raises(SilenceMalformed, match="no monitor is called baserate") as problem:
        keep_silence(store, REF, "baserate", who="ada", why="a slip of the finger calls nobody", seconds=Seconds(60.0))
    assert problem.value.mend == "--monitor base_rate"
    keep_silence(store, REF, "drift", who="ada", why="the feed is being mended", seconds=Seconds(3600.0))
    (kept,) = load_silences(store, REF)
    assert kept.covers("drift.x1", NOW)
    assert not kept.covers("calibration", NOW)
    clock.at += timedelta(hours=1)
    assert load_silences(store, REF) == ()
    assert load_incidents(store, REF) == ()
