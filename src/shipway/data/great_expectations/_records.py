"""Expectations on several columns of one row: a rule on their values together, rows without them set aside as asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from itertools import combinations
from typing import cast

import polars as pl

from shipway.data._contract_rules import Rule
from shipway.data.great_expectations._asked import Ask, Asked, is_text, numeric
from shipway.kernel.canonical import Json

_MOST_PAIRS = 1000

_IGNORED: Mapping[str, str] = {
    "both_values_are_missing": "all",
    "all_values_are_missing": "all",
    "either_value_is_missing": "any",
    "any_value_is_missing": "any",
    "neither": "none",
    "never": "none",
}


_UNIQUE = "expect_compound_columns_to_be_unique"


def compile_record(ask: Ask) -> Asked:
    """The rule of an expectation named in RECORDS."""
    kind = ask.expectation.type
    pair = "column_pair" in kind
    names = [ask.text("column_A"), ask.text("column_B")] if pair else ask.texts("column_list")
    if len(names) < 2 or len(set(names)) < len(names):
        ask.malformed("column_list is at least two columns, each once")
    nulls = [ask.column(name)[0].is_null() for name in names]
    word = ask.get("ignore_row_if") or ("both_values_are_missing" if pair else "all_values_are_missing")
    if not isinstance(word, str) or word not in _IGNORED:
        ask.malformed("ignore_row_if has no such value")
    how = _IGNORED[str(word)]
    missing = {"all": pl.all_horizontal(nulls), "any": pl.any_horizontal(nulls), "none": pl.lit(value=False)}[how]
    seen = ask.inside(~missing)
    broken = seen & RECORDS[kind](ask, names, seen).fill_null(value=True)
    left_out = None if how == "none" else ask.inside(missing)
    rule = Rule(kind, kind, tuple(names), broken, 1 - ask.mostly, scope=ask.scope, missing=left_out, apart=kind == _UNIQUE)
    return Asked(rule=rule, mostly=ask.mostly)


def _comparable(ask: Ask, names: list[str]) -> list[pl.Expr]:
    """Columns in one type that compares: all numbers, all texts, or all times of one kind."""
    found = [ask.column(name) for name in names]
    if isinstance(found[0][1], pl.Datetime) and all(kind == found[0][1] for _, kind in found):
        return [column for column, _ in found]
    if all(is_text(kind) for _, kind in found):
        return [column.cast(pl.String) for column, _ in found]
    return [numeric(ask, name).cast(pl.Float64) for name in names]


def _unequal(ask: Ask, names: list[str], _seen: pl.Expr) -> pl.Expr:
    one, other = _comparable(ask, names)
    return one != other


def _not_greater(ask: Ask, names: list[str], _seen: pl.Expr) -> pl.Expr:
    one, other = _comparable(ask, names)
    return one < other if ask.flag("or_equal") else one <= other


def _values_differ(ask: Ask, names: list[str], _seen: pl.Expr) -> pl.Expr:
    """Null equals null here."""
    first, *others = _comparable(ask, names)
    return pl.any_horizontal([first.ne_missing(other) for other in others])


def _not_in_pairs(ask: Ask, names: list[str], _seen: pl.Expr) -> pl.Expr:
    """No pair of the set is this one; null equals null there."""
    pairs = [] if ask.get("value_pairs_set") is None else ask.items("value_pairs_set")
    if len(pairs) > _MOST_PAIRS:
        ask.unsupported(f"with more than {_MOST_PAIRS} pairs")
    found = [pl.lit(value=ask.get("value_pairs_set") is None)]
    for pair in pairs:
        if not isinstance(pair, list) or len(pair) != 2:
            ask.malformed("value_pairs_set is a list of pairs")
        found.append(_is_value(ask, names[0], pair[0]) & _is_value(ask, names[1], pair[1]))
    return ~pl.any_horizontal(found)


def _is_value(ask: Ask, name: str, value: Json) -> pl.Expr:
    """A text is never a number, and a number is it by its size."""
    column, kind = ask.column(name)
    if not (value is None or type(value) in (int, float, str)):
        ask.unsupported(f"with the value {value!r}")
    if is_text(kind):
        return (
            column.is_null()
            if value is None
            else (column.cast(pl.String).eq_missing(pl.lit(value)) if isinstance(value, str) else pl.lit(value=False))
        )
    plain = numeric(ask, name).cast(pl.Float64)
    if value is None:
        return plain.is_null()
    return pl.lit(value=False) if isinstance(value, str) else plain.eq_missing(pl.lit(float(cast("float", value))))


def _sum_differs(ask: Ask, names: list[str], _seen: pl.Expr) -> pl.Expr:
    total = ask.number("sum_total")
    if total is None:
        ask.malformed("sum_total is a number")
    return reduce(lambda one, other: one + other, [numeric(ask, name).cast(pl.Float64) for name in names]) != total


def _repeated(ask: Ask, names: list[str], seen: pl.Expr) -> pl.Expr:
    """Null equals null here, and a row that is set aside repeats none."""
    key = pl.struct([ask.column(name)[0] for name in names])
    return pl.struct(key, seen.alias("seen")).is_duplicated()


def _same_in_record(ask: Ask, names: list[str], _seen: pl.Expr) -> pl.Expr:
    """Null equals null here too."""
    return pl.any_horizontal([one.eq_missing(other) for one, other in combinations(_comparable(ask, names), 2)])


RECORDS: Mapping[str, Callable[[Ask, list[str], pl.Expr], pl.Expr]] = {
    "expect_column_pair_values_to_be_equal": _unequal,
    "expect_column_pair_values_a_to_be_greater_than_b": _not_greater,
    "expect_column_pair_values_to_be_in_set": _not_in_pairs,
    "expect_multicolumn_values_to_be_equal": _values_differ,
    "expect_multicolumn_sum_to_equal": _sum_differs,
    _UNIQUE: _repeated,
    "expect_select_column_values_to_be_unique_within_record": _same_in_record,
}
