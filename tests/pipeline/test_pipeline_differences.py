"""What is shown of two values of one step: the first things that differ, and how far they are apart."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from shipway.kernel import media
from shipway.kernel.digest import Descriptor, digest_bytes
from shipway.pipeline import describe_difference
from shipway.store import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path, "points", create=True)


def table(store: Store, **columns: object) -> Descriptor:
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_parquet(buffer)
    return store.put_bytes(buffer.getvalue(), media.PARQUET)


def array(store: Store, values: object) -> Descriptor:
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(values))
    return store.put_bytes(buffer.getvalue(), media.NPY)


def shown(store: Store, before: Descriptor, after: Descriptor) -> tuple[str, ...]:
    return describe_difference(store, before, store, after)


def test_tables_are_compared_by_schema_rows_and_cells(store: Store) -> None:
    before = table(store, id=[1, 2, 3], x=[0.5, 1.5, None], gone=["a", "b", "c"], kind=[1, 2, 3])
    after = table(store, id=[1, 2, 3, 4], x=[0.5, 1.25, 2.0, 9.0], kind=["1", "2", "3", "4"], new=[True] * 4)
    assert shown(store, before, after) == (
        "-column gone: String",
        "column kind: Int64 -> String",
        "+column new: Boolean",
        "rows: 3 -> 4",
        "2 of 3 rows differ",
        "  column x: 2 rows, at most by 0.25",
        "  row 1: x 1.5 -> 1.25",
        "  row 2: x None -> 2.0",
    )


def test_of_many_rows_the_first_are_shown(store: Store) -> None:
    lines = shown(store, table(store, x=[0.0] * 1000), table(store, x=[1.0] * 1000))
    assert lines[:3] == ("1,000 of 1,000 rows differ", "  column x: 1,000 rows, at most by 1", "  row 0: x 0.0 -> 1.0")
    assert len(lines) == 7


def test_rows_that_only_moved_are_shown_where_they_stand(store: Store) -> None:
    lines = shown(store, table(store, id=["a", "b"]), table(store, id=["b", "a"]))
    assert lines[0] == "2 of 2 rows differ"


def test_a_table_with_the_same_values_and_other_bytes_says_nothing_false(store: Store) -> None:
    frame = pl.DataFrame({"x": [1.0, float("nan"), None]})
    found = []
    for compression in ("zstd", "uncompressed"):
        buffer = io.BytesIO()
        frame.write_parquet(buffer, compression=compression)
        found.append(store.put_bytes(buffer.getvalue(), media.PARQUET))
    assert found[0] != found[1]
    assert shown(store, *found) == ("the same values, in other bytes",)


def test_json_is_compared_by_lines(store: Store) -> None:
    before, after = (store.put_bytes(text, media.JSON) for text in (b'{"a":1,"b":[1,2]}', b'{"b":[1,3],"a":1}'))
    assert shown(store, before, after) == ("-  2", "+  3")


def test_arrays_are_compared_value_by_value(store: Store) -> None:
    lines = shown(store, array(store, [[1.0, 2.0], [3.0, np.nan]]), array(store, [[1.0, 2.5], [3.0, np.nan]]))
    assert lines == ("array: 1 of 4 values differ, at most by 0.5", "  [0, 1]: 2.0 -> 2.5")
    assert shown(store, array(store, [1.0]), array(store, [1, 2])) == ("array: float64[1] -> int64[2]",)


def test_folders_are_compared_by_their_files(store: Store, tmp_path: Path) -> None:
    found = []
    for name, files in (("one", {"a": "1", "b": "22"}), ("two", {"a": "1", "b": "333", "c": ""})):
        (tmp_path / name).mkdir()
        for path, text in files.items():
            (tmp_path / name / path).write_text(text)
        found.append(store.put_tree(tmp_path / name)[0])
    assert shown(store, *found) == ("b: 2 bytes -> 3 bytes", "c: nothing -> 0 bytes")


def test_bytes_that_nobody_can_read_are_told_apart_by_size(store: Store) -> None:
    assert shown(store, store.put_bytes(b"one"), store.put_bytes(b"two")) == ("3 bytes, other ones",)
    broken = [store.put_bytes(data, media.PARQUET) for data in (b"not a table", b"none either")]
    assert shown(store, *broken)[0].startswith("cannot be compared: ")
    zipped = [store.put_bytes(data, media.SKOPS) for data in (b"not a model", b"none either")]
    assert shown(store, *zipped)[0].startswith("cannot be compared: ")


def test_a_value_that_is_not_in_the_store_is_known_by_its_digest_alone(store: Store) -> None:
    absent = Descriptor(media.PARQUET, digest_bytes(b"absent"), 6)
    assert shown(store, absent, table(store, x=[1])) == (
        "what the release's own run made is not in this store, so its digest is all there is",
    )


def test_of_many_columns_and_files_the_first_are_shown(store: Store, tmp_path: Path) -> None:
    names = [f"c{number:02}" for number in range(40)]
    ones, twos = (table(store, **{name: [value] for name in names}) for value in (1, 2))
    lines = shown(store, ones, twos)
    assert len(lines) == 1 + 12 + 1 + 1
    assert lines[13] == "and 28 columns more"
    assert lines[14].count("->") == 6
    assert shown(store, ones, table(store, x=[1]))[12] == "and 29 columns more"
    for folder, text in (("one", "1"), ("two", "22")):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_text(text)
    lines = shown(store, store.put_tree(tmp_path / "one")[0], store.put_tree(tmp_path / "two")[0])
    assert (len(lines), lines[-1]) == (13, "and 28 files more")
