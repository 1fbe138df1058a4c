"""A suite of Great Expectations as the contract of a data set: its digest, its checks, what fails named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from gx_help import suite_of

from shipway.data import SuiteUnsupported, measure_contract, render_contract
from shipway.kernel.canonical import JsonObject, canonical_json
from shipway.kernel.check import Check, Verdict
from shipway.spec import ContractSpec, SpecMalformed, load_spec, parse_contract

TABLE = pl.LazyFrame({"i": [1, 2, 9, None], "s": ["a", "b", "c", "c"]})


def contract(*asked: tuple[str, dict[str, Any]]) -> JsonObject:
    return parse_contract(json.dumps(suite_of(*asked)), path="suite.json").to_json()


def test_each_expectation_is_a_check_and_what_fails_is_named_with_rows() -> None:
    asked = contract(
        ("column_values_to_be_between", {"column": "i", "max_value": 5, "mostly": 0.5}),
        ("column_values_to_be_between", {"column": "i", "max_value": 5}),
        ("column_values_to_be_unique", {"column": "s"}),
        ("column_mean_to_be_between", {"column": "i", "min_value": 0}),
        ("compound_columns_to_be_unique", {"column_list": ["i", "s"]}),
        ("column_values_to_not_be_null", {"column": "absent"}),
    )
    result = measure_contract(asked, TABLE)
    assert [(check.name, check.verdict.value) for check in result.checks] == [
        ("contract", "fail"),
        ("contract.i.values_to_be_between", "pass"),
        ("contract.i.values_to_be_between.2", "fail"),
        ("contract.s.values_to_be_unique", "fail"),
        ("contract.i.mean_to_be_between", "pass"),
        ("contract.i+s.compound_columns_to_be_unique", "pass"),
        ("contract.absent.values_to_not_be_null", "fail"),
    ]
    assert result.check.text.startswith(
        "3 of 6 expectations not met in 4 rows: i.values_to_be_between.2, s.values_to_be_unique"
    )
    first, again = result.checks[1:3]
    assert first.value == pytest.approx(1 / 3)
    assert (first.threshold, first.n) == (0.5, 3)
    assert again.threshold == 0
    assert result.checks[4].value == 4
    assert [(sample.row, sample.value) for sample in result.violations[0].samples] == [(2, 9)]
    assert "row 2: 9" in render_contract(result)
    canonical_json(result.to_json())  # it is evidence


def test_what_does_not_change_the_meaning_does_not_change_the_digest() -> None:
    kwargs = {"column": "i", "max_value": 5}
    old = {"expectation_suite_name": "a", "expectations": [
        {"expectation_type": "expect_column_values_to_be_between", "kwargs": kwargs, "meta": {"notes": "x"}}]}  # fmt: skip
    new = {"name": "b", "expectations": [
        {"type": "expect_column_values_to_be_between", "kwargs": {**kwargs, "max_value": 5.0}, "id": "7"}]}  # fmt: skip
    one, other = (parse_contract(json.dumps(body), path="s.json") for body in (old, new))
    assert canonical_json(one.to_json()) == canonical_json(other.to_json())
    assert canonical_json(ContractSpec.from_json(one.to_json()).to_json()) == canonical_json(one.to_json())


@pytest.mark.parametrize(
    "text",
    [
        '{"expectations": []}',
        '{"expectations": [3]}',
        '{"expectations": [{"kwargs": {}}]}',
        '{"expectations": [{"type": "expect_x", "kwargs": [1]}]}',
        '{"expectations": [{"type": "expect_x", "kwargs": {"a": NaN}}]}',
        '{"expectations": [{"type": "expect_x", "kwargs": {"a": "\\ud800"}}]}',
        "[" * 100_000,
    ],
)
def test_a_suite_that_is_none_is_refused_where_the_spec_is_read(text: str) -> None:
    with pytest.raises(SpecMalformed):
        parse_contract(text, path="suite.json")


def test_an_expectation_that_is_not_judged_here_is_an_error_that_names_it() -> None:
    with pytest.raises(SuiteUnsupported, match="expect_magic is not known here"):
        measure_contract(contract(("magic", {})), TABLE)


def test_a_spec_names_the_file_of_a_suite(tmp_path: Path) -> None:
    (tmp_path / "suite.json").write_text(json.dumps(suite_of(("column_to_exist", {"column": "i"}))))
    (tmp_path / "shipway.yaml").write_text("project: p\ndata:\n  t: {path: t.csv, contract: suite.json}\n")
    found = load_spec(tmp_path / "shipway.yaml").data["t"]
    assert found.contract is not None
    assert found.contract_path == "suite.json"
    result = measure_contract(found.contract.to_json(), TABLE)
    assert result.check == Check("contract", Verdict.PASS, 0, threshold=0, n=4, text="1 expectations met in 4 rows")
    (tmp_path / "contract.json").write_text('{"unique": "i"}')  # a contract of ours, in JSON, stays one
    (tmp_path / "shipway.yaml").write_text("project: p\ndata:\n  t: {path: t.csv, contract: contract.json}\n")
    assert load_spec(tmp_path / "shipway.yaml").data["t"].contract == ContractSpec(unique=(("i",),))
