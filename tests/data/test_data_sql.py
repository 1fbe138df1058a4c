"""Rows of PostgreSQL, SQLite and DuckDB as snapshots: what changed is one file, what is not whole has no name."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from data_help import new_store
from hypothesis import given, settings
from hypothesis import strategies as st
from sql_help import KINDS, Base, files_of, ids, new_base, rows_of

from shipway.data import DataEmpty, QueryRefused, RowsUnfit, SourceChanged, SourceDown
from shipway.data.sql import Query, measure_query, parse_address, take_query
from shipway.data.sql._cut import MOST_ROWS, cut_rows, place_name
from shipway.kernel.digest import Digest
from shipway.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path / "project")


@pytest.fixture(params=KINDS)
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Base:
    return new_base(request.param, tmp_path)


def by_key(base: Base, text: str = "SELECT * FROM TABLE_") -> Query:
    return Query(text.replace("TABLE_", base.table), key=("id",), where="q.sql")


def by_time(base: Base) -> Query:
    return Query(f"SELECT * FROM {base.table};  -- all", watermark=("id",), where="q.sql")


def test_a_changed_an_added_and_a_removed_row_rewrite_their_files_only(base: Base, store: Store) -> None:
    take = partial(take_query, store, base.address, by_key(base), name="shop")
    first = take()
    assert first.rows == 25_000
    assert ids(store, first.snapshot.digest) == list(range(1, 25_001))
    assert take().snapshot.digest == first.snapshot.digest
    before = files_of(store, first.snapshot.digest)
    assert len(before) >= 3

    base.do("UPDATE TABLE_ SET amount = -1 WHERE id = 20000")
    changed = files_of(store, take().snapshot.digest)
    assert changed.keys() == before.keys()
    assert len([path for path in before if before[path] != changed[path]]) == 1

    base.do("DELETE FROM TABLE_ WHERE id = 22000", "INSERT INTO TABLE_ VALUES (40000, 'new', 0.5)")
    last = take().snapshot.digest
    assert len(set(changed.values()) - set(files_of(store, last).values())) <= 2
    assert ids(store, last) == [one for one in range(1, 25_001) if one != 22_000] + [40_000]


def test_the_same_rows_are_the_same_snapshot_however_they_came_about(base: Base, store: Store) -> None:
    first = take_query(store, base.address, by_key(base), name="shop")
    base.do("CREATE TABLE TABLE_b AS SELECT * FROM TABLE_ ORDER BY amount DESC")
    other = take_query(store, base.address, by_key(base, "SELECT * FROM TABLE_b"), name="shop")
    assert other.snapshot.digest == first.snapshot.digest


def test_a_watermark_reads_and_appends_only_later_rows(base: Base, store: Store) -> None:
    take = partial(take_query, store, base.address, by_time(base), name="shop")
    first = take()
    assert take(before=first.snapshot.digest).snapshot.digest == first.snapshot.digest
    base.do("INSERT INTO TABLE_ SELECT id + 25000, name, amount FROM TABLE_ WHERE id <= 10000")
    second = take(before=first.snapshot.digest)
    assert second.rows == 10_000
    assert take().snapshot.digest == second.snapshot.digest  # cut as if all were read at once
    kept = list(files_of(store, first.snapshot.digest).values())[:-1]
    assert list(files_of(store, second.snapshot.digest).values())[: len(kept)] == kept
    base.do("DELETE FROM TABLE_ WHERE id = 5")
    assert take(before=second.snapshot.digest).snapshot.digest == second.snapshot.digest  # what is gone is not seen


def test_a_status_keeps_nothing_and_says_the_same_files(tmp_path: Path, store: Store) -> None:
    base = new_base("sqlite", tmp_path, rows=20_000)
    planned = measure_query(store, base.address, by_key(base), name="shop")
    assert not store.objects.has(planned[0].digest)
    taken = take_query(store, base.address, by_key(base), name="shop")
    assert {file.path: file.digest for file in planned} == files_of(store, taken.snapshot.digest)


REFUSED: tuple[tuple[str, type[Exception] | tuple[type[Exception], ...]], ...] = (
    ("DELETE FROM TABLE_", QueryRefused),
    ("UPDATE TABLE_ SET amount = 0 RETURNING id", QueryRefused),
    ("SELECT 1 AS id; DROP TABLE TABLE_", QueryRefused),
    ("SELECT 1 AS id) AS asked; DROP TABLE TABLE_; --", QueryRefused),
    ("SELECT 1 AS id) AS asked LIMIT 1; COMMIT; DROP TABLE TABLE_; SELECT * FROM (SELECT 1", QueryRefused),
    ("SELECT id FROM nothing", QueryRefused),
    ("SELECT name FROM TABLE_", QueryRefused),
    ("SELECT id, amount FROM TABLE_ WHERE id < 0", DataEmpty),
    ("SELECT id FROM TABLE_ UNION ALL SELECT 12", RowsUnfit),
    ("SELECT CASE WHEN id <> 7 THEN id END AS id FROM TABLE_", RowsUnfit),
)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_set_of_rows_is_refused_and_nothing_is_written(tmp_path: Path, store: Store, kind: str) -> None:
    base = new_base(kind, tmp_path, rows=20)
    named_twice = (("SELECT id, id FROM TABLE_", QueryRefused),) if kind == "postgresql" else ()  # the others rename one
    for text, problem in (*REFUSED, *named_twice):
        with pytest.raises(problem) as raised:
            take_query(store, base.address, by_key(base, text), name="shop")
        assert "SELECT 12" not in text or "id 12 is there more than once" in str(raised.value)
    assert take_query(store, base.address, by_key(base), name="shop").rows == 20


@pytest.mark.parametrize("kind", KINDS)
def test_text_sorts_by_its_bytes_in_every_database(tmp_path: Path, store: Store, kind: str) -> None:
    base = new_base(kind, tmp_path, rows=6)
    names = ["a", "B", "\u00e4", "Z", "b", "\U0001f600"]
    base.do(*(f"UPDATE TABLE_ SET name = '{name}' WHERE id = {number}" for number, name in enumerate(names, start=1)))
    query = Query(f"SELECT * FROM {base.table} WHERE name LIKE '%'", key=("name",))
    taken = take_query(store, base.address, query, name="shop")
    assert rows_of(store, taken.snapshot.digest)["name"].to_list() == sorted(names, key=str.encode)


def test_types_of_postgres_are_kept_exactly(tmp_path: Path, store: Store) -> None:
    base = new_base("postgresql", tmp_path, rows=1)
    text = """SELECT id, 12345678901234567890.12::numeric(38, 2) AS d, 0.1::numeric AS free,
      '2020-01-02 03:04:05.678901+02'::timestamptz AS z, '2020-01-02 03:04:05'::timestamp AS t, date '2020-02-29' AS day,
      time '01:02:03.5' AS at, '\\x00ff'::bytea AS b, '{"a": [1, null]}'::jsonb AS j,
      ARRAY[1, NULL, 3] AS l, ARRAY['x', NULL] AS words, ARRAY[1.50]::numeric(5, 2)[] AS sums,
      'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid AS u,
      interval '1 month 2 days' AS i, 'NaN'::float8 AS f, 32767::int2 AS s, NULL::int4 AS n, true AS yes FROM TABLE_"""
    taken = take_query(store, base.address, by_key(base, text), name="shop")
    row = rows_of(store, taken.snapshot.digest)
    assert dict(row.schema) == {
        "id": pl.Int64(), "d": pl.Decimal(38, 2), "free": pl.String(), "z": pl.Datetime("us", "UTC"), "t": pl.Datetime("us"),
        "day": pl.Date(), "at": pl.Time(), "b": pl.Binary(), "j": pl.String(), "l": pl.List(pl.Int32()),
        "words": pl.List(pl.String()), "sums": pl.List(pl.Decimal(5, 2)), "u": pl.String(), "i": pl.String(), "f": pl.Float64(),
        "s": pl.Int16(), "n": pl.Int32(), "yes": pl.Boolean(),
    }  # fmt: skip
    found = row.row(0, named=True)
    assert np.isnan(found.pop("f"))
    assert found == {
        "id": 1, "d": decimal.Decimal("12345678901234567890.12"), "free": "0.1",
        "z": datetime(2020, 1, 2, 1, 4, 5, 678901, UTC), "t": datetime(2020, 1, 2, 3, 4, 5), "day": date(2020, 2, 29),
        "at": time(1, 2, 3, 500000), "b": b"\x00\xff", "j": '{"a": [1, null]}', "l": [1, None, 3], "words": ["x", None],
        "sums": [decimal.Decimal("1.50")], "u": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "i": "1 mon 2 days", "s": 32767,
        "n": None, "yes": True,
    }  # fmt: skip


def test_types_of_duckdb_are_kept_exactly(tmp_path: Path, store: Store) -> None:
    base = new_base("duckdb", tmp_path, rows=1)
    text = """SELECT id, 12345678901234567890.12::DECIMAL(38, 2) AS d, '2020-01-02 03:04:05.678901+02'::TIMESTAMPTZ AS z,
      '2020-01-02 03:04:05.123456789'::TIMESTAMP_NS AS t, DATE '2020-02-29' AS day, TIME '01:02:03.5' AS at,
      '\\x00\\xFF'::BLOB AS b, {'a': [1, NULL]} AS j, [1, NULL, 3] AS l,
      170141183460469231731687303715884105727::HUGEINT AS h, 255::UTINYINT AS s, NULL::INTEGER AS n FROM TABLE_"""
    taken = take_query(store, base.address, by_key(base, text), name="shop")
    row = rows_of(store, taken.snapshot.digest)
    assert row.schema["t"] == pl.Datetime("ns")
    assert row["t"].to_physical().to_list() == [1577934245123456789]
    assert row.drop("t").row(0, named=True) == {
        "id": 1, "d": decimal.Decimal("12345678901234567890.12"), "z": datetime(2020, 1, 2, 1, 4, 5, 678901, UTC),
        "day": date(2020, 2, 29), "at": time(1, 2, 3, 500000), "b": b"\x00\xff", "j": '{"a":[1,null]}', "l": [1, None, 3],
        "h": "170141183460469231731687303715884105727", "s": 255, "n": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("postgresql", "'NaN'::numeric(5, 2)"),
        ("postgresql", "'infinity'::timestamptz"),
        ("postgresql", "ARRAY[[1, 2]]"),
        ("duckdb", "'infinity'::timestamp"),
        ("sqlite", "CASE id WHEN 1 THEN 'x' ELSE 1 END"),
        ("sqlite", "CASE id WHEN 1 THEN 0.5 ELSE 9007199254740993 END"),
    ],
)
def test_a_value_that_no_type_holds_is_refused_and_not_made_null(tmp_path: Path, store: Store, kind: str, value: str) -> None:
    base = new_base(kind, tmp_path, rows=2)
    with pytest.raises(RowsUnfit):
        take_query(store, base.address, by_key(base, f"SELECT id, {value} AS x FROM TABLE_"), name="shop")


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_not_appended_to_others(tmp_path: Path, store: Store, kind: str) -> None:
    base = new_base(kind, tmp_path, rows=6)
    first = take_query(store, base.address, by_time(base), name="shop").snapshot.digest
    other = Query(f"SELECT id, amount FROM {base.table}", watermark=("id",))
    with pytest.raises(SourceChanged, match="name is gone, was String"):
        take_query(store, base.address, other, name="shop", before=first)
    keyed = take_query(store, base.address, by_key(base), name="shop").snapshot.digest
    with pytest.raises(SourceChanged, match="not one that rows were appended to"):
        take_query(store, base.address, by_time(base), name="shop", before=keyed)


def test_a_connection_that_is_lost_in_the_middle_keeps_nothing(tmp_path: Path, store: Store) -> None:
    base = new_base("postgresql", tmp_path, rows=60_000)

    def kill(_path: str, _size: int) -> None:
        base.do("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'shipway'")

    with pytest.raises(SourceDown, match="went away") as raised:
        take_query(store, base.address, by_key(base), name="shop", report=kill)
    assert raised.value.retry


def test_rows_that_change_while_they_are_read_are_those_of_one_moment(tmp_path: Path, store: Store) -> None:
    base = new_base("postgresql", tmp_path, rows=60_000)
    changed = once(lambda: base.do("UPDATE TABLE_ SET amount = 0", "DELETE FROM TABLE_ WHERE id > 50000"))
    taken = take_query(store, base.address, by_key(base), name="shop", report=changed)
    rows = rows_of(store, taken.snapshot.digest)
    assert rows.height == 60_000
    assert rows["amount"].min() != 0


def test_two_snapshots_at_once_are_the_same(store: Store, tmp_path: Path) -> None:
    base = new_base("sqlite", tmp_path, rows=20_000)
    found: list[Digest] = []
    other = new_store(tmp_path / "project")
    inner = once(lambda: found.append(take_query(other, base.address, by_key(base), name="shop").snapshot.digest))
    outer = take_query(store, base.address, by_key(base), name="shop", report=inner)
    assert found == [outer.snapshot.digest]


def once(do: Callable[[], object]) -> Callable[[str, int], None]:
    """A report that does something at the first file."""
    left = [do]

    def report(_path: str, _size: int) -> None:
        if left:
            left.pop()()

    return report


@pytest.mark.parametrize("text", ["nonsense", "mysql://host/db", "duckdb://", "", "postgresql:x"])
def test_an_address_of_another_kind_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    with pytest.raises(SourceDown) as raised:
        parse_address(text, root=tmp_path)
    assert not text or text not in raised.value.render()


def test_an_address_hides_what_may_be_secret(tmp_path: Path) -> None:
    address = parse_address("postgresql://ann:hunter2@db.example.org:5433/shop?sslkey=abc", root=tmp_path)
    assert address.shown == "postgresql://db.example.org:5433/shop"
    assert "hunter2" not in repr(address)
    assert parse_address("shop.duckdb", root=tmp_path).place == str(tmp_path / "shop.duckdb")


def test_a_base_that_is_away_is_told_once(tmp_path: Path, store: Store) -> None:
    for text in ("gone.db", "gone.duckdb", "postgresql://ann:hunter2@127.0.0.1:9/shop"):
        with pytest.raises(SourceDown) as raised:
            take_query(store, parse_address(text, root=tmp_path), Query("SELECT 1 AS id", key=("id",)), name="shop")
        assert "hunter2" not in raised.value.render()


numbers = st.lists(st.integers(0, 60_000), max_size=20, unique=True)


@settings(max_examples=8)
@given(added=numbers, removed=numbers, batch=st.integers(700, 40_000))
def test_where_files_end_depends_on_their_rows_only(added: list[int], removed: list[int], batch: int) -> None:
    """Against a plain statement of the rule: a file ends after each row that says so. An edit changes at most two files."""
    whole = pl.DataFrame({"id": range(60_000), "name": [None if one % 5 else str(one) for one in range(60_000)]})
    edited = pl.concat(
        [whole, pl.DataFrame({"id": [one + 100_000 for one in added], "name": ["new"] * len(added)}, whole.schema)]
    )
    edited = edited.filter(~pl.col("id").is_in(removed)).sort("id")
    pieces = list(cut_rows((edited[begin : begin + batch] for begin in range(0, edited.height, batch)), ["id"]))
    assert pl.concat(pieces).equals(edited)
    assert [len(piece) for piece in pieces] == [len(piece) for piece in cut_rows([edited], ["id"])]
    names = [place_name(piece, ["id"]) for piece in pieces]
    assert names == sorted(set(names))
    before = {place_name(piece, ["id"]): piece for piece in cut_rows([whole], ["id"])}
    same = [name for name, piece in zip(names, pieces, strict=True) if name in before and before[name].equals(piece)]
    assert len(names) - len(same) <= 2 * len(removed) + len(added) + 1


def test_rows_that_never_say_so_are_cut_by_number_and_by_size() -> None:
    ends = [piece["id"][-1] for piece in cut_rows([pl.DataFrame({"id": range(200_000)})], ["id"])]
    quiet = [one for one in range(200_000) if one not in ends]
    sizes = [piece.height for piece in cut_rows([pl.DataFrame({"id": quiet})], ["id"])]
    assert sizes[0] == MOST_ROWS
    large = pl.DataFrame({"id": quiet[:100], "text": ["x" * 1_000_000] * 100})
    assert [piece.height for piece in cut_rows([large], ["id"])] == [34, 34, 32]
    assert [piece.height for piece in cut_rows([large[:50], large[50:]], ["id"])] == [34, 34, 32]


@settings(max_examples=12)
@given(st.lists(st.integers(-(2**63), 2**64 - 1), min_size=2, unique=True))
def test_names_sort_as_whole_numbers_do(values: list[int]) -> None:
    check_names(sorted(values), pl.Int128())


@settings(max_examples=12)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=True), min_size=2, unique_by=lambda one: one + 0.0))
def test_names_sort_as_fractions_do(values: list[float]) -> None:
    check_names(sorted(values), pl.Float64())


@settings(max_examples=12)
@given(st.lists(st.datetimes(), min_size=2, unique=True))
def test_names_sort_as_instants_do(values: list[datetime]) -> None:
    check_names(sorted(values), pl.Datetime("us"))


@settings(max_examples=12)
@given(st.lists(st.text(max_size=12), min_size=2, unique_by=lambda one: one.encode("utf-8", "replace")[:16]))
def test_names_sort_as_text_does(values: list[str]) -> None:
    kept = [one for one in values if one.isprintable() and one.isascii()]
    check_names(sorted(kept), pl.String())


def check_names(values: list[Any], kind: pl.DataType) -> None:
    names = [place_name(pl.DataFrame({"a": [value]}, schema={"a": kind}), ["a"]).partition("-")[0] for value in values]
    assert names == sorted(names)
    assert all(len(name) == len(names[0]) for name in names)
