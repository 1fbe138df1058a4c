from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from datetime import date
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from monitor_logs import (
    NOW,
    OTHER_RELEASE,
    REF,
    RELEASE,
    Day,
    log_outcomes,
    log_predictions,
    make_days,
    new_store,
    prediction,
    time_column,
)

from shipway.kernel.digest import Digest
from shipway.monitor import Compacted, compact_logs, scan_outcomes, scan_predictions
from shipway.monitor._lock import exclusive
from shipway.store import LogNotWritten, ObjectMissing, SegmentWriter, Store, encode_record

_FORKS = multiprocessing.get_context("forkserver")  # a fork of this process would inherit the locks of Polars' threads
_FORKS.set_forkserver_preload(["shipway.monitor._compact", "shipway.store._catalogue"])


def compact(store: Store) -> Compacted:
    return compact_logs(store, now=NOW, time_column=time_column)


def segments(store: Store, stream: str = "predictions") -> list[Path]:
    return sorted(store.log_folder(stream).glob("*.seg"))


def test_a_sealed_segment_becomes_a_table_with_an_id_and_an_event_time_for_each_row(tmp_path: Path) -> None:
    store, days = new_store(tmp_path), make_days(1, days=2, rows=250)
    log_predictions(store, days)
    log_outcomes(store, days)
    assert compact(store) == Compacted(500, 500, 0)
    table = scan_predictions(store).collect()
    assert (table.height, segments(store), segments(store, "outcomes")) == (500, [], [])
    last = table.row(-1, named=True)
    assert (last["id"], last["request"], last["release"]) == ("2013-02-02-2:49", "2013-02-02-2", RELEASE)
    assert (last["day"], last["recorded"], last["latency_us"]) == (date(2013, 2, 2), NOW, 1234)
    assert last["time"].isoformat() == last["scheduled"] + "+00:00"
    assert table["probability"].to_list() == np.concatenate([day.score for day in days]).tolist()
    assert table["carrier"].to_list() == [name for day in days for name in day.columns["carrier"]]


def test_without_an_event_time_a_row_has_the_time_that_it_was_recorded(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    day = make_days(1, days=1, rows=3)[0]
    texts = np.array(["2013-02-01T10:00:00+02:00", "no time", None], dtype=object)
    log_predictions(store, [day._replace(columns={**day.columns, "scheduled": texts})])
    compact(store)
    times = scan_predictions(store).collect()["time"]
    assert [str(time) for time in times] == ["2013-02-01 08:00:00+00:00", str(NOW), str(NOW)]
    log_predictions(store, [day], writer="timeless", release=OTHER_RELEASE)
    compact_logs(store, now=NOW, time_column=lambda _release: None)
    others = scan_predictions(store).filter(pl.col("release") == OTHER_RELEASE).collect()
    assert others["day"].unique().to_list() == [NOW.date()]


def test_columns_of_the_user_that_are_called_as_ours_keep_both(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    log = SegmentWriter(store.log_folder("predictions"), "one")
    columns = {"time": np.array([1.0]), "day": np.array([2]), "probability": np.array([3])}
    record = prediction("r", columns, np.array([0.5]))
    log.append(encode_record(record), 1)
    log.close()
    compact_logs(store, now=NOW, time_column=lambda _release: None)
    row = scan_predictions(store).collect().row(0, named=True)
    assert (row["time"], row["input.time"], row["day"], row["input.day"]) == (NOW, 1.0, NOW.date(), 2)
    assert row["input.probability"] == 3
    assert row["probability"] == 0.5


def test_open_segments_are_left_alone(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    log = SegmentWriter(store.log_folder("predictions"), "living", flush_seconds=0.01)
    log.append(encode_record(prediction("r", {"x": np.array([1.0])}, np.array([0.5]))), 1)
    while not list(store.log_folder("predictions").glob("*.open")):
        time.sleep(0.01)
    assert compact(store) == Compacted(0, 0, 0)
    assert list(store.log_folder("predictions").glob("*.open"))
    log.close()
    assert compact(store) == Compacted(1, 0, 0)


def test_releases_with_different_columns_lie_side_by_side(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    old, new = make_days(1, days=2, rows=100)
    changed = {**new.columns, "x0": np.array([str(x) for x in new.columns["x0"]], dtype=object), "wing": np.arange(100)}
    del changed["x1"]
    log_predictions(store, [old], writer="a")
    log_predictions(store, [new._replace(columns=changed)], writer="a", release=OTHER_RELEASE)
    log_predictions(store, [old._replace(day=date(2013, 3, 1))], writer="b")
    assert compact(store).rows == 300
    table = scan_predictions(store).collect()
    other = table.filter(pl.col("release") == OTHER_RELEASE)
    assert (table.height, other["wing"].to_list(), other["x1"].null_count()) == (300, list(range(100)), 100)
    assert table.filter(pl.col("release") == RELEASE)["wing"].null_count() == 200


def test_a_row_that_is_compacted_twice_or_asked_for_twice_counts_once(tmp_path: Path) -> None:
    store, days = new_store(tmp_path), make_days(1, days=1, rows=100)
    log_predictions(store, days, writer="a")
    (segment,) = segments(store)
    kept = segment.read_bytes()
    compact(store)
    segment.write_bytes(kept)  # as a crash between rename and removal leaves it
    compact(store)
    assert scan_predictions(store).collect().height == 100
    again = days[0]._replace(score=days[0].score / 2)
    log_predictions(store, [again], writer="b")  # a client that got no answer, and asked again
    compact(store)
    table = scan_predictions(store).collect()
    assert (table.height, table["probability"].to_list()) == (100, again.score.tolist())


def test_a_damaged_segment_gives_what_is_whole_and_a_gap_with_its_size_once(tmp_path: Path) -> None:
    store, days = new_store(tmp_path), make_days(1, days=1, rows=300)
    log_predictions(store, days)
    (segment,) = segments(store)
    data = bytearray(segment.read_bytes())
    at = data.rindex(b"2013-02-01-2")
    data[at] ^= 1
    segment.write_bytes(data)
    assert compact(store) == Compacted(200, 0, 1)
    assert scan_predictions(store).collect().height == 200
    (gap,) = store.states("gap")
    assert (gap.key, gap.value["rows"]) == (f"predictions/{segment.name}", 0)
    assert 0 < int(str(gap.value["bytes"])) < len(data) // 2
    (shelved,) = (store.log_folder("predictions") / "unread").iterdir()
    assert shelved.read_bytes() == data
    assert (compact(store), len(store.states("gap"))) == (Compacted(0, 0, 0), 1)


def test_frames_that_nobody_can_read_are_counted_and_kept(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    log = SegmentWriter(store.log_folder("predictions"), "mixed")
    log.append(b"of a newer Shipway", 7)
    log.append(encode_record(prediction("r", {"x": np.array([1.0])}, np.array([0.5]))), 1)
    log.close()
    (store.log_folder("predictions") / "foreign-00000001.seg").write_bytes(b"GIF89a, no log")
    assert compact(store) == Compacted(1, 0, 2)
    assert [(gap.value["rows"], gap.value["bytes"]) for gap in store.states("gap")] == [(0, 14), (7, 0)]


def test_a_killed_writer_leaves_a_gap_of_the_rows_that_it_had_accepted(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    child = _FORKS.Process(target=_write_and_die, args=(tmp_path,))
    child.start()
    child.join()
    done = compact(store)
    assert (done, compact(store)) == (Compacted(2, 0, 1), Compacted(0, 0, 0))
    (gap,) = store.states("gap")
    assert (gap.value["rows"], gap.value["accepted"], gap.value["readable"]) == (3, 5, 2)
    (table,) = (store.log_folder("gaps") / "table").glob("*.parquet")
    assert pl.read_parquet(table)["rows"].to_list() == [3]


def _write_and_die(folder: Path) -> None:
    log = SegmentWriter(new_store(folder).log_folder("predictions"), "dying", flush_seconds=3600)
    two = prediction("r", {"x": np.array([1.0, 2.0])}, np.array([0.5, 0.5]))
    log.append_durable(encode_record(two), 2)
    log.append(encode_record(two), 3)
    os.kill(os.getpid(), signal.SIGKILL)


def test_of_two_compactors_the_second_does_nothing(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    log_predictions(store, make_days(1, days=1, rows=100))
    with exclusive(store.log_folder("predictions").parent / "compact.lock", wait=False) as ours:
        assert ours
        assert compact(store) == Compacted(0, 0, 0)
    assert compact(store).rows == 100


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_moment_it_loses_nothing_and_repeats_nothing(tmp_path: Path, seed: int) -> None:
    _kill_and_compact(tmp_path, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 200))
def test_killed_at_any_moment_in_a_hundred_rounds(tmp_path: Path, seed: int) -> None:
    _kill_and_compact(tmp_path, seed)


def _kill_and_compact(folder: Path, seed: int) -> None:
    chance = random.Random(seed)
    store, days = new_store(folder), make_days(seed, days=20, rows=100)
    for number, day in enumerate(days):
        log_predictions(store, [day], writer=f"predictor-{number}")
    log_outcomes(store, days)
    for _ in range(4):
        begun = _FORKS.Event()
        child = _FORKS.Process(target=_compact_in, args=(folder, begun))
        child.start()
        begun.wait()
        time.sleep(chance.uniform(0.0, 0.1))
        child.kill()
        child.join()
    compact(store)
    table = scan_predictions(store).collect()
    assert sorted(table["id"]) == sorted(_ids(days))
    assert scan_outcomes(store).collect().height == 2000
    assert not list((store.log_folder("predictions") / "table").glob("*.draft"))


def _compact_in(folder: Path, begun: Event) -> None:
    store = new_store(folder)
    begun.set()
    compact(store)


def _ids(days: list[Day]) -> list[str]:
    return [f"{day.day}-{row // 100}:{row % 100}" for day in days for row in range(len(day.score))]


def test_a_release_is_asked_for_its_time_column_by_its_digest(tmp_path: Path) -> None:
    store, asked = new_store(tmp_path), list[Digest]()
    log_predictions(store, make_days(1, days=1, rows=10), deployment=REF)
    compact_logs(store, now=NOW, time_column=lambda release: asked.append(release))
    assert set(asked) == {RELEASE}


def test_records_of_a_release_that_is_gone_wait_and_the_others_go_on(tmp_path: Path) -> None:
    store, (day,) = new_store(tmp_path), make_days(1, days=1, rows=10)
    log = SegmentWriter(store.log_folder("predictions"), "both")
    for release in (RELEASE, OTHER_RELEASE):
        log.append(encode_record(prediction("r", day.columns, day.score, release=release)), 10)
    log.close()
    log_predictions(store, [day], writer="later")

    def find(release: Digest) -> str:
        if release == OTHER_RELEASE:
            raise ObjectMissing(f"no object {release}")
        return "scheduled"

    assert compact_logs(store, now=NOW, time_column=find) == Compacted(20, 0, 1)
    (gap,) = store.states("gap")
    assert (gap.value["rows"], gap.value["remark"]) == (10, f"the release cannot be read: {OTHER_RELEASE}")
    shelf = store.log_folder("predictions") / "unread"
    (shelved,) = shelf.iterdir()
    shelved.rename(store.log_folder("predictions") / shelved.name)  # its object is back
    assert compact(store) == Compacted(20, 0, 0)
    assert scan_predictions(store).collect().height == 30


def test_what_may_work_later_ends_the_call_and_the_segment_waits(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    log_predictions(store, make_days(1, days=1, rows=10))

    def busy(_release: Digest) -> str:
        raise LogNotWritten("the disk is full")

    with pytest.raises(LogNotWritten):
        compact_logs(store, now=NOW, time_column=busy)
    assert compact(store) == Compacted(10, 0, 0)


def test_an_event_time_before_the_first_year_blocks_nothing(tmp_path: Path) -> None:
    store, (day,) = new_store(tmp_path), make_days(1, days=1, rows=2)
    odd = np.array(["0001-01-01T00:00:00+14:00", "2013-02-01T10:00:00"], dtype=object)
    log_predictions(store, [day._replace(columns={**day.columns, "scheduled": odd})])
    compact(store)
    assert [time.year for time in scan_predictions(store).collect()["time"]] == [NOW.year, 2013]
