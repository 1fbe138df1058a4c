"""A contract that is an expectation suite: judged as the suite is, its results told as the checks of a contract."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import polars as pl

from shipway.data._contract_result import ContractResult, Sample, Violation
from shipway.data._errors import SuiteUnsupported
from shipway.data.great_expectations import Expectation, Suite, about, finding, measure_suite, parse_suite
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.check import Check, Verdict

_SAMPLES = 3
_ROWS = "expect_table_row_count_to_be_between"  # without bounds it only counts


def measure_suite_contract(expectations: Sequence[JsonObject], frame: pl.LazyFrame) -> ContractResult:
    """The check `contract` first, then `contract.COLUMN.EXPECTATION` (`contract.table...`, `contract.A+B...`) for each.

    value and threshold: for expectations on rows the share of rows that are unexpected and that may be; for one on a number
    what was observed. Raises SuiteUnsupported, SuiteMalformed, DataUnreadable.
    """
    try:
        asked = parse_suite(json.dumps({"expectations": [*expectations]}), path="contract").expectations
        count = Expectation(_ROWS, {}, {}, len(asked) + 1)
        found = measure_suite(Suite("contract", (*asked, count)), frame)
    except SuiteUnsupported as problem:
        mend = "take it out of the suite of this contract; `shipway contract check --engine gx` judges it"
        raise SuiteUnsupported(problem.what, where=problem.where, mend=mend) from problem
    *results, counted = cast("list[JsonObject]", found["results"])
    rows = cast("int", cast("JsonObject", counted["result"])["observed_value"])
    checks = [_check(name, one, rows) for name, one in zip(_names(asked), results, strict=True)]
    failed = [(check, one) for check, one in zip(checks, results, strict=True) if check.verdict is Verdict.FAIL]
    return ContractResult((_overall(len(checks), [check for check, _ in failed], rows), *checks),
                          tuple(_violation(check, one) for check, one in failed))  # fmt: skip


def _names(asked: Sequence[Expectation]) -> Iterator[str]:
    """One name for each; the second of one kind on one column ends with `.2`."""
    seen: Counter[str] = Counter()
    for one in asked:
        word = one.type.removeprefix("expect_").removeprefix("column_").removeprefix("table_")
        name = f"contract.{about(one.kwargs)}.{word}"
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name}.{seen[name]}"


def _check(name: str, one: JsonObject, rows: int) -> Check:
    result, config = cast("JsonObject", one["result"]), cast("JsonObject", one["expectation_config"])
    kwargs = cast("JsonObject", config["kwargs"])
    verdict = Verdict.PASS if one["success"] else Verdict.FAIL
    if "element_count" not in result:
        observed = result.get("observed_value")
        value = observed if type(observed) in (int, float) and math.isfinite(cast("float", observed)) else None
        value = cast("float | None", value)
        return Check(name, verdict, value, n=rows, text="is met" if one["success"] else finding(one))
    judged = cast("int", result["element_count"]) - cast("int", result.get("missing_count", 0))
    share = cast("int", result["unexpected_count"]) / max(judged, 1)
    may = 1 - float(cast("float", kwargs.get("mostly", 1.0)))
    return Check(name, verdict, share, threshold=round(may, 12), n=judged, text=finding(one))


def _overall(asked: int, failed: Sequence[Check], rows: int) -> Check:
    names = ", ".join(check.name.removeprefix("contract.") for check in failed[:5])
    more = f" and {len(failed) - 5} more" if len(failed) > 5 else ""
    text = f"{asked} expectations met in {rows:,} rows"
    if failed:
        text = f"{len(failed)} of {asked} expectations not met in {rows:,} rows: {names}{more}"
    return Check("contract", Verdict.FAIL if failed else Verdict.PASS, len(failed), threshold=0, n=rows, text=text)


def _violation(check: Check, one: JsonObject) -> Violation:
    result = cast("Mapping[str, Json]", one["result"])
    rows = cast("list[int]", result.get("partial_unexpected_index_list") or [])
    values = cast("list[Json]", result.get("partial_unexpected_list") or [])
    pairs = list(zip(rows, values, strict=False))[:_SAMPLES]
    return Violation(check.name, cast("int", result.get("unexpected_count", 0)), tuple(Sample(*pair) for pair in pairs))
