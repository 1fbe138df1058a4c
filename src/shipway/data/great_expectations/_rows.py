"""Expectations on the values of one column: rules that mark the unexpected rows, nulls set aside first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import polars as pl

from shipway.data._contract_rules import Rule, among, increasing
from shipway.data.great_expectations._asked import Ask, Asked, Refused, RefusedValues, bounds, is_text, numeric
from shipway.data.great_expectations._like import LIKE_ROWS
from shipway.data.great_expectations._limits import comparable, limits, time_of, wrong_way_round
from shipway.data.great_expectations._parsed import PARSED_ROWS
from shipway.data.great_expectations._text import length, matches, parseable

_UNIQUE = "expect_column_values_to_be_unique"
_OF_OTHERS = {
    _UNIQUE,
    "expect_column_values_to_be_increasing",
    "expect_column_values_to_be_decreasing",
    "expect_column_value_z_scores_to_be_less_than",
    "expect_column_values_to_not_be_outliers",
}

Broken = Callable[[Ask, pl.Expr], pl.Expr]
"""The unexpected among the values of a column in which all that is out of sight (nulls, other rows) is null."""


def compile_row(ask: Ask) -> Asked:
    """The rule of an expectation named in COLUMN_ROWS or NULL_ROWS."""
    kind, name = ask.expectation.type, ask.text("column")
    column = ask.column(name)[0]
    if kind in NULL_ROWS:
        mask = ask.inside(column.is_null() if NULL_ROWS[kind] else column.is_not_null())
        rule = Rule(kind, kind, (name,), mask, 1 - ask.mostly, scope=ask.scope)
        return Asked(rule=rule, mostly=ask.mostly, skips_missing=False)
    seen = column if ask.scope is None else pl.when(ask.scope).then(column)
    refused = ""
    try:
        broken = COLUMN_ROWS[kind](ask, seen).fill_null(value=False) & seen.is_not_null()
    except RefusedValues as problem:
        broken, refused = seen.is_null() & seen.is_not_null(), str(problem)
    alone = increasing(seen) if kind == _UNIQUE and ask.schema[name].is_integer() else None
    missing = ask.inside(column.is_null())
    rule = Rule(
        kind, kind, (name,), broken, 1 - ask.mostly, scope=ask.scope, missing=missing, unbroken=alone, apart=kind in _OF_OTHERS
    )
    return Asked(rule=rule, mostly=ask.mostly, refused=refused)


def _between(ask: Ask, seen: pl.Expr) -> pl.Expr:
    low, high = limits(ask)
    if low is None and high is None:
        ask.malformed("min_value and max_value cannot both be left out")
    if wrong_way_round(low, high):
        raise Refused("min_value cannot be greater than max_value")
    value, ends = comparable(ask, ask.text("column"), seen, low, high)
    if low is not None and high is not None and not ask.flag("strict_min") and not ask.flag("strict_max"):
        return ~value.is_between(*ends)
    return _outside(ask, value, *ends)


def _outside(ask: Ask, value: pl.Expr, low: Any, high: Any) -> pl.Expr:
    broken = pl.lit(value=False)
    if low is not None:
        broken = broken | (value <= low if ask.flag("strict_min") else value < low)
    if high is not None:
        broken = broken | (value >= high if ask.flag("strict_max") else value > high)
    return broken


def _unique(_ask: Ask, seen: pl.Expr) -> pl.Expr:
    return seen.is_duplicated()


def _member(ask: Ask, seen: pl.Expr) -> pl.Expr | None:
    """Whether a value is in value_set, of the same kind as the column's; None without a set."""
    if ask.get("value_set") is None:
        return None
    kind, values = ask.column(ask.text("column"))[1], [value for value in ask.items("value_set") if value is not None]
    if ask.flag("parse_strings_as_datetimes") and (kind == pl.Date or kind == pl.Datetime):
        return seen.is_in(pl.Series([time_of(ask, kind, value) for value in values], dtype=kind).implode())
    if (kind == pl.Date or kind == pl.Datetime) and all(isinstance(value, str) for value in values):
        return pl.lit(value=False)  # a text is no day and no time there
    if is_text(kind):
        texts = [value for value in values if isinstance(value, str)]
        return among(seen.cast(pl.String), pl.Series(texts, dtype=pl.String))
    if kind != pl.Boolean:
        numeric(ask, ask.text("column"))
    if not all(isinstance(value, int | float | str) for value in values):
        ask.unsupported("with other values than numbers and texts")
    numbers = [float(cast("float", value)) for value in values if not isinstance(value, str)]
    if len(numbers) < len(values) and numbers:
        ask.unsupported("with numbers and texts in one set")
    return among(seen.cast(pl.Float64), pl.Series(numbers, dtype=pl.Float64))


def _not_in_set(ask: Ask, seen: pl.Expr) -> pl.Expr:
    member = _member(ask, seen)
    return pl.lit(value=False) if member is None else ~member


def _in_set(ask: Ask, seen: pl.Expr) -> pl.Expr:
    member = _member(ask, seen)
    return pl.lit(value=False) if member is None else member


def _regex(ask: Ask, seen: pl.Expr) -> pl.Expr:
    return ~matches(ask, seen, ask.text("regex"))


def _not_regex(ask: Ask, seen: pl.Expr) -> pl.Expr:
    return matches(ask, seen, ask.text("regex"))


def _regexes(ask: Ask, seen: pl.Expr) -> pl.Expr:
    found = [matches(ask, seen, regex) for regex in ask.texts("regex_list")]
    match_on = ask.get("match_on") or "any"
    if match_on not in ("any", "all") or not found:
        ask.malformed("match_on is any or all, of a list that is not empty")
    return ~(pl.any_horizontal(found) if match_on == "any" else pl.all_horizontal(found))


def _not_regexes(ask: Ask, seen: pl.Expr) -> pl.Expr:
    found = [matches(ask, seen, regex) for regex in ask.texts("regex_list")]
    return pl.any_horizontal(found) if found else ask.malformed("regex_list is empty")


def _lengths(ask: Ask, seen: pl.Expr) -> pl.Expr:
    low, high = bounds(ask)
    if low is None and high is None:
        ask.malformed("min_value and max_value cannot both be left out")
    return _outside(ask, length(ask, seen), low, high)


def _length(ask: Ask, seen: pl.Expr) -> pl.Expr:
    value = ask.number("value")
    return length(ask, seen) != (ask.malformed("value is a number") if value is None else value)


def _ordered(ask: Ask, seen: pl.Expr, *, sign: int) -> pl.Expr:
    """The later of two rows is the unexpected one; nulls between them are not there."""
    kind = ask.column(ask.text("column"))[1]
    if kind == pl.Date or kind == pl.Datetime:
        value = seen.cast(pl.Int64)
    else:
        numeric(ask, ask.text("column"))
        value = seen.cast(pl.Float64)
    step = (value - value.forward_fill().shift(1)) * sign
    return step <= 0 if ask.flag("strictly") else step < 0


def _increasing(ask: Ask, seen: pl.Expr) -> pl.Expr:
    return _ordered(ask, seen, sign=1)


def _decreasing(ask: Ask, seen: pl.Expr) -> pl.Expr:
    return _ordered(ask, seen, sign=-1)


def _z_score(ask: Ask, seen: pl.Expr) -> pl.Expr:
    """Against the mean and the deviation of the sample; without a deviation no row is unexpected."""
    numeric(ask, ask.text("column"))
    threshold, value = ask.number("threshold"), seen.cast(pl.Float64)
    if threshold is None:
        ask.malformed("threshold is a number")
    score = pl.when(value.std() != 0).then((value - value.mean()) / value.std())
    return score.abs() >= abs(threshold) if ask.flag("double_sided") else score >= threshold


def _outlier(ask: Ask, seen: pl.Expr) -> pl.Expr:
    """Beyond Tukey's fences, which are inside, or as far from the mean as so many deviations; none where neither is known."""
    numeric(ask, ask.text("column"))
    method, multiplier = ask.get("method") or "iqr", ask.number("multiplier")
    times, value = 1.5 if multiplier is None else float(multiplier), seen.cast(pl.Float64)
    if method not in ("iqr", "std") or times < 0:
        ask.malformed("method is iqr or std, of a multiplier that is not negative")
    if method == "iqr":
        low, high = value.quantile(0.25, "linear"), value.quantile(0.75, "linear")
        far = times * (high - low)
        return pl.when(low.is_finite() & high.is_finite()).then((value < low - far) | (value > high + far))
    center, far = value.mean(), times * value.std()
    away = pl.when(far > 0).then((value - center).abs() >= far).otherwise(value != center)
    return pl.when(center.is_finite() & value.std().is_finite()).then(away)


def _unparseable(ask: Ask, seen: pl.Expr) -> pl.Expr:
    return ~parseable(ask, seen)


NULL_ROWS: Mapping[str, bool] = {
    "expect_column_values_to_not_be_null": True,
    "expect_column_values_to_be_null": False,
}
COLUMN_ROWS: Mapping[str, Broken] = {
    "expect_column_values_to_be_between": _between,
    _UNIQUE: _unique,
    "expect_column_values_to_be_in_set": _not_in_set,
    "expect_column_values_to_not_be_in_set": _in_set,
    "expect_column_values_to_match_regex": _regex,
    "expect_column_values_to_not_match_regex": _not_regex,
    "expect_column_values_to_match_regex_list": _regexes,
    "expect_column_values_to_not_match_regex_list": _not_regexes,
    "expect_column_value_lengths_to_be_between": _lengths,
    "expect_column_value_lengths_to_equal": _length,
    "expect_column_values_to_be_increasing": _increasing,
    "expect_column_values_to_be_decreasing": _decreasing,
    "expect_column_value_z_scores_to_be_less_than": _z_score,
    "expect_column_values_to_not_be_outliers": _outlier,
    "expect_column_values_to_match_strftime_format": _unparseable,
    "expect_column_values_to_be_json_parseable": _unparseable,
    **LIKE_ROWS,
    **PARSED_ROWS,
}
