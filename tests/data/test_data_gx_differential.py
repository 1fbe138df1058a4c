"""What we say of a suite is what Great Expectations says, on generated tables, for every expectation and result format."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from gx_cases import EXPRESSIONS, databases, documents, forms, suites, tables
from gx_help import FORMATS, RealGx, plain, raised, same, suite_of
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from shipway.data import SuiteMalformed, SuiteUnsupported
from shipway.data.great_expectations import EXPECTATIONS, measure_suite, parse_form, parse_suite
from shipway.data.great_expectations._arguments import ARGUMENTS
from shipway.data.great_expectations._parameters import fill_parameters
from shipway.kernel.canonical import Json


@pytest.fixture(scope="module")
def real() -> Iterator[RealGx]:
    gx = RealGx()
    yield gx
    gx.close()


def compare(
    real: RealGx, folder: Path, table: pl.DataFrame, suite: dict[str, Any], form: Any, other: pl.DataFrame | None = None
) -> None:
    """other: a table of this name; then Great Expectations judges in a database, which knows no places of rows."""
    path = folder / "table.parquet"
    table.write_parquet(path)
    tables, more = {}, {}
    if other is not None:
        other.write_parquet(folder / "other.parquet")
        tables, more = {"other": other.lazy()}, {"sql": True, "others": {"other": str(folder / "other.parquet")}}
    theirs = real.ask(path, suite, form, **more)
    asked = parse_suite(json.dumps(suite), path="s.json")
    length = parse_form(form if isinstance(form, str) else json.dumps(form))
    ours = json.loads(json.dumps(measure_suite(asked, pl.scan_parquet(path), form=length, tables=tables)))
    assert len(ours["results"]) == len(theirs["results"])
    wrong = []
    for mine, true in zip(ours["results"], theirs["results"], strict=True):
        said, told = plain(mine["result"]), plain(true["result"])
        if other is not None:
            said, told = ({key: value for key, value in one.items() if "index" not in key} for one in (said, told))
        if _cut_at_nan(said, told):  # ours, which counts equal ones together, has room for others
            said, told = ({key: one[key] for key in one if key != "partial_unexpected_counts"} for one in (said, told))
        if not (mine["success"] == true["success"] and raised(mine) == raised(true) and same(said, told)):
            config = mine["expectation_config"]
            why = str(true["exception_info"])[:900] if raised(true) else mine["exception_info"]["exception_message"]
            wrong.append((config["type"], config["kwargs"], mine["success"], said, true["success"], told, why))
    assert not wrong, (form, table.to_dict(as_series=False), *wrong[:3])
    assert ours["success"] == theirs["success"]
    assert ours["statistics"] == theirs["statistics"]


def _cut_at_nan(said: dict[str, Any], told: dict[str, Any]) -> bool:
    """Whether their list of counts is cut short where one of the two has a null: each NaN is a value of its own there."""
    ours, theirs = (one.get("partial_unexpected_counts", {}) for one in (said, told))
    return "None" in f"{ours} {theirs}" and sum(theirs.values()) < told.get("unexpected_count", 0)


# What differs names its expectation; to shrink it would ask the other process for minutes.
ROUNDS = settings(
    phases=(Phase.explicit, Phase.generate),
    deadline=None,
    max_examples=2,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
DEEP = settings(ROUNDS, max_examples=60)
EACH_FORM = pytest.mark.parametrize("form", [*FORMATS, "object"])


def drawn(data: st.DataObject, form: str) -> Any:
    return data.draw(forms()) if form == "object" else form


@EACH_FORM
@ROUNDS
@given(table=tables(), suite=suites(), data=st.data())
def test_every_expectation_says_what_great_expectations_says(
    real: RealGx, tmp_path: Path, table: pl.DataFrame, suite: dict[str, Any], data: st.DataObject, form: str
) -> None:
    assume(table.height > 2 or form == "BASIC")  # the simplest table comes first of all, and once is enough
    compare(real, tmp_path, table, suite, drawn(data, form))


@settings(ROUNDS, max_examples=6)
@given(document=documents(), form=st.sampled_from(FORMATS) | forms())
def test_json_fits_a_schema_when_great_expectations_says_so(
    real: RealGx, tmp_path: Path, document: tuple[pl.DataFrame, dict[str, Any]], form: Any
) -> None:
    compare(real, tmp_path, *document, form)


@settings(ROUNDS, max_examples=6)
@given(table=tables(least=1), other=tables(least=1), suite=databases(), form=st.sampled_from(FORMATS))
def test_what_great_expectations_asks_databases_is_answered_as_sqlite_answers_it(
    real: RealGx, tmp_path: Path, table: pl.DataFrame, other: pl.DataFrame, suite: dict[str, Any], form: str
) -> None:
    texts = pl.col("s", "t").str.to_lowercase()
    compare(real, tmp_path, table.with_columns(texts), suite, form, other)


@pytest.mark.slow
@EACH_FORM
@DEEP
@given(table=tables(), suite=suites(), data=st.data())
def test_it_does_so_in_many_rounds(
    real: RealGx, tmp_path: Path, table: pl.DataFrame, suite: dict[str, Any], data: st.DataObject, form: str
) -> None:
    compare(real, tmp_path, table, suite, drawn(data, form))


@pytest.mark.slow
@DEEP
@given(document=documents(), table=tables(least=1), other=tables(least=1), suite=databases(), form=st.sampled_from(FORMATS))
def test_so_do_schemas_and_databases_in_many_rounds(
    real: RealGx,
    tmp_path: Path,
    document: tuple[pl.DataFrame, dict[str, Any]],
    table: pl.DataFrame,
    other: pl.DataFrame,
    suite: dict[str, Any],
    form: str,
) -> None:
    compare(real, tmp_path, *document, form)
    compare(real, tmp_path, table.with_columns(pl.col("s", "t").str.to_lowercase()), suite, form, other)


@given(suite=suites(), document=documents(), database=databases())
@settings(max_examples=1, deadline=None)
def test_the_generated_suites_hold_every_expectation_that_is_judged(
    suite: dict[str, Any], document: tuple[pl.DataFrame, dict[str, Any]], database: dict[str, Any]
) -> None:
    asked = [*suite["expectations"], *document[1]["expectations"], *database["expectations"]]
    assert {one["type"] for one in asked} == set(EXPECTATIONS)


def test_each_expectation_has_the_arguments_that_it_has_there(real: RealGx) -> None:
    theirs = {kind: set(names) for kind, names in real.arguments().items()}
    common = set.intersection(*theirs.values()) | {"library_metadata"}
    assert {kind: theirs[kind] - common for kind in EXPECTATIONS} == {
        kind: names - {"parse_strings_as_datetimes"} for kind, names in ARGUMENTS.items()
    }
    not_here = {kind for kind in theirs if kind} - set(EXPECTATIONS)
    assert not_here == {"expect_query_results_to_match_comparison"}


@settings(ROUNDS, max_examples=60)
@given(EXPRESSIONS)
def test_a_parameter_is_worth_what_it_is_worth_there(real: RealGx, expression: str) -> None:
    given: dict[str, Json] = {"a": 3, "b_2": -2.5, "t": "x"}
    text = f"a + {expression}"  # a number alone has no value there
    try:
        ours: Json = fill_parameters({"$PARAMETER": text}, given, where="here")
    except (SuiteMalformed, SuiteUnsupported):
        ours = "error"
    assert same(ours, real.parameter(text, given)), (text, ours)


def test_a_long_unexpected_list_ends_where_theirs_does(real: RealGx, tmp_path: Path) -> None:
    table = pl.DataFrame({"i": list(range(300))})
    suite = suite_of(("column_values_to_be_between", {"column": "i", "max_value": 9}))
    for form in (
        *FORMATS,
        {"result_format": "COMPLETE", "unexpected_index_column_names": ["i"], "include_unexpected_rows": True},
    ):
        compare(real, tmp_path, table, suite, form)
