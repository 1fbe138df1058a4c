"""Suites are read in both forms, and what cannot be judged exactly is refused by name before a row is read."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from gx_help import PYTHON, suite_of

from shipway.data import EngineFailed, RegexEndless, SuiteMalformed, SuiteUnsupported
from shipway.data.great_expectations import _text as texts
from shipway.data.great_expectations import measure_suite, parse_suite, run_suite

TABLE = pl.LazyFrame({"i": [1, 2, None], "s": ["a", "b", None]})


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
    [("i > 1", 1), ('col("i") == 1', 1), ('col("s").notNull()', 2), ("s != 'a'", 2), ("`i`<=2", 2)],
)
def test_a_row_condition_of_before_is_read_when_it_is_one_comparison(condition: str, rows: int) -> None:
    found = measured("column_values_to_not_be_null", column="i", row_condition=condition, condition_parser="pandas")
    assert found["result"]["element_count"] == rows


@pytest.mark.parametrize(
    ("kind", "kwargs", "says"),
    [
        ("column_values_to_be_magic", {"column": "i"}, "expect_column_values_to_be_magic is not known here"),
        ("column_kl_divergence_to_be_less_than", {"column": "i"}, "expect_column_kl_divergence_to_be_less_than"),
        ("column_values_to_be_between", {"column": "i", "min_value": {"$PARAMETER": "low"}}, "the parameter low"),
        ("column_values_to_be_between", {"column": "s", "min_value": 1}, "on a column of type String"),
        ("column_values_to_be_between", {"column": "i", "min_value": "2020-01-01"}, "min_value"),
        ("column_values_to_not_be_null", {"column": "i", "row_condition": "i > 1 and i < 3"}, "row_condition"),
        ("column_values_to_be_of_type", {"column": "i", "type_": "VARCHAR"}, "VARCHAR"),
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
            ran.append(how)
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


def test_the_users_own_great_expectations_runs_what_we_refuse(tmp_path: Path) -> None:
    table = tmp_path / "it's a table.csv"
    TABLE.collect().write_csv(table)
    entry = {"expectation_type": "expect_column_values_to_be_dateutil_parseable", "kwargs": {"column": "s"}}
    suite = parse_suite(json.dumps({"expectation_suite_name": "old", "expectations": [entry]}), path="s.json")
    with pytest.raises(SuiteUnsupported):
        measure_suite(suite, TABLE)
    found = run_suite(suite, table, python=str(PYTHON), result_format="BASIC")
    assert found["suite_name"] == "old"
    assert found["statistics"] == {
        "evaluated_expectations": 1, "successful_expectations": 0, "unsuccessful_expectations": 1, "success_percent": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize("python", [sys.executable, "/no/such/python"])
def test_a_python_without_it_is_one_clear_error(tmp_path: Path, python: str) -> None:
    with pytest.raises(EngineFailed, match=r"did not run|No module"):
        run_suite(parse_suite('{"expectations": []}', path="s.json"), tmp_path / "t.csv", python=python, result_format="BASIC")


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


def test_a_regex_that_could_and_does_not_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    (result,) = endless("^(?:a+)+(?=b)", monkeypatch)["results"]
    assert result["result"]["partial_unexpected_list"] == ["aaa"]
