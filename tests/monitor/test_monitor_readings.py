"""Readings keep their history; their alerts open, last and end with them, whatever a crash leaves half-way."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from monitor_logs import OTHER_RELEASE, RELEASE, new_store

from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import Digest
from shipway.kernel.units import Seconds
from shipway.monitor import Reading, Severity, drop_readings, keep_reading, load_alerts, load_readings, watch
from shipway.monitor._readings import ReadingPoint, _extended
from shipway.spec import MonitorSpec
from shipway.store import Store

REF = "deploy/assistant@prod"
START = datetime(2026, 11, 23, 22, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path)


def keep(store: Store, verdict: str, hours: float = 0, value: float = 3.0, **more: object) -> Reading:
    check = Check("freshness", Verdict(verdict), value, threshold=0.0, n=60, text="words")
    told: dict[str, object] = {"severity": Severity.PAGE, "release": RELEASE, "detail": {"index": "docs"}, **more}
    return keep_reading(store, REF, "freshness", check, now=START + timedelta(hours=hours), **told)  # type: ignore[arg-type]


def test_a_reading_is_read_as_it_was_kept(store: Store) -> None:
    keep(store, "pass", value=0.0)
    kept = keep(store, "fail", 1)
    assert load_readings(store, REF) == (kept,)
    row = store.state("reading", f"{REF}/freshness")
    assert row is not None
    assert row.value["history"] == [
        ["2026-11-23T22:00:00.000000Z", 0, "pass"],
        ["2026-11-23T23:00:00.000000Z", 3, "fail"],
    ]


def test_history_keeps_the_last_two_hundred_points(store: Store) -> None:
    for minute in range(203):
        kept = keep(store, "pass", minute / 60, value=float(minute))
    assert (len(kept.history), kept.history[0].value, kept.history[-1].value) == (200, 3.0, 202.0)


def test_an_alert_opens_lasts_and_is_resolved_by_the_first_pass(store: Store) -> None:
    keep(store, "fail")
    (opened,) = load_alerts(store, REF)
    assert (opened.monitor, opened.severity, opened.first_day, opened.open) == ("freshness", "page", date(2026, 11, 23), True)
    keep(store, "fail", 3, value=7.0, release=OTHER_RELEASE)
    (lasting,) = load_alerts(store, REF)
    assert (lasting.first_day, lasting.last_day, lasting.value) == (date(2026, 11, 23), date(2026, 11, 24), 7.0)
    assert lasting.release == OTHER_RELEASE
    keep(store, "pass", 4, value=0.0)
    (done,) = load_alerts(store, REF)
    assert (done.resolved, done.value) == (date(2026, 11, 24), 7.0)


def test_an_inconclusive_reading_neither_opens_nor_resolves(store: Store) -> None:
    keep(store, "inconclusive")
    assert load_alerts(store, REF) == ()
    keep(store, "fail", 1)
    keep(store, "inconclusive", 2)
    assert [alert.open for alert in load_alerts(store, REF)] == [True]


def test_an_inconclusive_reading_resolves_where_each_look_is_at_something_else(store: Store) -> None:
    keep(store, "fail")
    keep(store, "inconclusive", 26, undecided_ends=True)
    assert [(alert.resolved, alert.value) for alert in load_alerts(store, REF)] == [(date(2026, 11, 25), 3.0)]


def test_an_alert_that_opens_again_on_its_day_is_the_same_one_and_later_another(store: Store) -> None:
    for hours, verdict in ((0, "fail"), (0.5, "pass"), (1, "fail")):
        keep(store, verdict, hours)
    assert [(alert.first_day, alert.open) for alert in load_alerts(store, REF)] == [(date(2026, 11, 23), True)]
    keep(store, "pass", 1.5)
    keep(store, "fail", 30)
    assert [alert.open for alert in load_alerts(store, REF)] == [False, True]


def test_a_number_that_is_only_reported_is_no_alert(store: Store) -> None:
    keep(store, "fail", severity=Severity.REPORT)
    assert load_alerts(store, REF) == ()


def test_a_louder_failure_makes_the_open_alert_louder_and_never_quieter(store: Store) -> None:
    for hours, severity in enumerate((Severity.INFORM, Severity.PAGE, Severity.INFORM)):
        keep(store, "fail", hours, severity=severity)
    assert [alert.severity for alert in load_alerts(store, REF)] == [Severity.PAGE]


def test_the_same_reading_twice_is_one(store: Store) -> None:
    first, alerts = keep(store, "fail"), load_alerts(store, REF)
    assert keep(store, "fail") == first
    assert load_alerts(store, REF) == alerts
    assert len(first.history) == 1


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("kind", ["alert", "reading"])
def test_what_a_kill_leaves_half_way_the_next_call_mends(store: Store, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """The writer dies before each of its two writes, when an alert opens and when it is resolved."""
    for hours, verdict in ((0, "fail"), (1, "pass")):
        with monkeypatch.context() as patch:
            for name in ("put_state", "put_states"):
                whole = getattr(store, name)

                def put(row_kind: str, *rest: object, whole: object = whole) -> None:
                    if row_kind == kind:
                        raise Killed
                    whole(row_kind, *rest)  # type: ignore[operator]

                patch.setattr(store, name, put)
            with pytest.raises(Killed):
                keep(store, verdict, hours)
        keep(store, verdict, hours)
        assert [alert.open for alert in load_alerts(store, REF)] == [verdict == "fail"]
        assert load_readings(store, REF)[0].check.verdict == verdict


def test_evidence_is_signed_when_the_verdict_or_the_release_changes_only(store: Store) -> None:
    signed: list[tuple[Digest, str, JsonObject]] = []

    def attest(subject: Digest, name: str, checks: tuple[Check, ...], window: JsonObject) -> None:
        signed.append((subject, checks[0].verdict, window))

    for hours, (verdict, release) in enumerate(
        [("pass", RELEASE), ("pass", RELEASE), ("fail", RELEASE), ("fail", RELEASE), ("fail", OTHER_RELEASE)]
    ):
        keep(store, verdict, hours, release=release, attest_checks=attest)
    assert [(subject, verdict) for subject, verdict, _ in signed] == [
        (RELEASE, "pass"), (RELEASE, "fail"), (OTHER_RELEASE, "fail"),
    ]  # fmt: skip
    assert signed[1][2]["monitor"] == "freshness"


def test_the_fold_over_days_leaves_these_alerts_alone(store: Store) -> None:
    keep(store, "fail")
    until = datetime(2026, 12, 24, tzinfo=UTC)
    watch(
        store,
        REF,
        {"freshness": MonitorSpec(name="freshness", page=0.0)},
        matures=Seconds(0),
        outcome="late",
        attest_checks=lambda *_: None,
        until=until,
    )
    assert [(alert.monitor, alert.open) for alert in load_alerts(store, REF)] == [("freshness", True)]


def test_of_several_that_look_at_once_one_signs_and_an_older_look_changes_nothing(store: Store, tmp_path: Path) -> None:
    keep(store, "pass", value=0.0)
    signed: list[str] = []

    def sign(_subject: Digest, name: str, _checks: object, _window: JsonObject) -> None:
        time.sleep(0.05)  # the others come meanwhile
        signed.append(name)

    def look(seconds: float) -> Reading:
        mine = new_store(tmp_path)  # of its own, as `watch` beside `up` has
        try:
            return keep(mine, "fail", 1 + seconds / 3600, attest_checks=sign)
        finally:
            mine.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(look, [0.0, 0.5, 1.0, 1.5]))
    assert signed == [REF]
    (newest,) = load_readings(store, REF)
    assert keep(store, "pass", 1 + 1 / 3600, value=0.0) == newest, "what was looked at before it says nothing now"
    assert [one.open for one in load_alerts(store, REF)] == [True]
    assert keep(store, "pass", 0.5, value=0.0).check.verdict is Verdict.PASS, "a clock that was set back is believed"


def test_a_monitor_that_was_switched_off_is_forgotten_and_its_alert_ends(store: Store) -> None:
    keep(store, "fail")
    assert drop_readings(store, REF, monitors={"freshness", "cost"}, now=START) == ()
    assert drop_readings(store, REF, monitors={"cost"}, now=START) == ("freshness",)
    assert (load_readings(store, REF), [alert.open for alert in load_alerts(store, REF)]) == ((), [False])


def test_a_history_spans_days_however_often_is_looked(store: Store) -> None:
    """Every 30 seconds for a week, a cost that is another at every look, one short failure."""
    history: tuple[ReadingPoint, ...] = ()
    failed = START + timedelta(days=6, seconds=90)
    for look in range(7 * 2880):
        at = START + timedelta(seconds=30 * look)
        verdict = Verdict.FAIL if at == failed else Verdict.PASS
        history = _extended(history, ReadingPoint(at, float(look), verdict), 900.0)
    assert history[-1].at == at, "the newest is always there"
    assert len(history) == 200
    assert history[-1].at - history[0].at >= timedelta(days=2)
    assert [point.at for point in history if point.verdict is Verdict.FAIL] == [failed]
    window = Seconds(60.0)
    for second, word in enumerate(("pass", "pass", "fail", "fail", "fail", "pass")):
        kept = keep(store, word, second / 3600, value=float(second), window=window)
    assert [point.value for point in kept.history] == [0.0, 2.0, 5.0], "a failure of a few seconds stays"
    again = keep(store, "pass", 5 / 3600, value=5.0, window=window)
    assert again.history == kept.history
