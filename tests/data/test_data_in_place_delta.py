"""A Delta Lake table in place, written by the real library: its versions, its partitions, and what VACUUM takes away."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from data_help import new_store

pytest.importorskip("deltalake", reason="deltalake is not installed")
from deltalake import DeltaTable, write_deltalake

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))
from store_help import s3_client, s3_environ

from shipway.data import (
    Asked,
    DataMissing,
    RowsUnfit,
    SourceGone,
    check_out,
    compare_data,
    load_table,
    profile_snapshot,
    read_in_place,
    snapshot_files,
    snapshot_side,
)
from shipway.data.in_place import bring_files, check_in_place, open_source, parse_place, take_in_place
from shipway.kernel.digest import Digest
from shipway.kernel.workers import Threads
from shipway.spec import ColumnRule, ContractSpec
from shipway.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = new_store(tmp_path / "project")
    yield found
    found.close()


@pytest.fixture
def table(store: Store) -> str:
    return str(store.root.parent / "flights")


def take(store: Store, version: str | None = None, *, at: str = "delta:flights") -> Digest:
    source = open_source(parse_place(at, version=version), root=store.root.parent)
    return take_in_place(store, source, name="flights").digest


def test_a_version_of_a_table_is_a_snapshot_and_stays_one(store: Store, table: str, tmp_path: Path) -> None:
    write_deltalake(table, pl.DataFrame({"id": [1, 2]}))
    first = take(store)
    write_deltalake(table, pl.DataFrame({"id": [3]}), mode="append")
    second = take(store)
    assert first != second
    assert take(store, "0") == first
    found = read_in_place(store, second)
    assert found
    assert (found.form, found.at, found.version, len(found.entries)) == ("delta", "flights", "1", 2)
    assert load_table(store, first, name="flights").collect()["id"].to_list() == [1, 2]
    assert sorted(load_table(store, second, name="flights").collect()["id"]) == [1, 2, 3]
    check_in_place(store, second)
    assert bring_files(store, first)
    came = bring_files(store, second)
    assert came
    assert came.files == 1  # what the first version had is here
    done = check_out(store, second, tmp_path / "out")
    assert done.written == 2
    assert sorted(pl.read_parquet(tmp_path / "out")["id"]) == [1, 2, 3]


def test_partition_columns_are_columns_of_their_types(store: Store, table: str) -> None:
    rows = pl.DataFrame(
        {
            "id": [1, 2, 3],
            "day": [date(2013, 1, 1), date(2013, 1, 2), None],
            "place": ["a b", "ü/x=1", "%20"],
            "late": [True, False, None],
            "price": pl.Series([Decimal("1.50"), Decimal("2.25"), None], dtype=pl.Decimal(9, 2)),
            "at": pl.Series([datetime(2013, 1, 1, 5), datetime(2013, 1, 2, 6, 7, 8, 9), None], dtype=pl.Datetime("us")),
        }
    )
    write_deltalake(table, rows, partition_by=["day", "place", "late", "price", "at"])
    digest = take(store)
    expected = pl.read_delta(table).sort("id")
    assert load_table(store, digest, name="flights").sort("id").select(expected.columns).collect().equals(expected)
    assert bring_files(store, digest)
    assert load_table(store, digest, name="flights").sort("id").select(expected.columns).collect().equals(expected)
    assert all("day=" in file.path for file in snapshot_files(store, digest))


def test_rows_of_a_diff_have_the_columns_that_stand_in_paths(store: Store, table: str) -> None:
    """The files say nothing of the day: a row that came to another one is a changed row, and a contract sees days."""
    rows = pl.DataFrame({"id": [1, 2, 3], "delay": [5, 6, 7], "day": [date(2013, 1, 1), date(2013, 1, 1), date(2013, 1, 2)]})
    write_deltalake(table, rows, partition_by=["day"])
    first = take(store)
    later = rows.with_columns(pl.when(pl.col("id") == 2).then(date(2013, 1, 3)).otherwise(pl.col("day")).alias("day"))
    write_deltalake(table, later, mode="overwrite")
    second = take(store)
    assert all(bring_files(store, digest) for digest in (first, second))
    before, after = (snapshot_side(store, digest, label="flights") for digest in (first, second))
    rule = ContractSpec(columns={"day": ColumnRule(name="day", between=("2013-01-01", "2013-01-02"))}).to_json()
    asked = Asked(key=("id",), must=True, contract=rule)
    for _ in range(2):  # the second time from what was kept
        found: Any = compare_data(before, after, asked, folder=store.root / "cache" / "diffs")
        changed = found["rows"]
        assert (changed["added"], changed["removed"], changed["changed"]) == (0, 0, 1)
        assert changed["compared"] == ["day", "delay", "id"]
        assert found["cells"]["columns"] == [{"column": "day", "changed": 1}]
        assert sorted(column["name"] for column in found["columns"]) == ["day", "delay", "id"]
        assert {flip["name"] for flip in found["contract"]["flips"]} == {"contract", "contract.day.between"}


def test_a_file_that_came_to_another_partition_as_it_is_has_other_rows(store: Store, table: str) -> None:
    rows = pl.DataFrame({"id": [1, 2], "day": [date(2013, 1, 1)] * 2})
    write_deltalake(table, rows, partition_by=["day"])
    first = take(store)
    write_deltalake(table, rows.with_columns(pl.lit(date(2013, 1, 2)).alias("day")), mode="overwrite")
    second = take(store)
    assert all(bring_files(store, digest) for digest in (first, second))
    before, after = (snapshot_side(store, digest, label="x") for digest in (first, second))
    found: Any = compare_data(before, after, Asked(key=("day", "id"), must=True), folder=None)
    assert (found["files"]["moved"], found["rows"]["added"], found["rows"]["removed"]) == (1, 2, 2)
    alone: Any = compare_data(before, replace(after, beside={}), Asked(key=("id",)), folder=None)
    assert "rows" not in alone  # beside a folder without such columns the same bytes are the same rows


def test_a_column_that_came_later_is_null_before(store: Store, table: str) -> None:
    write_deltalake(table, pl.DataFrame({"id": [1]}))
    write_deltalake(table, pl.DataFrame({"id": [2], "delay": [2.5]}), mode="append", schema_mode="merge")
    rows = load_table(store, take(store), name="flights").sort("id").collect()
    assert rows["delay"].to_list() == [None, 2.5]


def test_a_vacuumed_version_is_told_and_one_that_came_before_is_not_lost(store: Store, table: str) -> None:
    write_deltalake(table, pl.DataFrame({"id": [1]}))
    first = take(store)
    write_deltalake(table, pl.DataFrame({"id": [2]}), mode="overwrite")
    second = take(store)
    bring_files(store, second)
    write_deltalake(table, pl.DataFrame({"id": [3]}), mode="overwrite")
    DeltaTable(table).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    with pytest.raises(SourceGone, match="the table was vacuumed"):
        bring_files(store, first)
    with pytest.raises(SourceGone, match="the table was vacuumed"):
        load_table(store, first, name="flights")
    assert load_table(store, second, name="flights").collect()["id"].to_list() == [2]
    with pytest.raises(SourceGone, match="has no version 9"):
        take(store, "9")
    shutil.rmtree(table)
    with pytest.raises(DataMissing, match="no Delta table at flights"):
        take(store)


def test_a_file_of_another_size_is_not_the_file(store: Store, table: str) -> None:
    write_deltalake(table, pl.DataFrame({"id": [1]}))
    digest = take(store)
    (file,) = Path(table).glob("*.parquet")
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(SourceGone, match="has more than the"):
        bring_files(store, digest)


def test_a_table_whose_files_are_not_its_rows_is_refused(store: Store, table: str) -> None:
    write_deltalake(table, pl.DataFrame({"id": [1]}), configuration={"delta.columnMapping.mode": "none"})
    log = Path(table) / "_delta_log" / "00000000000000000000.json"
    log.write_text(log.read_text().replace('"delta.columnMapping.mode":"none"', '"delta.columnMapping.mode":"name"'))
    with pytest.raises(RowsUnfit, match="maps its columns' names"):
        take(store)


def test_a_profile_has_the_columns_that_stand_in_paths_and_nulls_of_those_that_came_later(store: Store, table: str) -> None:
    rows = pl.DataFrame({"id": [1, 2, 3], "month": [7, 7, 8], "place": ["a", "a", "b"]})
    write_deltalake(table, rows, partition_by=["month", "place"])
    later = rows.with_columns(month=pl.lit(9, pl.Int64), delay=pl.lit(1.5))
    write_deltalake(table, later, mode="append", schema_mode="merge")
    digest = take(store)
    bring_files(store, digest)
    found = profile_snapshot(store, digest, name="flights", workers=Threads())
    month, place, delay = (found.profile.columns[name] for name in ("month", "place", "delay"))
    assert found.profile.rows == 6
    assert (month.nulls, place.nulls, delay.nulls) == (0, 0, 3)
    again = profile_snapshot(store, digest, name="flights", workers=Threads(2))
    assert found.profile.to_json() == again.profile.to_json()


@pytest.mark.parametrize("damaged", [False, True], ids=["whole", "damaged"])
def test_a_table_with_deletion_vectors_is_refused(store: Store, table: str, damaged: bool) -> None:
    write_deltalake(table, pl.DataFrame({"id": list(range(40))}))
    log = Path(table) / "_delta_log" / "00000000000000000000.json"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    gone = struct.pack("<IqIIIHHI6H", 1681511376 + (not damaged), 1, 0, 12346, 1, 0, 5, 16, 3, 4, 7, 11, 18, 29)
    for line in lines:
        if "protocol" in line:
            features = {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}
            line["protocol"] = {"minReaderVersion": 3, "minWriterVersion": 7, **features}
        if "add" in line:
            vector = {"storageType": "i", "pathOrInlineDv": _z85(gone), "sizeInBytes": len(gone), "cardinality": 6}
            line["add"]["deletionVector"] = vector
    log.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(RowsUnfit, match="deletion vectors"):
        take(store)


def _z85(data: bytes) -> str:
    """Four bytes in five letters, as the log of a Delta table has them (ZeroMQ's RFC 32)."""
    letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
    numbers = struct.unpack(f">{len(data) // 4}I", data)
    return "".join(letters[number // 85**place % 85] for number in numbers for place in (4, 3, 2, 1, 0))


@pytest.mark.slow
def test_a_table_in_a_bucket_is_read_there(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3_environ().items():
        monkeypatch.setenv(name, value)
    bucket = f"delta-{os.getpid()}"
    s3_client(s3_environ()).create_bucket(Bucket=bucket)
    address = f"s3://{bucket}/tables/flights"
    rows = pl.DataFrame({"id": [1, 2], "place": ["a b", "c"]})
    options = {"aws_endpoint_url": s3_environ()["AWS_ENDPOINT_URL"], "aws_allow_http": "true", "aws_conditional_put": "etag"}
    write_deltalake(address, rows, partition_by=["place"], storage_options=options)
    digest = take(store, at=f"delta:{address}")
    assert load_table(store, digest, name="flights").sort("id").collect().equals(rows)
    check_in_place(store, digest)
    came = bring_files(store, digest)
    assert came
    assert came.files == 2


def test_without_the_library_its_extra_is_named(store: Store) -> None:
    code = (
        "import sys; sys.modules['deltalake'] = None\n"
        "from pathlib import Path\nfrom shipway.data import SourceDown\n"
        "from shipway.data.in_place import open_source, parse_place\n"
        "try:\n    open_source(parse_place('delta:x'), root=Path()).look()\n"
        "except SourceDown as problem:\n    print(problem.mend)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=store.root)
    assert "shipway[delta]" in said.stdout
