from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

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
    log_predictions,
    make_days,
    new_store,
    prediction,
    time_column,
)

from shipway.kernel.digest import Digest, digest_bytes
from shipway.kernel.units import Seconds
from shipway.monitor import (
    WatchResult,
    compact_logs,
    event_clock,
    load_alerts,
    load_verdicts,
    report_months,
    scan_predictions,
    watch,
)
from shipway.monitor._leaf import Leaf, Question
from shipway.monitor._settle import Settled, settle_days
from shipway.spec import MonitorSpec
from shipway.store import ObjectMissing, OutcomeRecord, SegmentWriter, Store, encode_record

MONITORS = {
    "calibration": MonitorSpec(name="calibration", page=0.05, window=Seconds(6 * 86_400.0)),
    "base_rate": MonitorSpec(name="base_rate", page=0.05, window=Seconds(6 * 86_400.0)),
}
ONE_DAY = timedelta(days=1)


def leaf(number: int, *, labels: int, rows: int = 10, release: Digest = RELEASE, recorded: datetime = NOW) -> Leaf:
    rows_at = int(recorded.timestamp() * 1_000_000)
    return Leaf(release, FIRST_DAY + timedelta(days=number), rows, rows_at, labels, rows_at, 0.0)


def at(days: float, *, now: datetime = NOW + timedelta(hours=1), matures: float = 86_400.0) -> Question:
    """The question when the event clock is so many days after the begin of day 0."""
    clock = datetime.combine(FIRST_DAY, time(), UTC) + timedelta(days=days)
    return Question(REF, "late", Seconds(matures), clock, now)


def settled(*leaves: Leaf, question: Question) -> list[int]:
    return [(day - FIRST_DAY).days for day in settle_days(leaves, question).days]


def test_a_day_is_settled_when_it_is_over_and_every_row_has_a_mature_label() -> None:
    assert settled(leaf(0, labels=10), question=at(0.9)) == []
    assert settled(leaf(0, labels=10), question=at(1.0)) == [0]
    assert settled(leaf(0, labels=9), question=at(2.9)) == []
    assert settled(leaf(0, labels=10), leaf(0, labels=9, release=OTHER_RELEASE), question=at(1.9)) == []


def test_a_row_that_is_never_labelled_costs_a_day_past_maturity_and_a_label_of_a_later_day() -> None:
    assert settled(leaf(0, labels=9), leaf(1, labels=3), question=at(2.9)) == []
    assert settled(leaf(0, labels=9), leaf(1, labels=3), question=at(3.0)) == [0]
    assert settled(leaf(0, labels=9), leaf(1, labels=0), question=at(3.0)) == []
    assert settled(leaf(0, labels=9), leaf(1, labels=3), question=at(61.9, matures=60 * 86_400.0)) == []
    assert settled(leaf(0, labels=9), leaf(1, labels=3), question=at(62.0, matures=60 * 86_400.0)) == [0]


def test_a_day_that_waits_holds_back_those_whose_window_it_is_in() -> None:
    assert settled(leaf(0, labels=9), leaf(1, labels=10), question=at(2.5)) == []


def test_after_a_week_and_a_minute_nobody_waits_for_labels() -> None:
    silent = [leaf(0, labels=0), leaf(1, labels=0)]
    assert settled(*silent, question=at(8.9)) == []
    assert settled(*silent, question=at(9.0)) == [0]
    early = settle_days(silent, at(9.0, now=NOW + timedelta(seconds=59)))
    assert early == Settled((), waits=True)
    assert settle_days(silent, at(8.9)) == Settled((), waits=False)


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, *range(100, 160)))])
def test_looking_often_and_looking_once_give_the_same_verdicts(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    days, matures = (
        make_days(seed, days=12, rows=40, shift=0.3, from_day=6),
        Seconds(chance.choice([0.0, 0.5, 1.0, 3.0]) * 86_400),
    )
    unlabelled = {(day.day, row) for day in days for row in range(40) if chance.random() < 0.01}
    often, once = new_store(tmp_path / "often"), new_store(tmp_path / "once")
    for number, write in enumerate(_in_order(days, matures, unlabelled, chance)):
        for store in (often, once):
            write(store, number)
        if chance.random() < 0.5:
            _look(often, matures)
    _look(often, matures)
    last = _look(once, matures)
    assert len(last.days) >= 8
    assert load_verdicts(often, REF) == load_verdicts(once, REF)
    assert load_alerts(often, REF) == load_alerts(once, REF)
    assert all(verdict.labels for verdict in last.days)


class _Write:
    """A request to a server: some rows asked for, or some outcomes told, sealed."""

    def __init__(
        self, day: Day, rows: range, *, told: timedelta | None = None, without: set[tuple[date, int]] | None = None
    ) -> None:
        self.day, self.rows, self.told, self.without = day, rows, told, without or set()

    def __call__(self, store: Store, number: int) -> None:
        ask_or_tell = self._ask if self.told is None else self._tell
        ask_or_tell(store, number)

    def _ask(self, store: Store, number: int) -> None:
        log = SegmentWriter(store.log_folder("predictions"), f"p{number}")
        part = slice(self.rows.start, self.rows.stop)
        columns = {name: array[part] for name, array in self.day.columns.items()}
        log.append(encode_record(prediction(f"{self.day.day}-{part.start}", columns, self.day.score[part])), len(self.rows))
        log.close()

    def _tell(self, store: Store, number: int) -> None:
        told = [row for row in self.rows if (self.day.day, row) not in self.without]
        if not told or self.told is None:
            return
        log = SegmentWriter(store.log_folder("outcomes"), f"o{number}")
        times: list[str | None] = [
            (datetime.fromisoformat(self.day.columns["scheduled"][row]) + self.told).isoformat() for row in told
        ]
        ids = [f"{self.day.day}-{self.rows.start}:{row - self.rows.start}" for row in told]
        values = [float(self.day.label[row]) for row in told]
        record = OutcomeRecord(
            recorded=0, rows=len(told), ids=ids, names=["late"] * len(told), values=values, times=times,
        )  # fmt: skip
        log.append_durable(encode_record(record), len(told))
        log.close()


def _in_order(days: list[Day], matures: Seconds, without: set[tuple[date, int]], chance: random.Random) -> Iterator[_Write]:
    """Every day's predictions in a few requests, then the outcomes of the day that has just matured, in a few requests."""
    behind = int(-(-matures // 86_400))
    cuts = [sorted({0, 40, *(chance.randrange(1, 40) for _ in range(2))}) for _ in days]
    for number, day in enumerate([*days, *[None] * behind]):
        for start, end in zip(cuts[number], cuts[number][1:], strict=False) if day else ():
            assert day is not None
            yield _Write(day, range(start, end))
        if number >= behind:
            old = number - behind
            for start, end in zip(cuts[old], cuts[old][1:], strict=False):
                yield _Write(days[old], range(start, end), told=timedelta(seconds=matures), without=without)


def _look(store: Store, matures: Seconds) -> WatchResult:
    compact_logs(store, now=NOW, time_column=time_column)
    return watch(
        store, REF, MONITORS, matures=matures, outcome="late", attest_checks=lambda *_: None, reference=lambda _release: None
    )  # fmt: skip


def _logged(store: Store, days: list[Day], *, told: timedelta = ONE_DAY) -> None:
    for number, day in enumerate(days):
        _Write(day, range(len(day.score)))(store, 2 * number)
        _Write(day, range(len(day.score)), told=told)(store, 2 * number + 1)


def _tell(store: Store, id_: str, when: str, *, writer: str = "odd") -> None:
    log = SegmentWriter(store.log_folder("outcomes"), writer)
    log.append_durable(
        encode_record(OutcomeRecord(recorded=0, rows=1, ids=[id_], names=["late"], values=[1.0], times=[when])), 1
    )
    log.close()


def test_the_last_day_of_a_log_that_has_stopped_is_judged_when_its_last_label_is_there(tmp_path: Path) -> None:
    store, days = new_store(tmp_path), make_days(1, days=5, rows=30)
    _logged(store, days)
    assert [verdict.day for verdict in _look(store, Seconds(86_400.0)).days] == [day.day for day in days]


def test_an_outcome_of_the_far_future_or_of_nobody_does_not_move_the_clock(tmp_path: Path) -> None:
    store, days = new_store(tmp_path), make_days(1, days=3, rows=30)
    _logged(store, days[:2])
    before = _look(store, Seconds(86_400.0))
    clock = event_clock(store, REF)
    _tell(store, f"{days[0].day}-0:0", "2099-01-01T00:00:00")
    _tell(store, "nobody:0", "2026-11-22T00:00:00", writer="orphan")
    _look(store, Seconds(86_400.0))
    assert event_clock(store, REF) == clock
    _Write(days[2], range(30))(store, 100)
    assert not _look(store, Seconds(86_400.0)).days
    _Write(days[2], range(30), told=ONE_DAY)(store, 101)
    assert [verdict.day for verdict in (*before.days, *_look(store, Seconds(86_400.0)).days)] == [day.day for day in days]


def test_a_prediction_of_the_far_future_has_the_time_it_was_asked_and_does_not_move_the_clock(tmp_path: Path) -> None:
    store, (day, odd) = new_store(tmp_path), make_days(1, days=2, rows=5)
    far = np.array(["2099-01-01T00:00:00", *odd.columns["scheduled"][1:]], dtype=object)
    _Write(day, range(5))(store, 0)
    _Write(odd._replace(columns={**odd.columns, "scheduled": far}), range(5))(store, 1)
    assert compact_logs(store, now=NOW, time_column=time_column).mistimed == 1
    clock = event_clock(store, REF)
    assert clock is not None
    assert clock.date() == odd.day


def test_without_event_times_the_clock_is_that_of_the_recordings(tmp_path: Path) -> None:
    store, (day,) = new_store(tmp_path), make_days(1, days=1, rows=5)
    _Write(day, range(5))(store, 0)
    compact_logs(store, now=NOW, time_column=lambda _release: None)
    assert event_clock(store, REF) == NOW


def test_a_clock_of_a_log_that_is_ahead_of_the_machine_is_believed_a_day_at_most(tmp_path: Path) -> None:
    clock = FakeClock()
    store, (day,) = new_store(tmp_path, clock), make_days(1, days=1, rows=5)
    _logged(store, [day])
    compact_logs(store, now=NOW, time_column=time_column)
    assert event_clock(store, REF) is not None
    clock.at = datetime.combine(FIRST_DAY, time(), UTC) - timedelta(days=2)
    assert event_clock(store, REF) is None


def test_verdicts_do_not_wait_for_a_release_that_cannot_be_read(tmp_path: Path) -> None:
    store, days = new_store(tmp_path), make_days(1, days=4, rows=30)
    _logged(store, days)
    log_predictions(store, days[:2], writer="gone", release=OTHER_RELEASE, batch=30)
    compact_logs(store, now=NOW, time_column=time_column)

    def reference(release: Digest) -> None:
        if release == OTHER_RELEASE:
            raise ObjectMissing(f"no object {release}")

    matures = Seconds(86_400.0)
    found = watch(store, REF, MONITORS, matures=matures, outcome="late", attest_checks=lambda *_: None, reference=reference)
    assert [(verdict.day, verdict.release) for verdict in found.days] == [(day.day, RELEASE) for day in days]
    assert report_months(store, REF, reference=reference)[0]["n"] == 120


def test_rows_of_a_deployment_that_is_gone_are_kept_and_the_others_are_watched(tmp_path: Path) -> None:
    store, days = new_store(tmp_path), make_days(1, days=3, rows=30)
    _logged(store, days)
    log_predictions(store, days, writer="gone", deployment=digest_bytes(b"a deployment that is gone"), batch=30)
    assert len(_look(store, Seconds(86_400.0)).days) == 3
    assert scan_predictions(store).collect().height == 180
