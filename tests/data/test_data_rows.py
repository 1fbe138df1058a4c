"""Rows of two snapshots compared: what came, went and changed, from the files that differ alone."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipway.data import ColumnChange, RowsChange, compare_rows, snapshot_files, take_snapshot
from shipway.store import Store, TreeFile, open_store

ROWS = pl.DataFrame({"id": [1, 2, 3, 4], "x": [0.5, 1.5, None, 3.5], "word": ["a", "b", "c", None]})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store", "points", create=True)


class Sides:
    """Two folders of tables, taken as snapshots one after the other."""

    def __init__(self, store: Store, root: Path) -> None:
        self.store, self.root = store, root

    def files(self, side: str, **tables: pl.DataFrame | bytes) -> list[TreeFile]:
        folder = self.root / side
        folder.mkdir(parents=True)
        for name, table in tables.items():
            path = folder / name.replace("_", ".")
            if isinstance(table, bytes):
                path.write_bytes(table)
            elif path.suffix == ".csv":
                table.write_csv(path)
            else:
                table.write_parquet(path)
        return list(snapshot_files(self.store, take_snapshot(self.store, folder).digest))

    def compare(
        self, before: pl.DataFrame, after: pl.DataFrame, *, key: tuple[str, ...] = (), form: str = "parquet"
    ) -> RowsChange:
        old, new = self.files("before", **{f"a_{form}": before}), self.files("after", **{f"a_{form}": after})
        return compare_rows(self.store, old, new, key=key)


@pytest.fixture
def sides(store: Store, tmp_path: Path) -> Sides:
    return Sides(store, tmp_path)


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_by_a_key_a_row_with_another_value_has_changed(sides: Sides, form: str) -> None:
    after = pl.concat([ROWS.filter(pl.col("id") != 2), pl.DataFrame({"id": [9, 8], "x": [1.0, 2.0], "word": ["n", "m"]})])
    after = after.with_columns(x=pl.when(pl.col("id") == 1).then(7.25).otherwise("x"))
    found = sides.compare(ROWS, after, key=("id",), form=form)
    assert (found.before, found.after, found.added, found.removed, found.changed) == (4, 5, 2, 1, 1)
    assert (found.key, found.columns, found.note) == (("id",), (), "")


def test_without_a_key_rows_are_a_multiset(sides: Sides) -> None:
    found = sides.compare(pl.concat([ROWS, ROWS.head(1)]), pl.concat([ROWS.head(2), ROWS.head(1), ROWS.head(1)]))
    assert (found.before, found.after, found.added, found.removed, found.changed) == (5, 4, 1, 2, None)


def test_of_a_key_that_names_several_rows_equal_ones_belong_together_and_it_says_so(sides: Sides) -> None:
    twice = pl.concat([ROWS, ROWS.head(1), ROWS.head(1).with_columns(x=9.0)])
    found = sides.compare(twice, ROWS.with_columns(x=pl.when(pl.col("id") == 1).then(2.0).otherwise("x")), key=("id",))
    assert (found.added, found.removed, found.changed, found.key, found.repeated) == (0, 2, 1, ("id",), (3, 0))
    assert found.note.startswith("id names several rows (3 rows before, 0 after): of one key equal rows belong together")


def test_columns_that_came_went_and_became_others_are_told_and_the_rest_is_compared(sides: Sides) -> None:
    after = ROWS.drop("word").with_columns(pl.col("x").cast(pl.String), late=pl.lit(1))
    found = sides.compare(ROWS, after, key=("id",))
    assert found.columns == (
        ColumnChange("x", "Float64", "String"),
        ColumnChange("word", "String", None),
        ColumnChange("late", None, "Int32"),
    )
    assert (found.added, found.removed, found.changed) == (0, 0, 0)
    assert found.note == "rows were compared by the 1 column that both have alike"


def test_rows_that_moved_between_files_neither_come_nor_go(sides: Sides) -> None:
    old = sides.files("before", a_parquet=ROWS.head(2), b_parquet=ROWS.tail(2))
    new = sides.files("after", a_parquet=ROWS.tail(3), c_parquet=ROWS.head(1))
    for key in ((), ("id",)):
        found = compare_rows(sides.store, old, new, key=key)
        assert (found.before, found.after, found.added, found.removed) == (4, 4, 0, 0)


def test_two_columns_with_their_values_swapped_are_other_rows(sides: Sides) -> None:
    before = pl.DataFrame({"a": [1, 2], "b": [2, 1]})
    found = sides.compare(before, before.select(a="b", b="a"))
    assert (found.added, found.removed) == (0, 0), "the two rows are each other's swap"
    odd = pl.DataFrame({"a": [1, 2], "b": [5, 1]})
    assert sides_of(sides, "swap").compare(odd, odd.select(a="b", b="a")).added == 2


def sides_of(sides: Sides, name: str) -> Sides:
    return Sides(sides.store, sides.root / name)


def test_nested_values_categories_and_times_are_compared(sides: Sides) -> None:
    before = pl.DataFrame(
        {
            "l": [[1, 2], None],
            "s": [{"x": 1}, {"x": 2}],
            "c": pl.Series(["u", "v"], dtype=pl.Categorical),
            "d": ["2020-01-01"] * 2,
        }
    ).with_columns(pl.col("d").str.to_date())
    found = sides.compare(before, before.reverse())
    assert (found.added, found.removed, found.note) == (0, 0, "")
    changed = before.with_columns(l=pl.Series([[1, 3], None]))
    assert sides_of(sides, "other").compare(before, changed).added == 1


def test_only_files_that_came_or_only_files_that_went(sides: Sides) -> None:
    files = sides.files("before", a_parquet=ROWS)
    found = compare_rows(sides.store, [], files, key=("id",))
    assert (found.added, found.removed, found.changed, found.columns) == (4, 0, 0, ())
    found = compare_rows(sides.store, files, [])
    assert (found.added, found.removed, found.before, found.after) == (0, 4, 4, 0)


def test_what_is_no_table_is_left_out(sides: Sides) -> None:
    assert compare_rows(sides.store, sides.files("before", a_txt=b"hello"), []) == RowsChange()


def test_beyond_the_size_rows_are_counted_from_footers_and_it_says_so(sides: Sides) -> None:
    old = sides.files("before", a_parquet=ROWS)
    new = sides.files("after", a_parquet=ROWS.head(3).with_columns(y=1))
    found = compare_rows(sides.store, old, new, limit=100)
    assert (found.before, found.after, found.added, found.removed) == (4, 3, None, None)
    assert found.columns == (ColumnChange("y", None, "Int32"),)
    assert found.note.startswith("more than 256 MB differ, so rows were counted from Parquet's footers")
    csv = sides.files("text", a_csv=ROWS)
    assert compare_rows(sides.store, old, csv, limit=100).note.endswith("not all of it is Parquet, so rows were not compared")


def test_what_cannot_be_read_is_not_compared_and_says_why(sides: Sides) -> None:
    old, new = sides.files("before", a_parquet=ROWS), sides.files("after", a_parquet=ROWS.head(1))
    path = sides.store.objects.path(new[0].digest)
    path.chmod(0o644)
    path.write_bytes(b"PAR1" + b"\x00" * 40 + b"PAR1")
    found = compare_rows(sides.store, old, new)
    assert found.added is None
    assert found.note.startswith("rows were not compared: ")
    path.unlink()
    assert "is missing from the store" in compare_rows(sides.store, old, new).note


Row = tuple[int, str | None]
VALUES = st.lists(st.tuples(st.integers(0, 8), st.sampled_from(["a", "b", None])), max_size=12)


@given(VALUES, VALUES)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_counts_are_those_of_counting_by_hand(
    tmp_path: Path, before: list[tuple[int, str]], after: list[tuple[int, str]]
) -> None:
    store = open_store(tmp_path / "store", "points", create=True)
    sides = Sides(store, tmp_path / f"sides-{store.ids.new()}")
    schema = {"id": pl.Int64, "w": pl.String}
    frames = [pl.DataFrame(rows, schema=schema, orient="row") for rows in (before, after)]
    found = sides.compare(*frames)
    store.close()
    left = list(before)
    for row in after:
        if row in left:
            left.remove(row)
    kept = len(before) - len(left)
    assert (found.before, found.after) == (len(before), len(after))
    assert (found.added, found.removed) == (len(after) - kept, len(left))
