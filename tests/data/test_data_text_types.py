"""Types of CSV are those that Polars finds when it looks at every value, found with a look at few of them."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipway.data._contract_query import _read_once
from shipway.data._errors import DataUnreadable
from shipway.data._table import load_file
from shipway.data._text_types import infer_csv

KINDS = (
    ("2020-01-02", "2021-12-31"), ("31-12-2021", "02/01/2020"), ("2020-01-02 03:04:05", "2020-01-02T03:04:05.123456"),
    ("2020-01-02T03:04:05Z", "2020-01-02T03:04:05+02:00"), ("2020-01-02", "2020-01-02 03:04:05"), ("03:04:05", "23:59:59"),
    ("1", "-5"), ("99999999999999999999", "1"), ("1.5", "1e5"), ("1", "1.5"), ("true", "false"), ("a", "N864"),
    ('"2020-01-02"', '"5"'), ("NaN", "null"), (" 2020-01-02", "007"),
)  # fmt: skip
COLUMN = st.sampled_from(KINDS).flatmap(lambda kind: st.lists(st.sampled_from((*kind, "")), min_size=12, max_size=12))
LAST = st.sampled_from([value for kind in KINDS for value in kind]) | st.none()


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(columns=st.lists(COLUMN, min_size=1, max_size=4), empty=st.integers(0, 12), last=LAST)
def test_types_are_those_of_a_look_at_every_value(
    tmp_path: Path, columns: list[list[str]], empty: int, last: str | None
) -> None:
    columns[0][:empty] = [""] * empty
    columns[0] += [columns[0][-1] if last is None else last]
    rows = list(zip(*([*column, ""][:13] for column in columns), strict=True))
    path = tmp_path / "t.csv"
    path.write_text("\n".join(",".join(row) for row in [[f"c{place}" for place in range(len(columns))], *rows, []]))
    every = pl.scan_csv(path, glob=False, try_parse_dates=True, infer_schema_length=None)
    assert infer_csv(partial(pl.scan_csv, path, glob=False), head=6, sure=5) == every.collect_schema()
    path.write_text(path.read_text())  # the same, but younger
    ours, theirs = rows_of(load_file(path)), rows_of(every)
    assert ours.equals(theirs) if ours is not None and theirs is not None else ours is theirs


def rows_of(frame: pl.LazyFrame) -> pl.DataFrame | None:
    """None for what Polars refuses, as days in two orders."""
    try:
        return frame.collect()
    except pl.exceptions.ComputeError:
        return None


def test_a_file_that_changed_has_the_types_that_it_has_now(tmp_path: Path) -> None:
    table, lines = tmp_path / "t.csv", tmp_path / "t.jsonl"
    for value, kind in ((1, pl.Int64), (1.5, pl.Float64), ("a", pl.String)):
        table.write_text(f"x\n{value}\n")
        lines.write_text(json.dumps({"x": value}) + "\n")
        assert [load_file(path).collect().schema["x"] for path in (table, lines)] == [kind, kind]


def test_text_is_parsed_once_for_all_that_is_asked_and_other_tables_column_by_column(tmp_path: Path) -> None:
    table = pl.DataFrame({"x": [1]})
    table.write_csv(tmp_path / "t.csv")
    table.write_ndjson(tmp_path / "t.jsonl")
    table.write_parquet(tmp_path / "t.parquet")
    table.write_ipc(tmp_path / "t.arrow")
    plans = {
        end: _read_once(load_file(tmp_path / f"t.{end}")).explain(optimized=False)
        for end in ("csv", "jsonl", "parquet", "arrow")
    }
    assert [end for end, plan in plans.items() if "CACHE" in plan] == ["csv", "jsonl"]


def test_a_table_of_texts_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("")
    with pytest.raises(DataUnreadable):
        load_file(tmp_path / "t.csv")
