"""Small tables become large ones, and nobody who reads meanwhile sees a row twice or not at all."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Iterator
from datetime import timedelta
from multiprocessing.synchronize import Event
from pathlib import Path

import polars as pl
import pytest
from monitor_logs import NOW, new_store

from shipway.monitor import list_tables
from shipway.monitor._merge import TOGETHER, merge_tables, settle_merges
from shipway.monitor._tables import read_merges, table_folder, write_table
from shipway.store import Store

_FORKS = multiprocessing.get_context("forkserver")  # a fork of this process would inherit the locks of Polars' threads
_FORKS.set_forkserver_preload(["shipway.monitor._merge", "shipway.store._catalogue"])


def fill(store: Store, tables: int, *, begin: int = 0, wide: bool = False) -> None:
    for number in range(begin, begin + tables):
        more = {"more": [1.0, 2.0]} if wide else {}
        name = f"w{'x' if wide else ''}-{number:08d}.parquet"
        write_table(pl.DataFrame({"id": [f"{name}:0", f"{name}:1"], **more}), table_folder(store, "calls") / name)


def rows(store: Store) -> list[str]:
    found = [pl.read_parquet(path)["id"] for path in list_tables(store, "calls")]
    return [row for column in found for row in column.to_list()]


def test_thirty_two_tables_become_one_with_the_same_rows_in_the_same_order(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    fill(store, TOGETHER - 1)
    assert merge_tables(store, "calls", now=NOW) == 0
    fill(store, 1, begin=TOGETHER - 1)
    before = rows(store)
    assert merge_tables(store, "calls", now=NOW) == TOGETHER
    assert (len(list_tables(store, "calls")), rows(store)) == (1, before)
    assert merge_tables(store, "calls", now=NOW) == 0


def test_merged_tables_are_merged_again_and_other_columns_stay_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shipway.monitor._merge.TOGETHER", 6)
    store = new_store(tmp_path)
    for begin in range(0, 36, 6):
        fill(store, 6, begin=begin)
        while merge_tables(store, "calls", now=NOW):
            pass
    fill(store, 5, wide=True)
    assert len(list_tables(store, "calls")) == 1 + 5
    assert len(rows(store)) == len(set(rows(store))) == 2 * (36 + 5)


def test_what_was_replaced_stays_for_an_hour_and_is_forgotten_after_another(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    fill(store, TOGETHER)
    listed = list_tables(store, "calls")
    merge_tables(store, "calls", now=NOW)
    whole = rows(store)
    for minutes, there, known in ((50, True, True), (70, False, True), (110, False, True), (130, False, False)):
        merge_tables(store, "calls", now=NOW + timedelta(minutes=minutes))
        assert all(path.exists() is there for path in listed)
        assert bool(read_merges(table_folder(store, "calls")).merged) is known
        assert rows(store) == whole


def test_tables_that_are_taken_elsewhere_are_merged_ones_and_the_rest(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    fill(store, TOGETHER + 3)
    whole = rows(store)
    merge_tables(store, "calls", now=NOW)
    settle_merges(store, "calls")
    assert len(list(table_folder(store, "calls").glob("*.parquet"))) == 4
    assert rows(store) == whole


def test_a_table_whose_segment_waits_to_be_read_again_is_left_alone(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    fill(store, TOGETHER + 1)
    unread = store.log_folder("calls") / "unread"
    unread.mkdir()
    (unread / "w-00000003.seg").touch()
    assert merge_tables(store, "calls", now=NOW) == TOGETHER
    assert [path.name for path in list_tables(store, "calls")][1] == "w-00000003.parquet"


@pytest.mark.parametrize("seed", [1])
def test_killed_at_any_moment_no_reader_misses_or_repeats_a_row(tmp_path: Path, seed: int) -> None:
    chance, store = random.Random(seed), new_store(tmp_path)
    fill(store, 3 * TOGETHER)
    expected = sorted(rows(store))
    for _ in range(4):
        begun = _FORKS.Event()
        child = _FORKS.Process(target=_merge_in, args=(tmp_path, begun))
        child.start()
        begun.wait()
        for _ in _until(chance.uniform(0.0, 0.08)):
            assert sorted(rows(store)) == expected
        child.kill()
        child.join()
        assert sorted(rows(store)) == expected
    while merge_tables(store, "calls", now=NOW + timedelta(hours=5)):
        pass
    assert (sorted(rows(store)), len(list_tables(store, "calls"))) == (expected, 3)
    assert not list(table_folder(store, "calls").glob("*.draft"))


def _until(seconds: float) -> Iterator[None]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield


def _merge_in(folder: Path, begun: Event) -> None:
    store = new_store(folder)
    begun.set()
    while merge_tables(store, "calls", now=NOW):
        pass
