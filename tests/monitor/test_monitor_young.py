"""Hours of days that are not settled: told from what is measured once, and taken over when the day is."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest
from monitor_logs import (
    FIRST_DAY,
    NOW,
    REF,
    RELEASE,
    Day,
    log_outcomes,
    log_predictions,
    make_days,
    new_store,
    reference_frame,
    time_column,
)  # fmt: skip

from shipway.data import Profile, reference_profile
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest
from shipway.kernel.units import Seconds
from shipway.monitor import _leaves, _young, compact_logs, load_alerts, load_verdicts, report_hours, watch
from shipway.monitor._leaf import load_leaves, load_young
from shipway.spec import ADDED_MONITORS
from shipway.store import Store

MIDNIGHT = datetime.combine(FIRST_DAY, datetime.min.time(), UTC)
_FORKS = multiprocessing.get_context("forkserver")  # a fork of this process would inherit the locks of Polars' threads
_FORKS.set_forkserver_preload(["shipway.monitor._watch", "shipway.store._catalogue"])


@cache
def the_reference(_release: Digest) -> Profile:
    frame = reference_frame()
    inputs = frame.drop("flight", "scheduled", "probability", "late")
    return reference_profile(inputs, score=frame["probability"].to_numpy(), label=frame["late"].to_numpy())


@pytest.fixture(autouse=True)
def days_of_a_hundred_rows_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_leaves, "CUT_ROWS", 100)
    monkeypatch.setattr(_young, "CUT_ROWS", 100)


def logged(folder: Path, days: list[Day], *, labels: bool = False) -> Store:
    store = new_store(folder)
    log_predictions(store, days)
    if labels:
        log_outcomes(store, days)
    compact_logs(store, now=NOW, time_column=time_column)
    return store


def watched(store: Store) -> None:
    monitors = {name: ADDED_MONITORS[name] for name in ("schema", "dead_columns")}
    until = datetime(2014, 1, 1, tzinfo=UTC)
    more: dict[str, Any] = {"attest_checks": lambda *_: None, "until": until, "reference": the_reference}
    watch(store, REF, monitors, matures=Seconds(0.0), outcome="late", **more)


def told(store: Store, start: int = 0, end: int = 24) -> JsonObject:
    [record] = report_hours(
        store, REF, MIDNIGHT + timedelta(hours=start), MIDNIGHT + timedelta(hours=end), reference=the_reference
    )
    return record


def rows_of(day: Day, start: int, end: int) -> int:
    return sum(start <= int(moment[11:13]) < end for moment in day.columns["scheduled"])


def test_hours_of_a_day_without_a_leaf_are_told_and_what_comes_later_is_in(tmp_path: Path) -> None:
    [day] = make_days(3, days=1, rows=300)
    half = Day(day.day, {name: array[:150] for name, array in day.columns.items()}, day.score[:150], day.label[:150])
    store = logged(tmp_path, [half])
    assert told(store, 3, 9)["rows"] == rows_of(half, 3, 9)
    east = timezone(timedelta(hours=14))
    begins = (MIDNIGHT + timedelta(hours=10)).astimezone(east)  # the next day there
    [found] = report_hours(store, REF, begins, begins + timedelta(hours=1), reference=the_reference)
    assert found["rows"] == rows_of(half, 10, 11)
    assert load_leaves(store, REF) == []
    rest = Day(day.day, {name: array[150:] for name, array in day.columns.items()}, day.score[150:], day.label[150:])
    log_predictions(store, [rest], writer="later", batch=77)
    compact_logs(store, now=NOW, time_column=time_column)
    whole = told(store)
    assert (whole["rows"], str(whole["from"])[:13], whole["to"]) == (300, "2013-02-01T00", "2013-02-02T00:00:00.000000Z")
    once = told(logged(tmp_path / "once", [day]))
    features, at_once = (cast("dict[str, dict[str, float]]", one["features"]) for one in (whole, once))
    assert {name: drift["psi"] for name, drift in features.items()} == {name: drift["psi"] for name, drift in at_once.items()}


def test_an_hour_is_read_once_and_again_only_when_rows_of_it_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[list[int]] = []
    measured = _young._measured

    def noting(*args: Any) -> dict[int, Profile]:
        read.append(args[-1])
        return measured(*args)

    monkeypatch.setattr(_young, "_measured", noting)
    [day] = make_days(3, days=1, rows=300)
    store = logged(tmp_path, [day])
    told(store)
    told(store, 5, 6)
    assert len(read) == 1
    late = Day(day.day, {name: array[-2:] for name, array in day.columns.items()}, day.score[-2:], day.label[-2:])
    log_predictions(store, [late], writer="later", batch=1)
    compact_logs(store, now=NOW, time_column=time_column)
    assert told(store)["rows"] == 302
    assert read[1:] == [sorted({int(moment[11:13]) for moment in late.columns["scheduled"]})]


def test_a_day_that_was_told_before_is_settled_without_reading_its_features_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = make_days(4, days=3, rows=150)
    asked, quiet = logged(tmp_path / "asked", days, labels=True), logged(tmp_path / "quiet", days, labels=True)
    watched(quiet)
    told(asked, 0, 72)
    packs = [young.pack for young in load_young(asked, REF)]

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("features are read")

    with monkeypatch.context() as patch:
        patch.setattr(_leaves, "scan_predictions", refused)
        watched(asked)
    assert [leaf.hours for leaf in load_leaves(asked, REF)] == packs
    assert load_leaves(asked, REF) == load_leaves(quiet, REF)
    assert load_young(asked, REF) == []


def test_a_release_that_cannot_be_read_is_told_of_once_it_can(tmp_path: Path) -> None:
    store = logged(tmp_path, make_days(3, days=1, rows=120))
    missing = new_store(tmp_path / "other")

    def gone(release: Digest) -> Profile | None:
        missing.get(release, "release")
        return None

    assert report_hours(store, REF, MIDNIGHT, MIDNIGHT + timedelta(days=1), reference=gone) == []
    assert told(store)["release"] == RELEASE


def _work_in(folder: Path, number: int) -> None:
    """Tells the hours and watches, and kills itself in front of its number-th write of state."""
    for module in (_leaves, _young):
        vars(module)["CUT_ROWS"] = 100
    writes = count(1)

    def counted(done: Callable[..., Any]) -> Callable[..., Any]:
        def write(*args: Any, **more: Any) -> Any:
            if next(writes) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return done(*args, **more)

        return write

    for name in ("put_state", "put_states", "delete_state"):
        setattr(Store, name, counted(getattr(Store, name)))
    store = new_store(folder)
    told(store, 0, 48)
    watched(store)


@pytest.mark.slow
def test_killed_in_front_of_any_write_between_hours_leaf_and_window_it_ends_where_it_would_have(tmp_path: Path) -> None:
    days = make_days(5, days=2, rows=130)
    undisturbed = logged(tmp_path / "undisturbed", days, labels=True)
    watched(undisturbed)
    logged(tmp_path / "killed", days, labels=True)
    deaths = 0
    for number in count(1):  # each goes on where the one before died, so it dies later in the work
        process = _FORKS.Process(target=_work_in, args=(tmp_path / "killed", number))
        process.start()
        process.join(60)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        deaths += 1
    assert deaths >= 3
    store = new_store(tmp_path / "killed")
    assert load_leaves(store, REF) == load_leaves(undisturbed, REF)
    assert all(leaf.hours for leaf in load_leaves(store, REF))
    assert load_verdicts(store, REF) == load_verdicts(undisturbed, REF)
    assert load_alerts(store, REF) == load_alerts(undisturbed, REF)
    assert load_young(store, REF) == []
