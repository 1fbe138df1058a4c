"""A contract against a table: one query counts what breaks every rule, a second fetches three samples each.

Never changes or drops a row, and never decides what a violation means: that is the gate's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from shipway.data._contract_query import count_rules, fetch_examples
from shipway.data._contract_result import ContractResult, Sample, Violation, json_of
from shipway.data._contract_rules import Rule, rules_of
from shipway.data._contract_suite import measure_suite_contract
from shipway.data._errors import DataUnreadable
from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check, Verdict
from shipway.spec import ContractSpec

_SAMPLES = 3


@dataclass(frozen=True, slots=True)
class _Judged:
    """A check, how many rows break it, and the rule that finds them (none for row counts)."""

    check: Check
    broken_rows: int = 0
    rule: Rule | None = None


def measure_contract(contract: JsonObject, frame: pl.LazyFrame) -> ContractResult:
    """Judge every rule of a contract (the object of kind contract, version 1) on the rows of a table.

    Checks are named `contract.COLUMN.RULE` (exists, type, nulls, between, one_of), `contract.A+B.unique` and
    `contract.rows.at_least`, `.at_most`; value and threshold are rows, for nulls their share in 0..1. Rules on a
    missing column are inconclusive beside the failing `exists`. Reads only the columns it needs, in a stream.
    A contract that is a suite has a check per expectation, `contract.COLUMN.values_to_be_between`. Raises SpecMalformed for
    what is no contract, DataUnreadable when the table cannot be read, SuiteUnsupported and SuiteMalformed of a suite.
    """
    spec = ContractSpec.from_json(contract)
    if spec.suite:
        return measure_suite_contract(spec.suite, frame)
    try:
        rules = tuple(rules_of(spec, frame.collect_schema()))
        rows, counts, _ = count_rules(frame, rules)
        judged = [*_judge_rows(spec, rows)]
        judged += [_judge(rule, count.broken, rows) for rule, count in zip(rules, counts, strict=True)]
        broken = [item for item in judged if item.check.verdict is Verdict.FAIL]
        samples = _samples(frame, [item.rule for item in broken])
    except pl.exceptions.PolarsError as problem:
        reason = str(problem).split("\n")[0]
        raise DataUnreadable(f"the table cannot be read: {reason}", mend="verify the snapshot") from problem
    checks = (_overall(len(judged), len(broken), rows), *(item.check for item in judged))
    pairs = zip(broken, samples, strict=True)
    return ContractResult(checks, tuple(Violation(item.check.name, item.broken_rows, found) for item, found in pairs))


def _judge_rows(spec: ContractSpec, rows: int) -> Iterator[_Judged]:
    limits = (("at_least", spec.rows_at_least, 1), ("at_most", spec.rows_at_most, -1))
    for word, limit, sign in limits:
        if limit is not None:
            far = max(0, sign * (limit - rows))
            verdict = Verdict.FAIL if far else Verdict.PASS
            text = f"{rows:,} rows, {word.replace('_', ' ')} {limit:,} expected"
            yield _Judged(Check(f"contract.rows.{word}", verdict, rows, threshold=limit, n=rows, text=text), far)


def _judge(rule: Rule, count: int, rows: int) -> _Judged:
    if rule.seen is Verdict.FAIL:
        bad = count if rule.mask is not None else rows
        return _Judged(Check(rule.name, rule.seen, bad, threshold=0, n=rows, text=rule.says), bad, rule)
    if rule.seen:
        return _Judged(Check(rule.name, rule.seen, text=rule.says))
    # Rows are compared, not shares: 29 of 100 is 29 %, but 0.29 * 100 is a little less than 29.
    verdict = Verdict.FAIL if count > math.floor(rule.allowed * rows + 1e-9) else Verdict.PASS
    value = count / max(rows, 1) if rule.name.endswith(".nulls") else count
    text = f"{count:,} of {rows:,} rows are {rule.says}"
    return _Judged(Check(rule.name, verdict, value, threshold=rule.allowed, n=rows, text=text), count, rule)


def _overall(rules: int, broken: int, rows: int) -> Check:
    text = f"{broken} of {rules} rules violated in {rows:,} rows" if broken else f"{rules} rules hold in {rows:,} rows"
    return Check("contract", Verdict.FAIL if broken else Verdict.PASS, broken, threshold=0, n=rows, text=text)


def _samples(frame: pl.LazyFrame, rules: Sequence[Rule | None]) -> list[tuple[Sample, ...]]:
    return [_pairs(found.rows, found.values) for found in fetch_examples(frame, rules, most=_SAMPLES)]


def _pairs(rows: Sequence[int], values: Sequence[object]) -> tuple[Sample, ...]:
    return tuple(Sample(row, json_of(value)) for row, value in zip(rows, values, strict=True))
