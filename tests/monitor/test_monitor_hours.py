"""The hours of a day's leaf: any window of hours is a sum of leaves, whatever way it is cut."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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
)

from shipway.cli._output import Misused, Output
from shipway.cli._watch_deployment import _hours as tell_hours
from shipway.cli.watch import _span as span_of
from shipway.data import CategoryProfile, NumericProfile, Profile, ProfileMismatch, merge_profiles, reference_profile
from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check
from shipway.kernel.digest import Digest
from shipway.kernel.units import Seconds
from shipway.monitor import HoursWindow, compact_logs, measure_hours, report_hours, watch
from shipway.monitor._hours import load_hours, put_hours
from shipway.monitor._leaf import Leaf, load_leaves, load_profile
from shipway.store import Store

MIDNIGHT = datetime.combine(FIRST_DAY, datetime.min.time(), UTC)


class World(NamedTuple):
    """Two days of 10,500 rows and one of 300, watched."""

    store: Store
    days: list[Day]
    leaves: list[Leaf]


@cache
def the_reference(_release: Digest) -> Profile:
    frame = reference_frame()
    inputs = frame.drop("flight", "scheduled", "probability", "late")
    return reference_profile(inputs, score=frame["probability"].to_numpy(), label=frame["late"].to_numpy())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    store = new_store(tmp_path_factory.mktemp("hours"))
    days = [*make_days(5, days=2, rows=10_500), *make_days(6, days=3, rows=300)[2:]]
    log_predictions(store, days, batch=500)
    log_outcomes(store, days, batch=500)
    compact_logs(store, now=NOW, time_column=time_column)
    watched(store)
    return World(store, days, load_leaves(store, REF))


def watched(store: Store) -> None:
    def nothing(subject: Digest, name: str, checks: tuple[Check, ...], window: JsonObject) -> None:
        """Signs nothing."""

    until = datetime(2014, 1, 1, tzinfo=UTC)
    watch(store, REF, {}, matures=Seconds(0.0), outcome="late", attest_checks=nothing, until=until, reference=the_reference)


def counts_of(profile: Profile) -> dict[str, object]:
    """All that is counted, exactly."""
    found: dict[str, object] = {"rows": profile.rows}
    for name, column in profile.columns.items():
        if isinstance(column, CategoryProfile):
            found[name] = (column.n, column.nulls, column.other, {word: n for word, n in column.counts.items() if n})
        else:
            found[name] = (column.n, column.missing, column.minimum, column.maximum, column.bins.counts.tolist())
    if profile.score:
        found["score"] = (profile.score.n, profile.score.bins.counts.tolist())
    return found


def sums_of(profile: Profile) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    numbers = [column.bins.sums for column in profile.columns.values() if isinstance(column, NumericProfile)]
    return np.concatenate([*numbers, profile.score.bins.sums if profile.score else []])


def hours_of(days: list[Day]) -> Mapping[tuple[date, int], int]:
    found: dict[tuple[date, int], int] = {}
    for day in days:
        for moment in day.columns["scheduled"]:
            key = day.day, int(moment[11:13])
            found[key] = found.get(key, 0) + 1
    return found


def test_a_day_of_many_rows_is_the_sum_of_its_hours_and_one_of_few_is_not_cut(world: World) -> None:
    assert [leaf.hours is not None for leaf in world.leaves] == [True, True, False]
    for leaf in world.leaves[:2]:
        assert leaf.hours
        assert leaf.features
        hours, whole = load_hours(world.store, leaf.hours), load_profile(world.store, leaf.features)
        assert {hour: profile.rows for hour, profile in hours.items()} == {
            hour: rows for (day, hour), rows in hours_of(world.days).items() if day == leaf.day
        }
        assert counts_of(merge_profiles(*hours.values())) == counts_of(whole)
        assert Leaf.from_json(leaf.to_json()) == leaf


@given(st.lists(st.integers(0, 48), max_size=6))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_windows_that_partition_the_time_add_up_to_the_whole(world: World, cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), 72]
    parts = [window.profile for start, end in pairwise(ends) for window in of_hours(world, start, end)]
    [whole] = of_hours(world, 0, 72)
    total = merge_profiles(*parts)
    assert counts_of(total) == counts_of(whole.profile)
    np.testing.assert_allclose(sums_of(total), sums_of(whole.profile), rtol=1e-12, atol=1e-9)


def of_hours(world: World, start: int, end: int) -> tuple[HoursWindow, ...]:
    return measure_hours(world.store, REF, MIDNIGHT + timedelta(hours=start), MIDNIGHT + timedelta(hours=end))


def test_a_window_of_some_hours_holds_their_rows_and_says_what_it_covers(world: World) -> None:
    start, end = MIDNIGHT + timedelta(hours=10, minutes=30), MIDNIGHT + timedelta(days=1, hours=3)
    [found] = measure_hours(world.store, REF, start, end)
    held = hours_of(world.days)
    assert found.profile.rows == sum(held.get((FIRST_DAY, hour), 0) for hour in range(10, 24)) + sum(
        held.get((FIRST_DAY + timedelta(days=1), hour), 0) for hour in range(3)
    )
    assert (found.release, found.start, found.end) == (RELEASE, MIDNIGHT + timedelta(hours=10), end)
    [record] = report_hours(world.store, REF, start, end, reference=the_reference)
    assert record["rows"] == found.profile.rows
    assert record["from"] == "2013-02-01T10:00:00.000000Z"
    assert record["features"].keys() == the_reference(RELEASE).columns.keys()  # type: ignore[union-attr]
    [unknown] = report_hours(world.store, REF, start, end)
    assert (unknown["rows"], unknown["features"]) == (record["rows"], {})
    assert measure_hours(world.store, REF, NOW, NOW + timedelta(hours=1)) == ()


def test_a_correction_reads_no_feature_again(world: World) -> None:
    before = load_leaves(world.store, REF)
    wrong = world.days[0]._replace(label=1 - world.days[0].label)
    log_outcomes(world.store, [wrong], batch=500, writer="outcomes-later")
    compact_logs(world.store, now=NOW, time_column=time_column)
    watched(world.store)
    after = load_leaves(world.store, REF)
    assert (after[0].features, after[0].hours) == (before[0].features, before[0].hours)
    assert after[0].outcomes != before[0].outcomes
    assert after[1:] == before[1:]


def test_what_is_no_pack_of_profiles_is_refused(world: World) -> None:
    held = load_hours(world.store, put_hours(world.store, {3: the_reference(RELEASE)}))
    assert counts_of(held[3]) == counts_of(the_reference(RELEASE))
    for record in (
        {"kind": "profile"},
        [1],
        {"kind": "profiles", "version": 2},
        {"kind": "profiles", "version": 1, "hours": [1]},
    ):
        digest = world.store.put_bytes(
            gzip.compress(msgspec.msgpack.encode(record), mtime=0), "application/octet-stream"
        ).digest
        with pytest.raises(ProfileMismatch):
            load_hours(world.store, digest)
    assert replace(world.leaves[0], hours=None).to_json().keys() == world.leaves[2].to_json().keys()


def test_the_command_tells_the_hours_and_refuses_what_is_no_window(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shipway.monitor._hours_report.release_reference", lambda _store, release: the_reference(release))
    project: Any = SimpleNamespace(store=world.store)
    asked = span_of("2013-02-01T10:00:00Z..2013-02-01T12:00:00Z")
    [record], _ = tell_hours(project, Output(as_json=False), REF, *asked)
    said = capsys.readouterr().out
    assert f"{record['rows']} predictions from 2013-02-01T10:00:00.000000Z to 2013-02-01T12:00:00.000000Z" in said
    assert "population stability index" in said
    assert tell_hours(project, Output(as_json=False), REF, *span_of("2014-02-01..2014-02-02")) == ([], [])
    for text in ("2013-02-01", "", "2013-02-01..2013-02-02..2013-02-03", "10:00..12:00"):
        with pytest.raises(Misused, match="no window of hours"):
            span_of(text)
    for text in ("2013-02-02..2013-02-01", "2013-02-01..2013-02-01", "2013-02-01T12:00:00Z..2013-02-01T13:00:00+02:00"):
        with pytest.raises(Misused, match="do not end after they begin"):
            span_of(text)
