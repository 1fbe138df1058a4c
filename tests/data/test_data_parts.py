"""A snapshot profiled in parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from data_help import new_store, same_profile, write_months

from shipway.data import Profiled, ProfileMismatch, load_table, measure_profile, profile_snapshot, take_snapshot
from shipway.kernel.canonical import canonical_json
from shipway.kernel.digest import Digest
from shipway.kernel.workers import Threads
from shipway.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path / "store")


def snapshot_of(store: Store, folder: Path) -> Digest:
    return take_snapshot(store, folder).digest


def measured(store: Store, digest: Digest, *, count: int, rows: int = 1000) -> Profiled:
    return profile_snapshot(store, digest, name="sample", workers=Threads(count), rows=rows)


def write_rows(folder: Path, rows: int = 10_000) -> Path:
    """Two files of numbers that round, with nulls and NaN, and of words."""
    random = np.random.default_rng(7)
    folder.mkdir()
    for number in range(2):
        values = [None if at % 97 == 0 else float(value) for at, value in enumerate(random.normal(0.1, 1e3, rows))]
        words = random.choice(["a", "b", "c"], rows)
        frame = pl.DataFrame({"value": values, "word": words, "whole": random.integers(0, 50, rows), "yes": words == "a"})
        frame.write_parquet(folder / f"{number}.parquet", row_group_size=1700)
    return folder


def test_one_thread_and_many_give_the_same_bytes(store: Store, tmp_path: Path) -> None:
    digest = snapshot_of(store, write_rows(tmp_path / "rows"))
    one, many = (measured(store, digest, count=count) for count in (1, 4))
    assert one.parts == 20
    assert canonical_json(one.profile.to_json()) == canonical_json(many.profile.to_json())


def test_the_parts_add_up_to_the_whole(store: Store, tmp_path: Path) -> None:
    digest = snapshot_of(store, write_rows(tmp_path / "rows"))
    first = measured(store, digest, count=1).profile
    rows = load_table(store, digest, name="sample").collect()
    found = profile_snapshot(store, digest, name="sample", workers=Threads(2), reference=first, rows=1000).profile
    assert found.rows == 20_000
    assert same_profile(found, measure_profile(first, rows))


def test_a_column_that_begins_without_a_value_is_what_the_whole_is(store: Store, tmp_path: Path) -> None:
    folder = write_months(tmp_path / "months", 1)
    pl.DataFrame({"month": [0, 0], "delay": [None, None]}).write_parquet(folder / "2012.parquet")
    found = measured(store, snapshot_of(store, folder), count=2).profile
    assert (found.rows, found.columns["delay"].missing) == (6, 3)


def test_empty_files_and_empty_tables_have_profiles(store: Store, tmp_path: Path) -> None:
    folder = write_months(tmp_path / "months", 1)
    pl.DataFrame(schema={"month": pl.Int64, "delay": pl.Float64}).write_parquet(folder / "0.parquet")
    assert measured(store, snapshot_of(store, folder), count=2).profile.rows == 4
    (folder / "2013" / "01.parquet").unlink()
    assert measured(store, snapshot_of(store, folder), count=2).profile.rows == 0


def test_times_are_left_out_and_named(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "times"
    folder.mkdir()
    (folder / "a.csv").write_text("at,n\n2013-01-01,1\n2013-01-02,2\n")
    found = measured(store, snapshot_of(store, folder), count=1)
    assert (list(found.profile.columns), found.left_out) == (["n"], ("at",))


def test_words_against_a_reference_of_numbers_are_one_clear_error(store: Store, tmp_path: Path) -> None:
    reference = measured(store, snapshot_of(store, write_rows(tmp_path / "rows", 10)), count=1).profile
    folder = tmp_path / "words"
    folder.mkdir()
    (folder / "a.csv").write_text("value\nmany\n")
    digest = snapshot_of(store, folder)
    with pytest.raises(ProfileMismatch, match="value holds words"):
        profile_snapshot(store, digest, name="sample", workers=Threads(2), reference=reference)
