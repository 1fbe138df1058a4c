from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest
from data_help import new_store, write_months

from shipway.data import DataEmpty, DataUnreadable, load_table, snapshot_files, take_snapshot
from shipway.store import ObjectMissing, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path / "x=1 [odd]*")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def load(store: Store, folder: Path) -> pl.DataFrame:
    return load_table(store, take_snapshot(store, folder).digest, name="flights").collect()


def test_parquet_files_are_one_table_in_the_order_of_their_paths(store: Store, folder: Path) -> None:
    write_months(folder, months=12)
    (folder / "README.md").write_text("not a table")
    table = load(store, folder)
    assert table["month"].to_list() == [month for month in range(1, 13) for _ in range(4)]
    assert table.columns == ["month", "delay"]


def test_csv_types_come_from_all_rows_and_dates_are_dates(store: Store, folder: Path) -> None:
    (folder / "a.csv").write_text("day,n\n" + "2013-01-01,1\n" * 20_000 + "2013-01-02,1.5\n")
    (folder / "b.csv.gz").write_bytes(gzip.compress(b"day,n\n2013-01-03,2\n", mtime=0))
    table = load(store, folder)
    assert table.schema == {"day": pl.Date, "n": pl.Float64}
    assert table["n"].to_list()[-2:] == [1.5, 2.0]


def test_json_lines_csv_and_arrow_stand_side_by_side_when_their_columns_are_the_same(store: Store, folder: Path) -> None:
    (folder / "a.csv").write_text("b,a\nx,1\n")
    (folder / "b.jsonl").write_text('{"a": 2, "b": "y"}\n{"a": null, "b": null}\n')
    pl.DataFrame({"a": [3], "b": ["z"]}).write_ipc(folder / "c.arrow")
    assert load(store, folder).rows() == [("x", 1), ("y", 2), (None, None), ("z", 3)]


def test_a_column_that_is_empty_in_one_month_does_not_disturb(store: Store, folder: Path) -> None:
    pl.DataFrame({"a": [None]}).write_parquet(folder / "1.parquet")
    pl.DataFrame({"a": ["x"]}).write_parquet(folder / "2.parquet")
    assert load(store, folder)["a"].to_list() == [None, "x"]


def test_a_file_with_other_columns_is_refused_by_name(store: Store, folder: Path) -> None:
    pl.DataFrame({"a": [1], "b": [1]}).write_parquet(folder / "1.parquet")
    pl.DataFrame({"a": [1], "c": [1]}).write_parquet(folder / "2.parquet")
    with pytest.raises(DataUnreadable, match=r"flights/2\.parquet and flights/1\.parquet differ in columns: b, c"):
        load(store, folder)


def test_a_column_that_turns_from_number_to_text_is_refused_by_name(store: Store, folder: Path) -> None:
    pl.DataFrame({"a": [1]}).write_parquet(folder / "1.parquet")
    pl.DataFrame({"a": ["1"]}).write_parquet(folder / "2.parquet")
    with pytest.raises(DataUnreadable, match=r"column a is String in flights/2\.parquet and Int64 in flights/1\.parquet"):
        load(store, folder)


def test_a_snapshot_without_a_table_says_so(store: Store, folder: Path) -> None:
    (folder / "README.md").write_text("nothing here")
    with pytest.raises(DataEmpty, match="flights holds no table"):
        load(store, folder)


@pytest.mark.parametrize(("name", "content"), [("a.csv", ""), ("a.jsonl", "{oops"), ("a.arrow", "no arrow")])
def test_a_file_that_is_not_what_its_name_says_is_refused_by_name(store: Store, folder: Path, name: str, content: str) -> None:
    (folder / name).write_text(content)
    with pytest.raises(DataUnreadable, match=f"flights/{name} cannot be read"):
        load(store, folder)


def test_a_missing_object_is_named_by_its_file(store: Store, folder: Path) -> None:
    digest = take_snapshot(store, write_months(folder)).digest
    store.objects.path(snapshot_files(store, digest)[2].digest).unlink()
    with pytest.raises(ObjectMissing, match=r"flights/2013/03\.parquet is missing"):
        load_table(store, digest, name="flights")
