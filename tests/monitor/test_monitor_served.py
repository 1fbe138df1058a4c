"""What serving took, hour by hour: leaves that add up, against a loop over the records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from monitor_calls import REF as ASSISTANT
from monitor_calls import call, log_calls
from monitor_logs import NOW, OTHER_RELEASE, REF, RELEASE, FakeClock, microseconds, new_store, prediction

from shipway.cli._output import Output
from shipway.cli._watch_deployment import _served as tell_served
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest
from shipway.monitor import compact_logs, refresh_served, report_served
from shipway.monitor._served import SERVED, ServedDay, add_served
from shipway.store import FailureRecord, PredictionRecord, SegmentWriter, Store, WorkRecord, encode_record

START = datetime(2026, 11, 21, 20, 30, tzinfo=UTC)
MIDNIGHT = START.replace(hour=0, minute=0)


class Asked(NamedTuple):
    at: datetime
    arm: str
    release: str
    latency: int
    rows: int
    weight: float


def asked(seed: int, number: int = 400) -> list[Asked]:
    """Requests over 30 hours, by two arms."""
    random = np.random.default_rng(seed)
    arms = [("live", RELEASE), ("canary", OTHER_RELEASE)]
    return [
        Asked(
            START + timedelta(seconds=float(random.uniform(0, 30 * 3600))),
            *arms[int(random.random() < 0.2)],
            int(random.lognormal(8, 1)),
            int(random.integers(1, 4)),
            1.0,
        )
        for _ in range(number)
    ]


def record_of(number: int, one: Asked) -> PredictionRecord:
    columns, score = {"x": np.ones(one.rows)}, np.full(one.rows, 0.2)
    record = prediction(f"r{number}", columns, score, release=Digest(one.release), arm=one.arm, recorded=one.at)
    weight = msgspec.UNSET if one.weight == 1.0 else one.weight
    return msgspec.structs.replace(record, latency_us=one.latency, weight=weight)


def failure(at: datetime, status: int) -> FailureRecord:
    told: dict[str, Any] = {"request": "f", "release": RELEASE, "deployment": REF, "arm": "live", "code": "serve.any"}
    return FailureRecord(recorded=microseconds(at), status=status, latency_us=9, **told)


def work(at: datetime, usd: float = 0.25) -> WorkRecord:
    return WorkRecord(
        release=RELEASE, deployment=REF, arm="live", recorded=microseconds(at), rows=700, cpu_us=1_500_000, usd=usd
    )


def log(store: Store, name: str, records: list[Any]) -> None:
    writer = SegmentWriter(store.log_folder("predictions"), name, rotate_bytes=1 << 22, capacity_bytes=1 << 24)
    for record in records:
        assert writer.append(encode_record(record), getattr(record, "rows", 0) if isinstance(record, PredictionRecord) else 0)
    writer.close()
    compact_logs(store, now=NOW, time_column=lambda _: None)


class World(NamedTuple):
    store: Store
    requests: list[Asked]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    store, requests = new_store(tmp_path_factory.mktemp("served"), FakeClock(NOW)), asked(3)
    log(store, "predictor", [record_of(number, one) for number, one in enumerate(requests)])
    beside = [failure(START, 500), failure(START, 503), failure(START, 404), failure(START + timedelta(hours=9), 422)]
    log(store, "beside", [*beside, work(START), work(START + timedelta(hours=9))])
    refresh_served(store, REF)
    return World(store, requests)


def test_the_hours_say_what_a_loop_over_the_records_says(world: World) -> None:
    begins, ends = START + timedelta(hours=1), START + timedelta(hours=8)
    first = begins.replace(minute=0)
    for record in report_served(world.store, REF, begins, ends):
        last = ends.replace(minute=0) + timedelta(hours=1)
        held = [one for one in world.requests if one.arm == record["arm"] and first <= one.at < last]
        assert (record["answered"], record["requests"]) == (len(held), len(held))
        for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            exact = float(np.quantile([one.latency for one in held], q, method="inverted_cdf")) / 1000
            assert record["latency_ms"][name] == pytest.approx(exact, rel=0.01)  # type: ignore[index, call-overload]
    [canary, live] = report_served(world.store, REF, START, START + timedelta(hours=40))
    assert (live["failed"], live["refused"], live["cpu_seconds"], live["usd"], live["rows"]) == (2, 2, 3.0, 0.5, 1400)
    assert (canary["arm"], canary["release"], canary["failed"], canary["usd"]) == ("canary", OTHER_RELEASE, 0, 0.0)
    assert int(str(live["answered"])) + int(str(canary["answered"])) == len(world.requests)
    assert report_served(world.store, "deploy/other@prod", START, NOW) == []


@given(st.lists(st.integers(0, 60), max_size=6))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_windows_that_partition_the_time_add_up_to_the_whole_exactly(world: World, cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), 72]

    def counted(start: int, end: int) -> dict[str, list[int]]:
        sums: dict[str, list[int]] = {}
        for record in report_served(world.store, REF, MIDNIGHT + timedelta(hours=start), MIDNIGHT + timedelta(hours=end)):
            names = ("answered", "failed", "refused", "rows", "cpu_seconds", "usd")
            found = [round(float(str(record[name])) * 1e9) for name in names]
            sums[str(record["arm"])] = found
        return sums

    whole, total = counted(0, 72), dict[str, list[int]]()
    for start, end in pairwise(ends):
        for arm, found in counted(start, end).items():
            total[arm] = [one + other for one, other in zip(found, total.get(arm, [0] * len(found)), strict=True)]
    assert total == whole


def leaves(store: Store, ref: str = REF) -> dict[str, JsonObject]:
    return {row.key: row.value for row in store.states(SERVED, f"{ref.removeprefix('deploy/')}/")}


def test_looking_often_and_looking_once_give_the_same_leaves_and_what_comes_late_is_in(tmp_path: Path, world: World) -> None:
    store = new_store(tmp_path, FakeClock(NOW))
    records = [record_of(number, one) for number, one in enumerate(world.requests)]
    for number in range(4):
        log(store, f"predictor{number}", records[number::4])
        refresh_served(store, REF)
        refresh_served(store, REF)
    beside = [failure(START, 500), failure(START, 503), failure(START, 404), failure(START + timedelta(hours=9), 422)]
    log(store, "beside", [*beside, work(START), work(START + timedelta(hours=9))])
    refresh_served(store, REF)
    assert leaves(store) == leaves(world.store)
    days = [ServedDay.from_json(record) for record in leaves(store).values()]
    assert [day.to_json() for day in days] == list(leaves(store).values())
    assert add_served(served for day in days for served in day.hours.values()).answered == len(world.requests)


def test_a_request_of_a_log_that_keeps_a_share_counts_as_many_as_it_stands_for(tmp_path: Path) -> None:
    store = new_store(tmp_path, FakeClock(NOW))
    log(store, "predictor", [record_of(n, one._replace(weight=2.5, arm="live")) for n, one in enumerate(asked(4, 100))])
    refresh_served(store, REF)
    total = add_served(served for record in leaves(store).values() for served in ServedDay.from_json(record).hours.values())
    hours = sum(len(ServedDay.from_json(record).hours) for record in leaves(store).values())
    assert abs(total.answered - 250) <= hours / 2
    assert total.latency.sum() == total.answered


def test_a_gateway_tells_its_hours_from_the_calls_as_they_were_priced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = new_store(tmp_path, FakeClock(NOW))
    calls = [call(f"c{n}", latency_us=1_000 * (n + 1)) for n in range(100)]
    over = call("y", status=429, error="budget", usd=0.0, input_tokens=0, output_tokens=0)
    log_calls(store, [*calls, call("x", status=502, error="provider"), over])
    compact_logs(store, now=NOW, time_column=lambda _: None)
    project: Any = SimpleNamespace(store=store)
    [record] = tell_served(project, Output(as_json=False), ASSISTANT, NOW - timedelta(hours=1), NOW + timedelta(days=1))
    assert (record["answered"], record["failed"], record["refused"], record["rows"]) == (100, 1, 1, 100)
    assert record["usd"] == pytest.approx(0.101)
    assert record["latency_ms"]["p95"] == pytest.approx(95, rel=0.01)  # type: ignore[index, call-overload]
    assert "102 requests, 1 failed, 1 refused; p50" in capsys.readouterr().out
