"""What is proposed as a contract holds on the rows that it was proposed from, whatever they are."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.data import DataEmpty, infer_contract, measure_contract
from shipway.kernel.check import Verdict
from shipway.spec import parse_contract

KINDS: list[tuple[pl.DataType, st.SearchStrategy[object]]] = [
    (pl.Int64(), st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5)),
    (pl.UInt64(), st.integers(0, 2**64 - 1)),
    (pl.Int8(), st.integers(0, 1)),
    (pl.Float64(), st.floats()),
    (pl.Float32(), st.floats(-3, 1000, width=32)),
    (pl.Float64(), st.floats(0, 1)),
    (pl.String(), st.text(max_size=4)),
    (pl.String(), st.sampled_from(["no", "null", "1", "1e3", "true", "a: b", "#", "é", "", "\u2028", "~", "- x", '"', "\\"])),
    (pl.Boolean(), st.booleans()),
    (pl.Date(), st.dates()),
    (pl.Datetime("us"), st.datetimes()),
    (pl.Time(), st.times()),
    (pl.List(pl.Int64()), st.lists(st.integers(0, 3), max_size=2)),
    (pl.Null(), st.none()),
]


@st.composite
def tables(draw: st.DrawFn) -> pl.DataFrame:
    rows = draw(st.sampled_from([1, 3, 25, 200]))
    names = draw(
        st.lists(st.text(max_size=5) | st.sampled_from(["null", "a b", "x", "1", "yes"]), min_size=1, max_size=4, unique=True)
    )
    made = {}
    for name in names:
        kind, values = draw(st.sampled_from(KINDS))
        some = draw(st.lists(st.none() | values if draw(st.booleans()) else values, min_size=1, max_size=30))
        made[name] = pl.Series(name, [some[n % len(some)] for n in range(rows)], dtype=kind)
    return pl.DataFrame(list(made.values()))


@settings(max_examples=60, deadline=None)
@given(table=tables())
def test_a_proposal_holds_on_the_rows_that_it_came_from(table: pl.DataFrame) -> None:
    found = infer_contract(table.lazy())
    result = measure_contract(found.contract, table.lazy())
    assert result.check.verdict is Verdict.PASS, (found.text, result)
    assert parse_contract(found.text, path="p.yaml").to_json() == found.contract


@pytest.mark.slow
@settings(max_examples=2000, deadline=None)
@given(table=tables())
def test_it_does_so_in_many_rounds(table: pl.DataFrame) -> None:
    found = infer_contract(table.lazy())
    assert measure_contract(found.contract, table.lazy()).check.verdict is Verdict.PASS, found.text


def test_it_is_what_a_person_would_have_written_with_the_reason_beside_it() -> None:
    rows = 617
    table = pl.DataFrame(
        {
            "id": list(range(rows)),
            "delay": [None if n == 7 else float(n % 380) - 20.5 for n in range(rows)],
            "carrier": [("AA", "UA", "no")[n % 3] for n in range(rows)],
            "late": [n % 2 for n in range(rows)],
            "day": [date(2013, 1, 1) + timedelta(days=n % 365) for n in range(rows)],
            "at": [datetime(2013, 1, 1) + timedelta(hours=n) for n in range(rows)],
        }
    )
    assert infer_contract(table.lazy()).text == (
        "# Proposed from 617 rows. What is below held on all of them; whether it must is yours to say.\n"
        "rows: {at_least: 300}  # 617 seen; half of them, rounded down. at_most: what would be too many?\n"
        "unique: [[id], [at]]  # no value came twice\n"
        "columns:\n"
        "  id: {type: integer, nulls: none}  # seen 0 to 616; a key grows, so no range\n"
        "  delay: {type: number, nulls: at most 1%, between: [-30.0, 360.0]}"
        "  # 1 of 617 without a value, rounded up; seen -20.5 to 358.5, rounded outwards\n"
        "  carrier: {type: string, nulls: none, one_of: [AA, UA, no]}  # all values of 617 rows\n"
        "  late: {type: integer, nulls: none, one_of: [0, 1]}  # all values of 617 rows\n"
        "  day: {type: date, nulls: none}  # seen 2013-01-01 to 2013-12-31; new rows have later times, so no range\n"
        "  at: {type: timestamp, nulls: none}"
        "  # seen 2013-01-01 00:00:00 to 2013-01-26 16:00:00; a key grows, so no range\n"
    )


def test_two_columns_name_a_row_together_where_none_does_alone() -> None:
    pairs = [(day, station) for day in range(10) for station in range(5)]
    table = pl.DataFrame(pairs, schema=["day", "station"], orient="row")
    assert infer_contract(table.lazy()).contract["unique"] == [["day", "station"]]


@pytest.mark.parametrize("rows", [617, 1000, 3000, 30000])
def test_a_key_is_found_whatever_the_sketch_of_its_values_says(rows: int) -> None:
    """Of 3,000 values the sketch of distinct ones says 2,679."""
    assert infer_contract(pl.LazyFrame({"id": range(rows)})).contract["unique"] == [["id"]]


def test_nothing_is_proposed_from_no_rows() -> None:
    with pytest.raises(DataEmpty, match="has no rows"):
        infer_contract(pl.LazyFrame({"i": []}))
