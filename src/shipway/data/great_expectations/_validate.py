"""A suite against a table: all of it compiles first, then two queries (the numbers, the unexpected values) answer it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from shipway.data._contract_query import count_rules, fetch_examples
from shipway.data._contract_rules import Rule
from shipway.data._errors import DataUnreadable, RegexEndless, SuiteMalformed, SuiteUnsupported
from shipway.data.great_expectations import _extremes, _numbers, _query, _records, _rows, _table
from shipway.data.great_expectations._arguments import check_arguments
from shipway.data.great_expectations._asked import Ask, Asked, Refused
from shipway.data.great_expectations._conditions import read_scope
from shipway.data.great_expectations._form import Form
from shipway.data.great_expectations._parsed import with_times
from shipway.data.great_expectations._result import Result, map_result, suite_result
from shipway.data.great_expectations._suite import Expectation, Suite
from shipway.kernel.canonical import JsonObject
from shipway.kernel.errors import nearest


def _compile_divergence(ask: Ask) -> Asked:
    """Imported when it is asked for: with it comes numpy, which takes as long as a million rows."""
    from shipway.data.great_expectations import _divergence

    return _divergence.compile_divergence(ask)


COMPILERS: Mapping[str, Callable[[Ask], Asked]] = {
    **dict.fromkeys([*_rows.NULL_ROWS, *_rows.COLUMN_ROWS], _rows.compile_row),
    **dict.fromkeys(_records.RECORDS, _records.compile_record),
    **dict.fromkeys(_numbers.BETWEEN, _numbers.compile_number),
    "expect_column_min_to_be_between": _extremes.compile_extreme,
    "expect_column_max_to_be_between": _extremes.compile_extreme,
    "expect_column_quantile_values_to_be_between": _numbers.compile_quantiles,
    "expect_column_distinct_values_to_be_in_set": _extremes.compile_set,
    "expect_column_distinct_values_to_equal_set": _extremes.compile_set,
    "expect_column_distinct_values_to_contain_set": _extremes.compile_set,
    "expect_column_most_common_value_to_be_in_set": _extremes.compile_common,
    "expect_table_row_count_to_be_between": _table.compile_row_count,
    "expect_table_row_count_to_equal": _table.compile_row_count,
    "expect_table_column_count_to_be_between": _table.compile_column_count,
    "expect_table_column_count_to_equal": _table.compile_column_count,
    "expect_table_columns_to_match_ordered_list": _table.compile_columns_in_order,
    "expect_table_columns_to_match_set": _table.compile_columns_in_set,
    "expect_column_to_exist": _table.compile_exists,
    "expect_column_kl_divergence_to_be_less_than": _compile_divergence,
    "unexpected_rows_expectation": _query.compile_query,
    "expect_table_row_count_to_equal_other_table": _table.compile_other_table,
    "expect_column_type_to_be": _table.compile_column_type,
    "expect_column_values_to_be_of_type": _table.compile_type,
    "expect_column_values_to_be_in_type_list": _table.compile_type,
}


@dataclass(frozen=True, slots=True)
class _Compiled:
    expectation: Expectation
    asked: Asked | None
    refused: str = ""


def measure_suite(
    suite: Suite, frame: pl.LazyFrame, *, form: Form | None = None, tables: Mapping[str, pl.LazyFrame] | None = None
) -> JsonObject:
    """The validation result of a suite, in Great Expectations' form and with its meaning, in the suite's order.

    tables: others that it names. Reads only the columns it needs, in a stream. Raises SuiteUnsupported, naming the expectation,
    before anything is read; SuiteMalformed for kwargs that mean nothing; DataUnreadable; RegexEndless for one that backtracks
    for longer than it may.
    """
    try:
        schema = frame.collect_schema()
        compiled = [_compile(one, schema) for one in suite.expectations]
        return suite_result(suite, _answer(compiled, frame, form or Form(), tables or {}))
    except RegexEndless as problem:  # Polars has put the query below what was said
        mend = "write it without a repetition inside a repetition"
        raise RegexEndless(problem.what.split("\n")[0], where=suite.name, mend=mend) from None
    except SuiteUnsupported as problem:  # before the query, or out of it, without its parts
        mend = problem.mend or "leave parse_strings_as_datetimes out, or see that each text is a time"
        raise SuiteUnsupported(problem.what.split("\n")[0], where=problem.where or suite.name, mend=mend) from None
    except pl.exceptions.PolarsError as problem:
        reason = str(problem).split("\n")[0]
        raise DataUnreadable(f"the table cannot be read: {reason}", mend="see that every row fits the header") from problem


def _compile(expectation: Expectation, schema: pl.Schema) -> _Compiled:
    make = COMPILERS.get(expectation.type)
    if make is None:
        near = nearest(expectation.type, list(COMPILERS))
        mend = "--engine gx runs the suite in your own Great Expectations" + (f"; or did you mean {near}?" if near else "")
        raise SuiteUnsupported(f"{expectation.type} is not known here", where=expectation.where, mend=mend)
    check_arguments(expectation)
    ask = Ask(expectation, schema)
    try:
        return _Compiled(expectation, make(replace(with_times(ask), scope=read_scope(ask))))
    except Refused as problem:
        return _Compiled(expectation, None, str(problem))


def _answer(compiled: Sequence[_Compiled], frame: pl.LazyFrame, form: Form, tables: Mapping[str, pl.LazyFrame]) -> list[Result]:
    asked = {place: one.asked for place, one in enumerate(compiled) if one.asked}
    rules = {place: one.rule for place, one in asked.items() if one.rule}
    numbers = {f"{place} {name}": number for place, one in asked.items() for name, number in one.numbers.items()}
    _, counts, found = count_rules(frame, list(rules.values()), numbers)
    counted = dict(zip(rules, counts, strict=True))
    schema = frame.collect_schema()
    if lost := [name for name in form.index if name not in schema]:
        raise SuiteMalformed(f"unexpected_index_column_names has {lost[0]}, which is no column", where="result format")
    shown = [_told(rules[place], form, schema) if count.broken and _lists(form) else None for place, count in counted.items()]
    fetched = fetch_examples(frame, shown, most=None if form.level == "COMPLETE" or form.query else form.most)
    examples = dict(zip(rules, fetched, strict=True))
    results = []
    for place, one in enumerate(compiled):
        if one.asked is None:
            results.append(Result(one.expectation, False, {}, one.refused))
        elif place in rules:
            if one.asked.refused and counted[place].rows > counted[place].missing:
                results.append(Result(one.expectation, False, {}, one.asked.refused))
                continue
            good, body = map_result(one.asked, counted[place], examples[place], form)
            results.append(Result(one.expectation, good, body))
        else:
            values = {name: found[f"{place} {name}"] for name in one.asked.numbers}
            results.append(_aggregate(one, one.asked, values, frame, form, tables))
    return results


def _aggregate(
    one: _Compiled,
    asked: Asked,
    values: Mapping[str, object],
    frame: pl.LazyFrame,
    form: Form,
    tables: Mapping[str, pl.LazyFrame],
) -> Result:
    """The result of an expectation that is about no single row."""
    try:
        if asked.query is not None:
            answer = _query.ask_query(asked.query, frame, tables, rows=form.level == "COMPLETE")
        elif asked.other is not None:
            answer = _table.rows_as_other(asked.other, values, tables)
        else:
            assert asked.judge
            answer = asked.judge(values)
    except Refused as problem:
        return Result(one.expectation, False, {}, str(problem))
    hidden = () if form.most else ("partial_unexpected_list", "partial_missing_list")
    told = {word: value for word, value in answer.result.items() if word not in hidden}
    return Result(one.expectation, answer.success, {} if form.level == "BOOLEAN_ONLY" else told)


def _lists(form: Form) -> bool:
    return form.level != "BOOLEAN_ONLY" or bool(form.query)


def _told(rule: Rule, form: Form, schema: pl.Schema) -> Rule:
    """The rule with the columns that its examples tell besides its own."""
    more = (*form.index, *(schema.names() if form.rows else ()))
    return replace(rule, columns=tuple(dict.fromkeys((*more, *rule.columns)))) if more else rule
