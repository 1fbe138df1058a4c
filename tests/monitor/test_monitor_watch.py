from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from monitor_logs import (
    FIRST_DAY,
    NOW,
    OTHER_RELEASE,
    REF,
    RELEASE,
    Day,
    FakeClock,
    log_outcomes,
    log_predictions,
    make_days,
    new_store,
    reference_frame,
    time_column,
)

from shipway.data import Profile, reference_profile
from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import Digest
from shipway.kernel.units import Seconds
from shipway.monitor import (
    Alert,
    DayVerdict,
    OutcomeLog,
    Severity,
    WatchResult,
    compact_logs,
    event_clock,
    inputs_of,
    load_alerts,
    load_verdicts,
    report_months,
    watch,
    window_rows,
)
from shipway.spec import MonitorSpec
from shipway.store import Store

DAY = 86_400.0
MONITORS = {
    "calibration": MonitorSpec(name="calibration", page=0.05),
    "base_rate": MonitorSpec(name="base_rate", page=0.05),
    "drift": MonitorSpec(name="drift", inform=0.2),
}
_FORKS = multiprocessing.get_context("forkserver")  # a fork of this process would inherit the locks of Polars' threads
_FORKS.set_forkserver_preload(["shipway.monitor._watch", "shipway.store._catalogue"])


class Signed(NamedTuple):
    subject: Digest
    name: str
    checks: tuple[Check, ...]
    window: JsonObject


class Evidence:
    """Stands for the gate: what was attested."""

    def __init__(self) -> None:
        self.signed: list[Signed] = []

    def __call__(self, subject: Digest, name: str, checks: tuple[Check, ...], window: JsonObject) -> None:
        self.signed.append(Signed(subject, name, checks, window))


def the_reference(_release: Digest | None = None, *, features: int = 3) -> Profile:
    frame = reference_frame(features=features)
    inputs = frame.drop("flight", "scheduled", "probability", "late")
    return reference_profile(inputs, score=frame["probability"].to_numpy(), label=frame["late"].to_numpy())


REFERENCE = the_reference()


def logged(folder: Path, days: list[Day]) -> Store:
    store = new_store(folder)
    log_predictions(store, days)
    log_outcomes(store, days)
    compact(store)
    return store


def end_of(day: int) -> datetime:
    """The instant at which a day, by number, is over."""
    return datetime.combine(FIRST_DAY, datetime.min.time(), UTC) + timedelta(days=day + 1)


def compact(store: Store) -> None:
    compact_logs(store, now=NOW, time_column=time_column)


def watched(
    store: Store,
    *,
    until: datetime = datetime(2014, 1, 1, tzinfo=UTC),
    monitors: Mapping[str, MonitorSpec] = MONITORS,
    evidence: Evidence | None = None,
) -> WatchResult:
    return watch(
        store,
        REF,
        monitors,
        matures=Seconds(DAY),
        outcome="late",
        until=until,
        attest_checks=evidence or Evidence(),
        reference=lambda _release: REFERENCE,
    )


def check_of(verdict: DayVerdict, name: str) -> Check:
    return next(finding.check for finding in verdict.findings if finding.check.name == name)


def pages(alerts: tuple[Alert, ...]) -> dict[str, Alert]:
    return {alert.monitor: alert for alert in alerts if alert.severity is Severity.PAGE}


def test_each_matured_day_has_a_verdict_and_the_first_thirteen_say_what_they_lack(tmp_path: Path) -> None:
    evidence = Evidence()
    result = watched(logged(tmp_path, make_days(1, days=20)), until=end_of(19), evidence=evidence)
    assert [verdict.day.day for verdict in result.days] == list(range(1, 20))  # the 20th matures on the 21st
    assert [verdict.verdict for verdict in result.days[:13]] == [Verdict.INCONCLUSIVE] * 13
    tenth = check_of(result.days[9], "calibration")
    assert (tenth.still_needed, tenth.text) == (1200, "10 of 14 days with labels, about 1,200 more labels")
    last = result.days[-1]
    assert (last.days, last.rows, last.labels, last.first_day) == (19, 5700, 5700, date(2013, 1, 23))
    assert {finding.check.name for finding in last.findings} == {
        "calibration", "base_rate", "drift.carrier", "drift.x0", "drift.x1", "auc", "brier_skill", "ece"
    }  # fmt: skip
    assert [(signed.subject, signed.name) for signed in evidence.signed] == [(RELEASE, REF)] * 19
    assert evidence.signed[-1].window == last.window()


def test_the_numbers_are_those_of_the_rows(tmp_path: Path) -> None:
    days = make_days(2, days=40)
    verdict = watched(logged(tmp_path, days)).days[-1]
    score = np.concatenate([day.score for day in days[-28:]])
    label = np.concatenate([day.label for day in days[-28:]])
    base_rate = check_of(verdict, "base_rate")
    assert base_rate.value == pytest.approx(score.mean() - label.mean())
    assert (base_rate.n, verdict.labels) == (28 * 300, 28 * 300)
    assert check_of(verdict, "auc").value == pytest.approx(_auc(score, label), abs=1e-3)
    skill = 1 - ((score - label) ** 2).mean() / (label.mean() * (1 - label.mean()))
    assert check_of(verdict, "brier_skill").value == pytest.approx(skill)


def _auc(score: np.ndarray, label: np.ndarray) -> float:
    ranks = np.argsort(np.argsort(score)) + 1
    positive = label == 1
    pos, neg = positive.sum(), (~positive).sum()
    return float((ranks[positive].sum() - pos * (pos + 1) / 2) / (pos * neg))


@pytest.mark.parametrize("seeds", [range(3), pytest.param(range(100, 120), marks=pytest.mark.slow)])
def test_a_calibrated_model_pages_nobody(tmp_path: Path, seeds: range) -> None:
    paged = [seed for seed in seeds if pages(watched(logged(tmp_path / str(seed), make_days(seed, days=60))).alerts)]
    assert len(paged) <= len(seeds) // 20


def test_a_base_rate_that_shifts_pages_within_the_reach_of_the_window_and_is_resolved_after_it(tmp_path: Path) -> None:
    broken, healed = make_days(3, days=60, shift=0.1, from_day=30), make_days(4, days=105)[60:]
    result = watched(logged(tmp_path, [*broken, *healed]))
    alerts = pages(result.alerts)
    assert set(alerts) == {"calibration", "base_rate"}
    for alert in alerts.values():
        assert 30 + 10 <= (alert.first_day - FIRST_DAY).days <= 30 + 28
        assert alert.resolved is not None
    assert alerts["base_rate"].high is not None
    assert alerts["base_rate"].high < -0.05
    assert result.alerts == load_alerts(new_store(tmp_path), REF)


def test_drift_informs_and_never_pages(tmp_path: Path) -> None:
    days = make_days(5, days=30)
    hot = [day._replace(columns={**day.columns, "x0": day.columns["x0"] + 3}) for day in days]
    result = watched(logged(tmp_path, hot))
    (alert,) = result.alerts
    assert (alert.severity, alert.monitor, alert.first_day) == (Severity.INFORM, "drift.x0", FIRST_DAY)
    assert result.days[-1].verdict is Verdict.PASS


def test_a_feature_that_turns_into_words_drifts(tmp_path: Path) -> None:
    days = make_days(5, days=20)
    words = [day._replace(columns={**day.columns, "x0": np.array(["?"] * 300, dtype=object)}) for day in days[10:]]
    store = logged(tmp_path, [*days[:10], *words])
    assert [alert.monitor for alert in watched(store).alerts] == ["drift.x0"]


def test_watching_again_is_a_no_op(tmp_path: Path) -> None:
    store = logged(tmp_path, make_days(3, days=60, shift=0.1, from_day=30))
    first = watched(store)
    rows = {kind: store.states(kind) for kind in ("leaf", "window", "alert", "watched")}
    evidence = Evidence()
    again = watched(store, evidence=evidence)
    assert (again.days, again.alerts, evidence.signed) == ((), first.alerts, [])
    assert {kind: store.states(kind) for kind in rows} == rows


def test_day_by_day_says_the_same_as_all_at_once(tmp_path: Path) -> None:
    days = make_days(3, days=50, shift=0.1, from_day=20)
    at_once, daily = logged(tmp_path / "once", days), logged(tmp_path / "daily", days)
    whole = watched(at_once)
    step = [watched(daily, until=end_of(number)) for number in range(60)]
    assert [verdict for result in step for verdict in result.days] == list(whole.days)
    assert load_alerts(daily, REF) == whole.alerts


def test_a_day_without_labels_waits_for_them_and_for_a_week_at_most(tmp_path: Path) -> None:
    clock = FakeClock()
    store, days = new_store(tmp_path, clock), make_days(1, days=20)
    log_predictions(store, days)
    log_outcomes(store, days[:5])
    compact(store)
    assert len(watched(store, until=end_of(11)).days) == 5
    assert not watched(store, until=end_of(13)).days, "their outcomes may have been recorded a second ago as well"
    clock.at += timedelta(minutes=1)
    late = watched(store, until=end_of(13)).days
    assert [(verdict.day, verdict.labels) for verdict in late] == [(FIRST_DAY + timedelta(days=5), 1500)]


def test_labels_that_come_late_are_in_the_windows_of_later_days_and_in_the_months(tmp_path: Path) -> None:
    store, days = new_store(tmp_path), make_days(1, days=20)
    log_predictions(store, days)
    log_outcomes(store, days[::2], writer="even")
    compact(store)
    first = watched(store, until=end_of(15))
    assert first.days[-1].labels == 8 * 300
    features = {row.key: row.value["features"] for row in store.states("leaf")}
    log_outcomes(store, days[1::2], writer="odd")
    compact(store)
    assert watched(store).days[-1].labels == 20 * 300
    assert report_months(store, REF, reference=lambda _release: REFERENCE)[0]["labels"] == 6000
    assert all(row.value["features"] == features.get(row.key, row.value["features"]) for row in store.states("leaf"))


def test_a_correction_changes_the_leaf_though_the_count_of_labels_stays(tmp_path: Path) -> None:
    store = logged(tmp_path, make_days(1, days=2))
    watched(store)
    before = report_months(store, REF, reference=lambda _release: None)[0]["base_rate"]
    with OutcomeLog(store) as log:
        log.record({"id": f"{FIRST_DAY}-0:{row}", "name": "late", "value": 1} for row in range(100))
    compact(store)
    # recorded at the same instant of the fake clock: the later record still wins, and must be noticed
    watched(store)
    after = report_months(store, REF, reference=lambda _release: None)[0]["base_rate"]
    assert isinstance(before, float)
    assert isinstance(after, float)
    assert after > before + 0.05


def test_a_new_release_answers_for_itself(tmp_path: Path) -> None:
    store, days = new_store(tmp_path), make_days(3, days=60, shift=0.2, from_day=0)
    fresh = make_days(4, days=60)[40:]
    log_predictions(store, days[:40], writer="old")
    log_predictions(store, fresh, writer="new", release=OTHER_RELEASE)
    log_outcomes(store, [*days[:40], *fresh])
    compact(store)
    result = watched(store)
    assert [verdict.release for verdict in result.days] == [RELEASE] * 40 + [OTHER_RELEASE] * 20
    assert (result.days[40].days, result.days[40].verdict) == (1, Verdict.INCONCLUSIVE)
    assert {alert.resolved for alert in pages(result.alerts).values()} == {fresh[0].day}


def test_shadows_and_other_deployments_are_not_watched(tmp_path: Path) -> None:
    store, days = new_store(tmp_path), make_days(1, days=3)
    log_predictions(store, days, writer="live")
    log_predictions(store, days, writer="shadow", release=OTHER_RELEASE, arm="shadow")
    log_predictions(store, days, writer="staging", deployment="deploy/delay@staging")
    log_outcomes(store, days)
    compact(store)
    assert [(verdict.release, verdict.rows) for verdict in watched(store).days] == [(RELEASE, 300 * n) for n in (1, 2, 3)]
    assert event_clock(store, REF) == end_of(2) + timedelta(hours=12)
    assert event_clock(store, "deploy/delay@nowhere") is None


def test_a_deployment_is_known_by_its_object(tmp_path: Path) -> None:
    store, days = new_store(tmp_path), make_days(1, days=2)
    deployment: JsonObject = {"kind": "deployment", "version": 1, "application": "delay", "environment": "prod"}
    log_predictions(store, days, deployment=store.put(deployment))
    log_outcomes(store, days)
    compact(store)
    assert len(watched(store).days) == 2


def test_a_release_without_a_reference_is_judged_by_its_outcomes(tmp_path: Path) -> None:
    store = logged(tmp_path, make_days(3, days=60, shift=0.1))
    result = watch(
        store, REF, MONITORS, matures=Seconds(0.0), outcome="late", until=datetime(2014, 1, 1, tzinfo=UTC),
        attest_checks=Evidence(), reference=lambda _release: None,
    )  # fmt: skip
    assert set(pages(result.alerts)) == {"calibration", "base_rate"}
    assert len(result.alerts) == 2


def test_a_log_that_is_empty_has_nothing_to_say(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    assert watched(store) == WatchResult((), ())
    assert report_months(store, REF) == []


def test_months_add_up_their_days_and_name_the_alerts_that_were_open(tmp_path: Path) -> None:
    days = make_days(3, days=70, shift=0.1, from_day=20)
    store = logged(tmp_path, days)
    result = watched(store)
    months = report_months(store, REF, reference=lambda _release: REFERENCE)
    assert [month["month"] for month in months] == ["2013-02", "2013-03", "2013-04"]
    march = months[1]
    label = np.concatenate([day.label for day in days if day.day.month == 3])
    assert (march["n"], march["labels"]) == (31 * 300, 31 * 300)
    assert march["base_rate"] == pytest.approx(label.mean())
    assert march["drifted_features"] == []
    assert march["alerts"] == [
        {
            "severity": "page",
            "monitor": alert.monitor,
            "value": alert.value,
            "threshold": 0.05,
            "first_day": alert.first_day.isoformat(),
        }
        for alert in result.alerts
    ]
    assert months[2]["alerts"] == march["alerts"]
    assert months[0]["alerts"] == []


def test_a_challenger_is_asked_the_logged_rows_of_the_window(tmp_path: Path) -> None:
    days = make_days(1, days=30)
    store = logged(tmp_path, days)
    rows = window_rows(store, REF, start=date(2013, 2, 10), end=date(2013, 2, 20), outcome="late")
    assert (rows.height, rows["day"].n_unique(), rows["label"].null_count()) == (11 * 300, 11, 0)
    inputs = inputs_of(rows, ["x1", "carrier"])
    assert inputs.columns == ["x1", "carrier"]


@pytest.mark.parametrize("seed", range(2))
def test_killed_between_leaf_and_window_it_ends_where_it_would_have(tmp_path: Path, seed: int) -> None:
    _kill_and_watch(tmp_path, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 150))
def test_killed_while_watching_in_fifty_rounds(tmp_path: Path, seed: int) -> None:
    _kill_and_watch(tmp_path, seed)


def _kill_and_watch(folder: Path, seed: int) -> None:
    chance = random.Random(seed)
    days = make_days(3, days=60, shift=0.1, from_day=30)
    store, undisturbed = logged(folder / "killed", days), logged(folder / "undisturbed", days)
    for _ in range(3):
        begun = _FORKS.Event()
        child = _FORKS.Process(target=_watch_in, args=(folder / "killed", begun))
        child.start()
        begun.wait()
        time.sleep(chance.uniform(0.0, 0.8))
        child.kill()
        child.join()
    watched(store)
    watched(undisturbed)
    assert load_verdicts(store, REF) == load_verdicts(undisturbed, REF)
    assert load_alerts(store, REF) == load_alerts(undisturbed, REF)
    assert [row.value for row in store.states("leaf")] == [row.value for row in undisturbed.states("leaf")]


def _watch_in(folder: Path, begun: Event) -> None:
    store = new_store(folder)
    begun.set()
    watched(store)


def test_a_monitor_with_two_limits_counts_for_the_day_when_it_passes_and_when_it_knows_too_little(tmp_path: Path) -> None:
    both = {"base_rate": MonitorSpec(name="base_rate", page=0.2, inform=0.15)}
    result = watched(logged(tmp_path, make_days(1, days=20)), monitors=both)
    findings = [check_of(verdict, "base_rate").verdict for verdict in result.days]
    assert findings == [Verdict.INCONCLUSIVE] * 13 + [Verdict.PASS] * 7
    assert [verdict.verdict for verdict in result.days] == findings
    assert {verdict.findings[0].severity for verdict in result.days} == {Severity.PAGE}


def test_a_day_that_no_monitor_can_page_on_is_inconclusive(tmp_path: Path) -> None:
    evidence = Evidence()
    result = watched(logged(tmp_path, make_days(1, days=3)), monitors={"drift": MONITORS["drift"]}, evidence=evidence)
    assert {verdict.verdict for verdict in result.days} == {Verdict.INCONCLUSIVE}
    assert "no monitor that can page" in str(evidence.signed[0].window["text"])
