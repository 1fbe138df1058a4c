"""A suite against a table: all of it compiles first, then two queries (the numbers, the unexpected values) answer it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from shipway.data._contract_query import count_rules, fetch_examples
from shipway.data._errors import DataUnreadable, RegexEndless, SuiteUnsupported
from shipway.data.great_expectations import _numbers, _records, _rows, _table
from shipway.data.great_expectations._asked import Ask, Asked, Refused
from shipway.data.great_expectations._conditions import read_scope
from shipway.data.great_expectations._result import MOST_LISTED, Result, ResultFormat, map_result, suite_result
from shipway.data.great_expectations._suite import Expectation, Suite
from shipway.kernel.canonical import JsonObject
from shipway.kernel.errors import nearest

COMPILERS: Mapping[str, Callable[[Ask], Asked]] = {
    **dict.fromkeys([*_rows.NULL_ROWS, *_rows.COLUMN_ROWS], _rows.compile_row),
    **dict.fromkeys(_records.RECORDS, _records.compile_record),
    **dict.fromkeys(_numbers.BETWEEN, _numbers.compile_number),
    "expect_column_quantile_values_to_be_between": _numbers.compile_quantiles,
    "expect_column_distinct_values_to_be_in_set": _numbers.compile_distinct,
    "expect_column_distinct_values_to_equal_set": _numbers.compile_distinct,
    "expect_column_distinct_values_to_contain_set": _numbers.compile_distinct,
    "expect_column_most_common_value_to_be_in_set": _numbers.compile_most_common,
    "expect_table_row_count_to_be_between": _table.compile_row_count,
    "expect_table_row_count_to_equal": _table.compile_row_count,
    "expect_table_column_count_to_be_between": _table.compile_column_count,
    "expect_table_column_count_to_equal": _table.compile_column_count,
    "expect_table_columns_to_match_ordered_list": _table.compile_columns_in_order,
    "expect_table_columns_to_match_set": _table.compile_columns_in_set,
    "expect_column_to_exist": _table.compile_exists,
    "expect_column_values_to_be_of_type": _table.compile_type,
    "expect_column_values_to_be_in_type_list": _table.compile_type,
}


@dataclass(frozen=True, slots=True)
class _Compiled:
    expectation: Expectation
    asked: Asked | None
    refused: str = ""


def measure_suite(suite: Suite, frame: pl.LazyFrame, *, result_format: ResultFormat = "SUMMARY") -> JsonObject:
    """The validation result of a suite, in Great Expectations' form and with its meaning, in the suite's order.

    Reads only the columns it needs, in a stream. Raises SuiteUnsupported, naming the expectation, before anything is read;
    SuiteMalformed for kwargs that mean nothing; DataUnreadable; RegexEndless for one that backtracks for longer than it may.
    """
    try:
        schema = frame.collect_schema()
        compiled = [_compile(one, schema) for one in suite.expectations]
        return suite_result(suite, _answer(compiled, frame, result_format))
    except RegexEndless as problem:  # Polars has put the query below what was said
        mend = "write it without a repetition inside a repetition"
        raise RegexEndless(problem.what.split("\n")[0], where=suite.name, mend=mend) from None
    except pl.exceptions.PolarsError as problem:
        reason = str(problem).split("\n")[0]
        raise DataUnreadable(f"the table cannot be read: {reason}", mend="see that every row fits the header") from problem


def _compile(expectation: Expectation, schema: pl.Schema) -> _Compiled:
    make = COMPILERS.get(expectation.type)
    if make is None:
        near = nearest(expectation.type, list(COMPILERS))
        mend = "--engine gx runs the suite in your own Great Expectations" + (f"; or did you mean {near}?" if near else "")
        raise SuiteUnsupported(f"{expectation.type} is not known here", where=expectation.where, mend=mend)
    ask = Ask(expectation, schema)
    try:
        return _Compiled(expectation, make(Ask(expectation, schema, read_scope(ask))))
    except Refused as problem:
        return _Compiled(expectation, None, str(problem))


def _answer(compiled: Sequence[_Compiled], frame: pl.LazyFrame, form: ResultFormat) -> list[Result]:
    asked = {place: one.asked for place, one in enumerate(compiled) if one.asked}
    rules = {place: one.rule for place, one in asked.items() if one.rule}
    numbers = {f"{place} {name}": number for place, one in asked.items() for name, number in one.numbers.items()}
    _, counts, found = count_rules(frame, list(rules.values()), numbers)
    counted = dict(zip(rules, counts, strict=True))
    shown = [rules[place] if count.broken and form != "BOOLEAN_ONLY" else None for place, count in counted.items()]
    fetched = fetch_examples(frame, shown, most=None if form == "COMPLETE" else MOST_LISTED)
    examples = dict(zip(rules, fetched, strict=True))
    results = []
    for place, one in enumerate(compiled):
        if one.asked is None:
            results.append(Result(one.expectation, False, {}, one.refused))
        elif place in rules:
            good, body = map_result(one.asked, counted[place], examples[place], form)
            results.append(Result(one.expectation, good, body))
        elif one.asked.judge:
            answer = one.asked.judge({name: found[f"{place} {name}"] for name in one.asked.numbers})
            results.append(Result(one.expectation, answer.success, {} if form == "BOOLEAN_ONLY" else answer.result))
    return results
