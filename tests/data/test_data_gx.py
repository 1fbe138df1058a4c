"""Suites are read in both forms, and what cannot be judged exactly is refused by name before a row is read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from gx_help import PYTHON, suite_of

from shipway.data import EngineFailed, RegexEndless, SuiteMalformed, SuiteUnsupported
from shipway.data.great_expectations import Form, measure_suite, parse_form, parse_suite, run_suite
from shipway.data.great_expectations import _query as queries
from shipway.data.great_expectations import _text as texts

TABLE = pl.LazyFrame({"i": [1, 2, None], "s": ["a", "b", None], "d": [date(2020, 1, 1), None, date(2020, 1, 3)]})
TABLE = TABLE.with_columns(t=pl.col("d").cast(pl.Datetime("us")))


def measured(kind: str, **kwargs: Any) -> dict[str, Any]:
    found = measure_suite(parse_suite(json.dumps(suite_of((kind, kwargs))), path="suite.json"), TABLE)
    result: dict[str, Any] = json.loads(json.dumps(found))["results"][0]
    return result


def test_a_suite_from_before_1_0_says_the_same() -> None:
    now = {"name": "x", "expectations": [{"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "i"}}]}
    entry = {"expectation_type": "expect_column_values_to_not_be_null", "kwargs": {"column": "i"}, "meta": {}}
    before = {"expectation_suite_name": "x", "data_asset_type": None, "expectations": [entry], "ge_cloud_id": None}
    one, other = (measure_suite(parse_suite(json.dumps(text), path="s.json"), TABLE) for text in (now, before))
    assert one == other
    assert one["success"] is False


@pytest.mark.parametrize(
    ("condition", "rows"),
    [("i > 1", 1), ('col("i") == 1', 1), ('col("s").notNull()', 2), ("s != 'a'", 2), ("`i`<=2", 2),
     ('col("i") > 0 and col("s") == "b"', 1), ("s == 'a&b'", 0),
     ("i.isnull() | s == 'a'", 2), ("not (i in [1] and s == 'a')", 2)],
)  # fmt: skip
def test_a_row_condition_that_is_a_text_is_read(condition: str, rows: int) -> None:
    found = measured("column_values_to_not_be_null", column="i", row_condition=condition, condition_parser="pandas")
    assert found["result"]["element_count"] == rows


@pytest.mark.parametrize(
    ("kind", "kwargs", "says"),
    [
        ("column_values_to_be_magic", {"column": "i"}, "expect_column_values_to_be_magic is not known here"),
        ("column_kl_divergence_to_be_less_than", {"column": "i"}, "expect_column_kl_divergence_to_be_less_than"),
        ("column_values_to_be_between", {"column": "i", "min_value": {"$PARAMETER": "low"}}, "the parameter low"),
        ("column_values_to_be_between", {"column": "i", "min_value": {"$PARAMETER": "now()"}}, r"now\(\)"),
        ("column_sum_to_be_between", {"column": "s", "min_value": 1}, "on a column of type String"),
        ("column_values_to_not_be_null", {"column": "i", "row_condition": "i + 1 > 2"}, "row_condition"),
        ("column_values_to_not_be_null", {"column": "i", "row_condition": "__import__('os').remove('x')"}, "row_condition"),
        ("column_values_to_not_be_null", {"column": "i", "row_condition": "(" * 5000 + "i" + ")" * 4000}, "row_condition"),
        ("column_values_to_not_be_null", {"column": "i", "row_condition": "not " * 500 + "i > 1"}, "row_condition"),
        ("column_values_to_not_be_null", {"column": "i", "row_condition": "t == '2020-01-01'"}, "takes for a text"),
        ("column_values_to_be_of_type", {"column": "i", "type_": "VARCHAR"}, "VARCHAR"),
        ("column_distinct_values_to_be_in_set", {"column": "d", "value_set": ["yesterday"]}, "yesterday"),
    ],
)
def test_what_is_not_judged_here_is_refused_by_its_name(kind: str, kwargs: dict[str, Any], says: str) -> None:
    with pytest.raises(SuiteUnsupported, match=says):
        measured(kind, **kwargs)


@pytest.mark.parametrize(
    ("kind", "kwargs"),
    [
        ("column_values_to_not_be_null", {"column": 3}),
        ("column_values_to_not_be_null", {"column": "i", "mostly": 2}),
        ("column_values_to_be_in_set", {"column": "i", "value_set": "abc"}),
        ("column_values_to_be_between", {"column": "i"}),
        ("column_values_to_be_between", {"column": "i", "min_value": 1, "maximum": 3}),
        ("table_row_count_to_equal", {"value": 3, "mostly": 0.5}),
        ("column_values_to_be_between", {"column": "i", "min_value": "a"}),
        ("column_values_to_be_between", {"column": "i", "min_value": 10**400}),
        ("column_values_to_be_between", {"column": "d", "min_value": "2020-02-30"}),
        ("column_values_to_be_between", {"column": "i", "min_value": {"$PARAMETER": "1 / 0"}}),
        ("column_values_to_be_between", {"column": "i", "min_value": {"$PARAMETER": "9^9^9^9^9"}}),
        ("column_values_to_be_between", {"column": "i", "min_value": {"$PARAMETER": "1 +"}}),
        ("column_values_to_match_json_schema", {"column": "s", "json_schema": True}),
        ("column_values_to_match_like_pattern", {"column": "s", "like_pattern": "a", "escape": "!!"}),
        ("column_kl_divergence_to_be_less_than", {"column": "i", "partition_object": {"bins": [0, 1], "weights": [2]}}),
        ("column_kl_divergence_to_be_less_than", {"column": "i", "partition_object": {"bins": [1, 0], "weights": [1]}}),
        ("!unexpected_rows_expectation", {"unexpected_rows_query": "select * from {batch} where {x.__class__}"}),
        ("!unexpected_rows_expectation", {"unexpected_rows_query": "select * from {batch"}),
        ("compound_columns_to_be_unique", {"column_list": ["i", "i"]}),
        (
            "column_quantile_values_to_be_between",
            {"column": "i", "quantile_ranges": {"quantiles": [2], "value_ranges": [[0, 1]]}},
        ),
        ("column_values_to_not_be_null", {"column": "i", "row_condition": {"type": "or", "conditions": []}}),
    ],
)
def test_kwargs_that_mean_nothing_are_named(kind: str, kwargs: dict[str, Any]) -> None:
    with pytest.raises(SuiteMalformed):
        measured(kind, **kwargs)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"expectations": [1]}', '{"expectations": [{"kwargs": {}}]}', "[" * 100_000])
def test_what_is_no_suite_is_one_clear_error(text: str) -> None:
    with pytest.raises(SuiteMalformed):
        parse_suite(text, path="suite.json")


@pytest.mark.parametrize(
    ("kind", "kwargs", "says"),
    [
        ("column_values_to_be_between", {"column": "s", "min_value": 1}, "texts are compared"),
        ("column_values_to_be_between", {"column": "i", "min_value": "2020-01-01"}, "compared with a number"),
        ("column_values_to_be_between", {"column": "d", "min_value": 1}, "compared with a day"),
        ("column_max_to_be_between", {"column": "s", "max_value": 1}, "texts are compared"),
        ("column_values_to_match_json_schema", {"column": "s", "json_schema": {"type": 3}}, "no JSON schema"),
        ("column_values_to_be_dateutil_parseable", {"column": "i"}, "no texts to parse"),
        ("table_row_count_to_equal_other_table", {"other_table_name": "none"}, "--table none=FILE"),
        ("!unexpected_rows_expectation", {"unexpected_rows_query": "select nope from {batch}"}, "DuckDB refuses"),
        ("!unexpected_rows_expectation", {"unexpected_rows_query": "drop view batch"}, "DuckDB refuses"),
        ("!unexpected_rows_expectation", {"unexpected_rows_query": "select 1; select 2"}, "one statement"),
        (
            "!unexpected_rows_expectation",
            {"unexpected_rows_query": "select * from read_text('/etc/hostname')"},
            "DuckDB refuses",
        ),
        ("!unexpected_rows_expectation", {"unexpected_rows_query": "select * from '/etc/hostname'"}, "DuckDB refuses"),
        ("!unexpected_rows_expectation", {"unexpected_rows_query": "copy {batch} to 'out.csv'"}, "DuckDB refuses"),
    ],
)
def test_what_great_expectations_raises_for_is_a_result_that_says_it(kind: str, kwargs: dict[str, Any], says: str) -> None:
    found = measured(kind, **kwargs)
    assert not found["success"]
    assert says in found["exception_info"]["exception_message"]
    assert "\n" not in found["exception_info"]["exception_message"]


def test_a_query_that_takes_too_long_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "SECONDS", 0.1)
    query = "select 1 from {batch}, range(100000) a, range(100000) b, range(100000) c where a.range + b.range + c.range < 0"
    found = measured("!unexpected_rows_expectation", unexpected_rows_query=query)
    assert "took more than 0.1 seconds" in found["exception_info"]["exception_message"]


def test_a_reference_to_another_document_is_not_fetched() -> None:
    schema = {"$ref": "http://127.0.0.1:9/schema.json"}
    assert measured("column_values_to_match_json_schema", column="s", json_schema=schema)["result"]["unexpected_count"] == 2


def test_a_day_as_the_bound_of_a_time_is_its_midnight() -> None:
    times = pl.LazyFrame({"t": [datetime(2020, 1, 1), datetime(2020, 1, 2, 10)]})
    suite = suite_of(("column_values_to_be_between", {"column": "t", "max_value": "2020-01-02"}))
    (result,) = json.loads(json.dumps(measure_suite(parse_suite(json.dumps(suite), path="s.json"), times)))["results"]
    assert result["result"]["partial_unexpected_list"] == ["2020-01-02T10:00:00"]


TEXTS = ["2020-01-02", "3 Jan 2020 10:00", None, "2020-01-01T00:00:00Z", "20200105"]


@pytest.mark.parametrize(
    ("kind", "kwargs"),
    [
        ("column_values_to_be_between", {"min_value": "2020-01-02", "max_value": "2020-01-04T00:00:00"}),
        ("column_values_to_be_increasing", {"strictly": True}),
        ("column_max_to_be_between", {"max_value": "2020-01-04"}),
        ("column_distinct_values_to_contain_set", {"value_set": ["2020-01-05", "2020-01-06"]}),
    ],
)
def test_texts_that_a_suite_of_before_takes_for_times_are_judged_as_times(kind: str, kwargs: dict[str, Any]) -> None:
    times = [datetime(2020, 1, 2), datetime(2020, 1, 3, 10), None, datetime(2020, 1, 1), datetime(2020, 1, 5)]
    found = []
    for values, more in ((TEXTS, {"parse_strings_as_datetimes": True}), (times, {})):
        suite = parse_suite(json.dumps(suite_of((kind, {"column": "c", **kwargs, **more}))), path="s.json")
        (result,) = json.loads(json.dumps(measure_suite(suite, pl.LazyFrame({"c": values}))))["results"]
        found.append(
            [
                result["success"],
                *(value for key, value in result["result"].items() if "unexpected_" not in key or "index" in key),
            ]
        )
    assert found[0] == found[1]


def test_members_of_a_set_are_times_too_where_a_suite_of_before_says_so() -> None:
    kwargs = {"column": "c", "value_set": ["2020-01-02", "2020-01-03T10:00:00"], "parse_strings_as_datetimes": True}
    suite = parse_suite(json.dumps(suite_of(("column_values_to_be_in_set", kwargs))), path="s.json")
    (result,) = json.loads(json.dumps(measure_suite(suite, pl.LazyFrame({"c": TEXTS}))))["results"]
    assert result["result"]["partial_unexpected_list"] == TEXTS[3:]


def test_a_text_that_is_no_time_where_all_should_be_is_named() -> None:
    asked = ("column_values_to_be_between", {"column": "c", "min_value": "2020-01-01", "parse_strings_as_datetimes": True})
    with pytest.raises(SuiteUnsupported, match="'soon' is no time") as told:
        measure_suite(parse_suite(json.dumps(suite_of(asked)), path="s.json"), pl.LazyFrame({"c": ["2020-01-01", "soon"]}))
    assert "\n" not in told.value.what


def test_parameters_come_from_whoever_asks_and_from_a_suite_of_before() -> None:
    kwargs = {"column": "i", "min_value": {"$PARAMETER": "low - 1"}, "max_value": {"$PARAMETER": "trunc(high * 2^0.5)"}}
    body = {"expectations": [{"expectation_type": "expect_column_values_to_be_between", "kwargs": kwargs}]}
    suite = parse_suite(
        json.dumps({**body, "evaluation_parameters": {"low": 1, "high": 5}}), path="s.json", parameters={"high": 1}
    )
    assert suite.expectations[0].kwargs == {"column": "i", "min_value": 0, "max_value": 1}
    assert suite.parameters == {"low": 1, "high": 1}
    whole = {"expectations": [{"type": "x", "kwargs": {"value_set": {"$PARAMETER": "all"}}}]}
    assert parse_suite(json.dumps(whole), path="s.json", parameters={"all": [1, "a"]}).expectations[0].kwargs == {
        "value_set": [1, "a"]
    }


@pytest.mark.parametrize(
    "text", ["LONG", "[]", '{"result_format": "ALL"}', '{"partial_unexpected_count": -1}', '{"what": 1}', "[" * 100_000]
)
def test_a_result_format_that_is_none_is_one_clear_error(text: str) -> None:
    with pytest.raises(SuiteMalformed):
        parse_form(text)


def test_a_column_that_should_name_rows_and_is_not_there_is_one_clear_error() -> None:
    suite = parse_suite(json.dumps(suite_of(("column_values_to_not_be_null", {"column": "i"}))), path="s.json")
    with pytest.raises(SuiteMalformed, match="zz"):
        measure_suite(suite, TABLE, form=Form(index=("zz",)))


def test_a_missing_column_and_a_regex_that_does_not_compile_are_results() -> None:
    missing = measured("column_mean_to_be_between", column="zz", min_value=1)
    broken = measured("column_values_to_match_regex", column="s", regex="(")
    for found in (missing, broken):
        assert not found["success"]
        assert found["exception_info"]["raised_exception"]
    assert "zz" in missing["exception_info"]["exception_message"]


def test_all_of_a_suite_is_two_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []

    def counts(ask: Callable[..., Any]) -> Callable[..., Any]:
        def counted(asked: object, **how: object) -> object:
            ran.extend([how] if asked != [] else [])
            return ask(asked, **how)

        return counted

    monkeypatch.setattr(pl.LazyFrame, "collect", counts(pl.LazyFrame.collect))
    monkeypatch.setattr(pl, "collect_all", counts(pl.collect_all))
    kinds = ["not_be_null", "be_unique", "be_increasing"]
    suite = suite_of(
        *((f"column_values_to_{kind}", {"column": name}) for kind in kinds for name in "is" if kind != "be_increasing")
    )
    measure_suite(parse_suite(json.dumps(suite), path="s.json"), TABLE)
    assert len(ran) == 2


def test_a_suite_is_judged_without_the_third_of_a_second_that_other_libraries_take_to_come() -> None:
    quantiles = {"column": "i", "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[0, 5]]}}
    suite = suite_of(
        ("column_quantile_values_to_be_between", quantiles),
        ("column_distinct_values_to_be_in_set", {"column": "s", "value_set": ["a", "b"]}),
        ("column_values_to_match_regex", {"column": "s", "regex": "^[a-z]"}),
    )
    words = f"""
import sys
import polars
from shipway.data.great_expectations import measure_suite, parse_suite
table = polars.LazyFrame({{"i": [1, 2, None], "s": ["a", "b", None]}})
found = measure_suite(parse_suite({json.dumps(suite)!r}, path="s"), table)
print(found["success"], {{"numpy", "pyarrow", "yaml", "duckdb", "sqlalchemy"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout == "True set()\n"


def test_the_users_own_great_expectations_runs_what_we_refuse(tmp_path: Path) -> None:
    table = tmp_path / "it's a table.csv"
    TABLE.collect().write_csv(table)
    kwargs = {"column": "s", "partition_object": None, "bucketize_data": False, "threshold": 0}
    entry = {"expectation_type": "expect_column_kl_divergence_to_be_less_than", "kwargs": kwargs}
    suite = parse_suite(json.dumps({"expectation_suite_name": "old", "expectations": [entry]}), path="s.json")
    with pytest.raises(SuiteUnsupported):
        measure_suite(suite, TABLE)
    found = run_suite(suite, table, python=str(PYTHON), form=Form(level="BASIC"))
    assert found["suite_name"] == "old"
    assert found["statistics"] == {
        "evaluated_expectations": 1, "successful_expectations": 1, "unsuccessful_expectations": 0, "success_percent": 100.0,
    }  # fmt: skip


@pytest.mark.parametrize("python", [sys.executable, "/no/such/python"])
def test_a_python_without_it_is_one_clear_error(tmp_path: Path, python: str) -> None:
    with pytest.raises(EngineFailed, match=r"did not run|No module"):
        run_suite(
            parse_suite('{"expectations": []}', path="s.json"), tmp_path / "t.csv", python=python, form=Form(level="BASIC")
        )


def endless(regex: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(texts, "SECONDS", 0.2)
    suite = parse_suite(json.dumps(suite_of(("column_values_to_match_regex", {"column": "s", "regex": regex}))), path="s.json")
    found: dict[str, Any] = json.loads(json.dumps(measure_suite(suite, pl.LazyFrame({"s": ["a" * 40 + "b", "aaa", None]}))))
    return found


@pytest.mark.parametrize("regex", ["(a+)+$", "(a|a)*$", "a?" * 40 + "a" * 41 + "$"])
def test_a_regex_that_backtracks_for_ever_is_stopped_and_named(regex: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RegexEndless) as told:
        endless(regex, monkeypatch)
    assert told.value.what.startswith(f"the regex {regex!r} took more than 0.2")
    assert told.value.what.endswith("'" + "a" * 40 + "b'")
    assert "\n" not in told.value.what


def test_a_regex_of_a_schema_that_backtracks_for_ever_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "SECONDS", 0.2)
    asked = ("column_values_to_match_json_schema", {"column": "s", "json_schema": {"items": {"pattern": "^(a+)+$"}}})
    with pytest.raises(RegexEndless, match="a regex of json_schema"):
        measure_suite(parse_suite(json.dumps(suite_of(asked)), path="s.json"), pl.LazyFrame({"s": [f'["{"a" * 40}b"]']}))


def test_a_regex_that_could_and_does_not_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    (result,) = endless("^(?:a+)+(?=b)", monkeypatch)["results"]
    assert result["result"]["partial_unexpected_list"] == ["aaa"]
