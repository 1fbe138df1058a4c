"""Logs of several machines in one bucket: each has all of them, whole, whatever is cut, killed or damaged on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from monitor_logs import NOW, FakeClock, log_outcomes, log_predictions, make_days, time_column

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))  # the S3 that the store is tested with

from bucket_faults import road_to
from store_help import BUCKET, s3_client, s3_environ

from shipway.monitor import compact_logs, scan_outcomes, scan_predictions, share_logs
from shipway.monitor._gaps import record_damage
from shipway.monitor._tables import list_tables
from shipway.store import ObjectDamaged, ObjectsDown, Shared, Store, open_store

Machine = Callable[[str], Store]
_buckets = iter(range(1000))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def machine(tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A machine of the team, by its name; each has a folder of its own."""
    for name, value in s3_environ().items():
        monkeypatch.setenv(name, value)
    url, opened = f"s3://{BUCKET}/share/{os.getpid()}-{next(_buckets)}", []

    def machine(name: str) -> Store:
        opened.append(open_store(tmp_path / name, "test", objects=url, create=True, clock=clock))
        return opened[-1]

    yield machine
    for store in opened:
        store.close()


def keys(store: Store) -> list[str]:
    prefix = store.objects.where.split("/", 3)[3]
    found = s3_client(s3_environ()).list_objects_v2(Bucket=BUCKET, Prefix=prefix + "/logs/")
    return [each["Key"] for each in found.get("Contents", [])]


def serve(store: Store, writer: str, seed: int = 1) -> None:
    """Three tables of predictions, one of outcomes."""
    days = make_days(seed, days=3, rows=100)
    for number, day in enumerate(days):
        log_predictions(store, [day], writer=f"{writer}-{number}")
    log_outcomes(store, days, writer=f"{writer}-outcomes")
    compact_logs(store, now=NOW, time_column=time_column)


def names(store: Store) -> dict[str, list[str]]:
    return {
        stream: [path.name for path in list_tables(store, stream)] for stream in ("predictions", "outcomes", "calls", "gaps")
    }


def test_what_each_machine_has_logged_comes_to_all_of_them(machine: Machine) -> None:
    one, two, three = machine("one"), machine("two"), machine("three")
    serve(one, "first")
    serve(two, "second", seed=2)
    record_damage(two, "predictions", "torn-00000001", rows=3, lost_bytes=5, now=NOW)
    assert share_logs(one) == Shared(4, 0)
    assert share_logs(two) == Shared(5, 4)
    assert share_logs(one) == Shared(0, 5)
    assert share_logs(three) == Shared(0, 9)
    assert names(one) == names(two) == names(three)
    rows = [scan_predictions(store).sort("id", "probability").collect() for store in (one, two, three)]
    assert rows[0].height == 600  # both asked under the same ids, and not the same
    assert rows[0].equals(rows[1])
    assert rows[0].equals(rows[2])
    assert scan_outcomes(three).collect().height == 600
    assert [share_logs(store) for store in (one, two, three)] == [Shared(0, 0)] * 3


def test_what_comes_later_is_found_without_a_look_at_everything(
    machine: Machine, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = machine("one"), machine("two")
    serve(one, "first")
    share_logs(one)
    share_logs(two)
    clock.at += timedelta(days=30)
    serve(one, "second", seed=2)
    share_logs(one)
    asked: list[str] = []
    assert two.objects.bucket
    real = two.objects.bucket.list

    def watched(prefix: str) -> object:
        asked.append(prefix)
        return real(prefix)

    monkeypatch.setattr(two.objects.bucket, "list", watched)
    assert share_logs(two) == Shared(0, 4)
    asked.clear()
    assert share_logs(two) == Shared(0, 0)
    assert {prefix.rsplit("/", 1)[1] for prefix in asked if "predictions" in prefix} == {
        "2026-12-22",
        "2026-12-23",
        "2026-12-24",
    }


def test_a_clock_that_is_ahead_hides_nothing_that_comes_until_then(machine: Machine, clock: FakeClock) -> None:
    one, two = machine("one"), machine("two")
    clock.at += timedelta(days=400)
    serve(one, "first")
    share_logs(one)
    clock.at -= timedelta(days=399)
    assert share_logs(two) == Shared(0, 4)
    clock.at -= timedelta(days=1)
    serve(one, "second", seed=2)
    share_logs(one)
    assert share_logs(two) == Shared(0, 4)


def test_what_is_known_may_be_forgotten(machine: Machine) -> None:
    one, two = machine("one"), machine("two")
    serve(one, "first")
    share_logs(one)
    share_logs(two)
    for store in (one, two):
        for file in store.log_folder("predictions").glob("*.shared"):
            file.write_text("\0\nno day x.parquet\n2026-13-45 x\n")
        assert share_logs(store) == Shared(0, 0)
    assert len(keys(one)) == 4


def test_a_table_that_is_damaged_there_is_named_and_comes_to_nobody(machine: Machine) -> None:
    one, two = machine("one"), machine("two")
    serve(one, "first")
    share_logs(one)
    client = s3_client(s3_environ())
    damaged = sorted(key for key in keys(one) if "/predictions/" in key)[1]
    body = client.get_object(Bucket=BUCKET, Key=damaged)["Body"].read()
    client.put_object(Bucket=BUCKET, Key=damaged, Body=body[:-1] + b"x")
    for _ in range(2):
        with pytest.raises(ObjectDamaged, match="not what its key says") as problem:
            share_logs(two)
        assert str(problem.value.where).endswith(damaged)
    assert len(names(two)["predictions"]) == 1
    client.put_object(Bucket=BUCKET, Key=damaged, Body=body)
    share_logs(two)
    assert names(two) == names(one)


def test_what_is_no_table_of_ours_in_the_bucket_is_left_alone(machine: Machine) -> None:
    store, client = machine("one"), s3_client(s3_environ())
    prefix = f"{store.objects.where.split('/', 3)[3]}/logs/test/predictions"
    for name in (
        "x.parquet",
        "2026-11-23/x.parquet",
        f"2026-11-23/..%2Fx.{'0' * 64}.parquet",
        f"2026-13-01/x.{'0' * 64}.parquet",
    ):
        client.put_object(Bucket=BUCKET, Key=f"{prefix}/{name}", Body=b"x")
    client.put_object(Bucket=BUCKET, Key=f"{prefix}/2026-11-23/x.{'0' * 64}.exe", Body=b"x")
    assert share_logs(store) == Shared(0, 0)


def test_a_road_that_is_cut_leaves_whole_tables_and_the_next_time_goes_on(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shipway.store._bucket.RETRIES", 1)
    one = machine("one")
    serve(one, "first")
    share_logs(one)
    with road_to(os.environ["AWS_ENDPOINT_URL"]) as road:
        monkeypatch.setenv("AWS_ENDPOINT_URL", road.url)
        two = machine("two")
        road.allowed["back"] = 3000
        with pytest.raises(ObjectsDown):
            share_logs(two)
        assert set(names(two)["predictions"]) < set(names(one)["predictions"])
        road.allowed["back"] = None
        share_logs(two)
    assert names(two) == names(one)


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from shipway.monitor import share_logs
from shipway.store import _bucket, open_store

class Clock:
    def now(self):
        return datetime(2026, 11, 23, tzinfo=UTC)

store, calls = open_store(Path(sys.argv[1]), "test", clock=Clock()), iter(range(int(sys.argv[3])))
real = getattr(_bucket.Bucket, sys.argv[2])

def deadly(*args, **more):
    found = real(*args, **more)
    if next(calls, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
    return found

setattr(_bucket.Bucket, sys.argv[2], deadly)
share_logs(store)
"""


def test_killed_while_it_sends_or_fetches_the_next_time_goes_on(machine: Machine) -> None:
    one, two = machine("one"), machine("two")
    serve(one, "first")
    for store, method in ((one, "put"), (two, "read")):
        arguments = [str(store.root.parent), method, "1"]
        child = subprocess.run([sys.executable, "-c", KILLED, *arguments], capture_output=True, text=True, check=False)
        assert child.returncode == -signal.SIGKILL, child.stderr
        share_logs(store)
    assert names(two) == names(one)
    assert len(keys(one)) == 4
    assert not list(two.log_folder("predictions").glob("table/.*"))


def test_where_objects_are_files_nothing_is_shared(tmp_path: Path) -> None:
    store = open_store(tmp_path, "test", create=True, clock=FakeClock())
    serve(store, "first")
    assert share_logs(store) == Shared(0, 0)
