"""Outcomes under faults, against brute force: several writers with clocks of their own, segments cut anywhere, kills."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from monitor_logs import (
    FIRST_DAY,
    NOW,
    OTHER_RELEASE,
    REF,
    FakeClock,
    log_outcomes,
    log_predictions,
    make_days,
    new_store,
    time_column,
)

from shipway.kernel.units import Seconds
from shipway.monitor import (
    GAP,
    OutcomeLog,
    compact_logs,
    joined,
    load_alerts,
    load_verdicts,
    measure_outcome_log,
    scan_outcomes,
    watch,
)
from shipway.spec import MonitorSpec
from shipway.store import OutcomeRecord, SegmentWriter, encode_record, list_segments, open_store
from shipway.store._segment_format import MAGIC

ROWS = [f"{FIRST_DAY}-0:{row}" for row in range(6)]
IDS = st.sampled_from([*ROWS, "orphan:0", "orphan:1"])
NAMES, VALUES = st.sampled_from(["late", "late", "spend"]), st.sampled_from([0.0, 1.0, 2.5])
WHEN = st.sampled_from(
    [None, "2013-01-01T00:00:00", "2013-02-02T09:00:00+05:00", "2026-11-22T12:00:00Z"]
)  # before the event too
ROW = st.fixed_dictionaries({"id": IDS, "name": NAMES, "value": VALUES, "time": WHEN})
KINDS = {"id": pl.String, "name": pl.String, "value": pl.Float64, "time": pl.String}
BATCH = st.tuples(
    st.sampled_from([0, 1]), st.sampled_from(["rows", "table", "new"]), st.lists(ROW, min_size=1, max_size=5), st.booleans()
)  # fmt: skip


Batches = list[tuple[int, str, list[dict[str, object]], bool]]
ANY = given(st.lists(BATCH, min_size=1, max_size=7), st.integers(-7200, 7200), st.integers(0, 9))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@ANY
def test_the_join_is_that_of_brute_force_whoever_wrote_when_by_which_clock(
    tmp_path_factory: pytest.TempPathFactory, batches: Batches, skew: int, age: int
) -> None:
    compare_with_brute_force(tmp_path_factory, batches, skew, age)


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@ANY
def test_the_join_is_that_of_brute_force_in_three_hundred_rounds(
    tmp_path_factory: pytest.TempPathFactory, batches: Batches, skew: int, age: int
) -> None:
    compare_with_brute_force(tmp_path_factory, batches, skew, age)


def compare_with_brute_force(tmp_path_factory: pytest.TempPathFactory, batches: Batches, skew: int, age: int) -> None:
    """Late, twice, corrected, orphaned, and from two machines whose clocks differ by hours: the last recorded wins."""
    folder, clocks = tmp_path_factory.mktemp("faults"), (FakeClock(), FakeClock())
    stores = new_store(folder, clocks[0]), new_store(folder, clocks[1])
    (day,) = make_days(1, days=1, rows=6)
    log_predictions(stores[0], [day], writer="a")
    log_predictions(stores[0], [day], writer="b", release=OTHER_RELEASE)
    said: list[tuple[datetime, int, dict[str, object]]] = []
    for number, (writer, way, rows, compacts) in enumerate(batches):
        moment = NOW + timedelta(seconds=60 * number + (skew if writer else 0), microseconds=number)
        clocks[writer].at = moment
        with OutcomeLog(stores[writer]) as log:
            if way == "rows":
                log.record(rows)
            else:
                table = pl.DataFrame(rows, schema=KINDS)
                (log.record_table if way == "table" else log.record_new)(table)
        said += [(moment, line, row) for line, row in enumerate(rows)]
        if compacts:
            compact_logs(stores[0], now=NOW, time_column=time_column)
    compact_logs(stores[0], now=NOW, time_column=time_column)
    truth = {str(row["id"]): row["value"] for _, _, row in sorted(said, key=lambda one: one[:2]) if row["name"] == "late"}
    as_of = datetime(2013, 2, 2, tzinfo=UTC) + timedelta(hours=age)
    table = joined(
        stores[0], release=None, start=FIRST_DAY, end=FIRST_DAY, outcome="late", matures=Seconds(10 * 3600.0), as_of=as_of
    ).collect()
    assert table.height == 12
    for row in table.iter_rows(named=True):
        old = row["time"] + timedelta(hours=10) <= as_of
        assert row["mature"] is old
        assert row["label"] == (truth.get(row["id"]) if old else None)
    facts = {one.name: one for one in measure_outcome_log(stores[0])}
    for name in {row["name"] for _, _, row in said}:
        ids = {row["id"] for _, _, row in said if row["name"] == name}
        assert (facts[str(name)].ids, facts[str(name)].orphans) == (len(ids), len(ids - set(ROWS)))


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_of_a_segment_that_is_cut_anywhere_the_whole_frames_are_used_and_the_loss_is_counted(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    store = new_store(tmp_path_factory.mktemp("cut"))
    ends = []
    log = OutcomeLog(store)
    for frame in range(4):
        log.record({"id": f"{frame}:{row}", "name": "late", "value": 1} for row in range(frame + 1))
        (segment,) = list_segments(store.log_folder("outcomes"))
        ends.append(segment.path.stat().st_size)
    log.close()
    (segment,) = list_segments(store.log_folder("outcomes"))
    whole = segment.path.read_bytes()
    cut = data.draw(st.integers(0, len(whole) - 1))
    segment.path.write_bytes(whole[:cut])
    compact_logs(store, now=NOW, time_column=time_column)
    frames = sum(end <= cut for end in ends)
    expected = [f"{frame}:{row}" for frame in range(frames) for row in range(frame + 1)]
    assert scan_outcomes(store).collect()["id"].to_list() == expected
    lost = [gap.value for gap in store.states(GAP)]
    assert bool(lost) == (cut not in (0, len(MAGIC), *ends)), "cut between two frames it looks like a shorter one"
    compact_logs(store, now=NOW, time_column=time_column)
    assert len(store.states(GAP)) == len(lost)


def test_a_record_whose_columns_differ_in_length_is_left_out_and_the_others_are_read(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    log = SegmentWriter(store.log_folder("outcomes"), "odd")
    good = OutcomeRecord(recorded=0, rows=1, ids=["a"], names=["late"], values=[1.0], times=[None])
    bad = OutcomeRecord(recorded=0, rows=2, ids=["b"], names=["late", "x"], values=[1.0], times=[])
    for record in (bad, good, bad):
        log.append_durable(encode_record(record), record.rows)
    log.close()
    compact_logs(store, now=NOW, time_column=time_column)
    assert scan_outcomes(store).collect()["id"].to_list() == ["a"]
    (gap,) = store.states(GAP)
    assert gap.value["rows"] == 4


_RECORDER = """
import sys, os
from pathlib import Path
from shipway.monitor import OutcomeLog
from shipway.store import open_store
log = OutcomeLog(open_store(Path(sys.argv[1]), "test"))
for number in range(10**9):
    log.record({"id": f"{number}:{row}", "name": "late", "value": row % 2} for row in range(50))
    os.write(1, b"%d\\n" % number)
"""


def test_what_was_acknowledged_before_a_kill_is_there_and_what_was_not_is_there_whole_or_not_at_all(
    tmp_path: Path,
) -> None:
    store = open_store(tmp_path, "test", create=True)
    process = subprocess.Popen([sys.executable, "-c", _RECORDER, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    acknowledged = -1
    for line in process.stdout:
        acknowledged = int(line)
        if acknowledged >= 20:
            os.kill(process.pid, signal.SIGKILL)
            break
    acknowledged = max([acknowledged, *map(int, process.stdout.read().split())])
    process.wait()
    process.stdout.close()
    compact_logs(store, now=store.clock.now(), time_column=time_column)
    rows = scan_outcomes(store).collect()
    counts = rows.group_by(pl.col("id").str.split(":").list.first().cast(pl.Int64)).len().sort("id").rows()
    assert [number for number, _ in counts] == list(range(len(counts)))
    assert {count for _, count in counts} == {50}
    assert len(counts) in (acknowledged + 1, acknowledged + 2)
    store.close()


def test_two_monitors_at_once_judge_each_day_once_and_as_one_alone(tmp_path: Path) -> None:
    days = make_days(2, days=16, rows=60, shift=0.2)
    for folder in ("both", "alone"):
        store = new_store(tmp_path / folder)
        log_predictions(store, days)
        log_outcomes(store, days)
        compact_logs(store, now=NOW, time_column=time_column)
    signed: list[str] = []

    def look(folder: str) -> None:
        store = new_store(tmp_path / folder)  # of its own, as another process would have
        compact_logs(store, now=NOW, time_column=time_column)
        watch(
            store, REF, {"base_rate": MonitorSpec(name="base_rate", page=0.05)}, matures=Seconds(0.0), outcome="late",
            attest_checks=lambda _subject, _name, _checks, window: signed.append(f"{folder} {window['day']}"),
            until=datetime(2013, 4, 1, tzinfo=UTC), reference=lambda _: None,
        )  # fmt: skip
        store.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(look, ["both"] * 4))
    look("alone")
    both, alone = (new_store(tmp_path / folder) for folder in ("both", "alone"))
    assert load_verdicts(both, REF) == load_verdicts(alone, REF)
    assert load_alerts(both, REF) == load_alerts(alone, REF)
    assert [row.value for row in both.states("leaf")] == [row.value for row in alone.states("leaf")]
    assert len(load_verdicts(both, REF)) == 16
    assert sorted(signed) == sorted({*signed}), "each day's verdict was signed once"
