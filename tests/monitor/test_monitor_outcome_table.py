"""Outcomes that come as tables: the same rules as row by row, columns by guess or by name, and nothing twice."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from monitor_logs import NOW, new_store, time_column

from shipway.monitor import (
    ColumnUnknown,
    OutcomeColumns,
    OutcomeLog,
    OutcomeMalformed,
    compact_logs,
    measure_outcome_log,
    pick_outcomes,
    scan_outcomes,
)
from shipway.monitor._outcome_rows import parse_outcome, parse_outcome_table

IDS = st.one_of(st.sampled_from(["r:0", "r:1", "", "é:0"]), st.text(st.characters(exclude_categories=["Cs"]), max_size=4))
VALUES = st.one_of(st.floats(), st.integers(-(2**60), 2**60), st.booleans())
TIMES = st.one_of(
    st.none(),
    st.sampled_from(
        ["2013-02-01", "2013-02-01T10:00:00+02:00", "yesterday", "2099-01-01T00:00:00", "2013-02-01T10:00:00.5Z", ""]
    ),
    st.datetimes(datetime(1900, 1, 1), datetime(2030, 1, 1)).map(datetime.isoformat),
)
ROWS = st.fixed_dictionaries(
    {"id": st.one_of(IDS, IDS, st.none()), "name": st.sampled_from(["late", "spend", ""]), "value": st.floats(), "time": TIMES},
    optional={"unit": st.sampled_from([None, "usd", ""]), "entity": st.sampled_from([None, None, "c1", ""])},
)


@settings(max_examples=150, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=6))
def test_a_table_is_taken_or_refused_as_its_rows_one_by_one(rows: list[dict[str, object]]) -> None:
    latest = NOW + timedelta(days=1)
    kinds = dict.fromkeys(("id", "name", "value", "time", "unit", "entity"), pl.String) | {"value": pl.Float64}
    table = pl.DataFrame([{**dict.fromkeys(kinds), **row} for row in rows], schema=kinds)
    taken, refused = [], set[int]()
    for line, row in enumerate(rows, 1):
        try:
            taken.append(parse_outcome(row, line=line, latest=latest))
        except OutcomeMalformed as problem:
            refused.add(problem.line)
    if refused:
        with pytest.raises(OutcomeMalformed) as caught:
            parse_outcome_table(table, latest=latest)
        assert caught.value.line in refused  # column by column, so not always the first row
    else:
        assert parse_outcome_table(table, latest=latest).rows() == [tuple(row) for row in taken]


@pytest.mark.parametrize(
    ("column", "value", "field"),
    [
        ("id", [1.5], "id"),
        ("id", [None], "id"),
        ("value", ["1"], "value"),
        ("value", [float("inf")], "value"),
        ("value", [None], "value"),
        ("value", [[1]], "value"),
        ("time", [3], "time"),
        ("time", [date(2099, 1, 1)], "time"),
        ("unit", [1.0], "unit"),
        ("valeu", [1], "valeu"),
    ],
)
def test_a_column_that_holds_no_outcomes_is_named_and_nothing_is_kept(
    tmp_path: Path, column: str, value: list[object], field: str
) -> None:
    store = new_store(tmp_path)
    table = pl.DataFrame({"id": ["r:0"], "name": ["late"], "value": [1]}).with_columns(pl.Series(column, value, strict=False))
    with OutcomeLog(store) as log, pytest.raises(OutcomeMalformed) as caught:
        log.record_table(table)
    assert (caught.value.line, caught.value.field) == (1, field)
    assert not list(store.log_folder("outcomes").iterdir())


def test_numbers_for_ids_dates_and_zoned_instants_for_times_and_units_are_kept_as_what_they_mean(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    zoned = pl.Series([datetime(2013, 2, 1, 12)]).dt.replace_time_zone("Europe/Berlin")
    with OutcomeLog(store) as log:
        log.record_table(pl.DataFrame({"id": [17], "name": ["spend"], "value": [9.5], "time": zoned, "unit": ["usd"]}))
        log.record_table(pl.DataFrame({"id": ["18"], "name": ["spend"], "value": [True], "time": [date(2013, 2, 3)]}))
    compact_logs(store, now=NOW, time_column=time_column)
    assert scan_outcomes(store).collect().rows() == [
        ("17", "spend", 9.5, datetime(2013, 2, 1, 11, tzinfo=UTC), NOW, "usd", None),
        ("18", "spend", 1.0, datetime(2013, 2, 3, tzinfo=UTC), NOW, None, None),
    ]


def test_tables_made_before_outcomes_had_a_unit_are_read_with_the_others(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    with OutcomeLog(store) as log:
        log.record([{"id": "r:0", "name": "late", "value": 1}])
    compact_logs(store, now=NOW, time_column=time_column)
    (path,) = (store.log_folder("outcomes") / "table").glob("*.parquet")
    pl.read_parquet(path).drop("unit").write_parquet(path.with_name("a.parquet"))
    assert scan_outcomes(store).collect()["unit"].to_list() == [None, None]


def test_the_same_table_again_adds_nothing_and_a_correction_is_kept_beside_what_it_corrects(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    table = pl.DataFrame({"id": ["r:0", "r:1", "r:1"], "name": "late", "value": [1, 0, 1], "time": "2013-02-02T10:00:00+01:00"})
    kept = []
    for given_table in (table, table, table.with_columns(value=pl.lit(0))):
        with OutcomeLog(store) as log:
            kept.append(log.record_new(given_table))
        compact_logs(store, now=NOW, time_column=time_column)
    assert kept == [2, 0, 2]
    (facts,) = measure_outcome_log(store)
    assert (facts.rows, facts.ids, facts.corrected, facts.repeated, facts.orphans) == (4, 2, 2, 0, 2)


def test_while_outcomes_wait_to_be_compacted_every_row_is_kept(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    table = pl.DataFrame({"id": ["r:0"], "name": "late", "value": [1]})
    with OutcomeLog(store) as log:
        assert (log.record_new(table), log.record_new(table)) == (1, 1)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_units_and_counts_of_a_name_agree_with_a_look_at_every_row(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    store = new_store(tmp_path_factory.mktemp("log"))
    row = st.tuples(st.sampled_from("abc"), st.sampled_from(["late", "spend"]), st.sampled_from([0.0, 1.0]))
    rows = data.draw(st.lists(row, min_size=1, max_size=12))
    with OutcomeLog(store) as log:
        log.record(
            {"id": id_, "name": name, "value": value, "unit": "usd" if name == "spend" else None} for id_, name, value in rows
        )
    compact_logs(store, now=NOW, time_column=time_column)
    for facts in measure_outcome_log(store):
        said = {id_: [value for other, name, value in rows if (other, name) == (id_, facts.name)] for id_ in "abc"}
        lists = [values for values in said.values() if values]
        changes = [sum(a != b for a, b in pairwise(values)) for values in lists]
        assert facts.rows == sum(map(len, lists))
        assert (facts.ids, facts.orphans, facts.corrected) == (len(lists), len(lists), sum(map(bool, changes)))
        assert facts.repeated == facts.rows - facts.ids - sum(changes)
        assert facts.units == (("usd",) if facts.name == "spend" else ())


def test_columns_are_guessed_or_named_and_one_that_is_not_there_is_an_error_with_those_that_are() -> None:
    frame = pl.LazyFrame({"Prediction_ID": ["r:0"], "late": [1], "ts": ["2013-02-02"], "other": [2]})
    picked = pick_outcomes(frame, OutcomeColumns(name="late"), where="a.csv")
    assert picked.to_dicts() == [{"id": "r:0", "name": "late", "value": 1, "time": "2013-02-02"}]
    picked = pick_outcomes(frame, OutcomeColumns(value="other", unit="usd"), where="a.csv")
    assert picked.select("name", "value", "unit").rows() == [("other", 2, "usd")]
    with pytest.raises(ColumnUnknown, match="called ohter") as caught:
        pick_outcomes(frame, OutcomeColumns(value="ohter"), where="a.csv")
    assert "meant other?" in str(caught.value.mend)
    with pytest.raises(ColumnUnknown, match="no column could be the value"):
        pick_outcomes(frame, OutcomeColumns(), where="a.csv")
