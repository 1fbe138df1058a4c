"""Expectations on a number of a whole column: expressions that join the one query, and what their values mean."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import polars as pl

from shipway.data._contract_query import Held
from shipway.data.great_expectations._asked import Ask, Asked, Found, Numbers, bounds, is_text, numeric, within
from shipway.data.great_expectations._ranks import Ranked, at_quantiles
from shipway.kernel.canonical import Json

_MOST_VALUES = 20  # of a list of distinct values, as there


def compile_number(ask: Ask) -> Asked:
    """The numbers of an expectation named in BETWEEN, and its bounds."""
    name = ask.text("column")
    number = BETWEEN[ask.expectation.type](ask, name)
    low, high = bounds(ask)
    strict_min, strict_max = ask.flag("strict_min"), ask.flag("strict_max")

    def judge(numbers: Numbers) -> Found:
        value = cast("float | None", numbers["value"])
        if value is None or math.isnan(value):
            return Found(success=False, result={"observed_value": None})
        good = within(value, low, high, strict_min=strict_min, strict_max=strict_max)
        return Found(good, {"observed_value": value})

    return Asked(numbers={"value": number}, judge=judge)


def _numeric(measure: Callable[[pl.Expr], pl.Expr]) -> Callable[[Ask, str], pl.Expr]:
    def of(ask: Ask, name: str) -> pl.Expr:
        column, kind = ask.column(name)
        return measure(ask.only(column.cast(pl.UInt8) if kind == pl.Boolean else numeric(ask, name)))

    return of


def _distinct(ask: Ask, name: str) -> pl.Expr:
    return ask.only(ask.column(name)[0]).drop_nulls().n_unique()


def _proportion_unique(ask: Ask, name: str) -> pl.Expr:
    values = ask.only(ask.column(name)[0]).drop_nulls()
    return pl.when(values.len() > 0).then(values.n_unique() / values.len()).otherwise(0)


def _proportion_non_null(ask: Ask, name: str) -> pl.Expr:
    values = ask.only(ask.column(name)[0])
    return pl.when(values.len() > 0).then(values.count() / values.len()).otherwise(0)


def compile_quantiles(ask: Ask) -> Asked:
    """The value nearest to each quantile, of two as near the one of even rank, as numpy takes it; or between two as asked."""
    ranges, method = ask.get("quantile_ranges"), ask.get("allow_relative_error")
    if not (method in (None, False) or (isinstance(method, str) and method in _BETWEEN_RANKS)):
        ask.unsupported(f"with allow_relative_error {method!r}")
    at_rank = _BETWEEN_RANKS[str(method or "nearest")]
    quantiles = ranges.get("quantiles") if isinstance(ranges, Mapping) else None
    limits = ranges.get("value_ranges") if isinstance(ranges, Mapping) else None
    if not isinstance(quantiles, list) or not isinstance(limits, list) or len(quantiles) != len(limits) or not quantiles:
        ask.malformed("quantile_ranges has as many quantiles as value_ranges")
    if not all(isinstance(q, int | float) and 0 <= q <= 1 for q in quantiles):
        ask.malformed("a quantile is from 0 to 1")
    pairs = [_pair(ask, limit) for limit in limits]
    column, kind = numeric(ask, ask.text("column")), ask.column(ask.text("column"))[1]
    values = ask.only(column.cast(pl.Float64) if kind == pl.Int128 else column).drop_nulls()
    at = Held(values, lambda series: at_quantiles(series, cast("list[float]", quantiles), at_rank))

    def judge(numbers: Numbers) -> Found:
        held = cast("Sequence[float]", numbers["at"])
        whole = kind.is_integer() and method in _WHOLE
        found: list[float | None] = [_as_there(value, whole=whole) for value in held]
        found = found or [None] * len(pairs)
        good = [value is not None and _in_range(value, *pair) for value, pair in zip(found, pairs, strict=True)]
        observed: Json = {"quantiles": quantiles, "values": found}
        return Found(all(good), {"observed_value": observed, "details": {"success_details": good}})

    return Asked(numbers={"at": at}, judge=judge)


def _linear(ranked: Ranked, rank: float) -> float:
    low = float(ranked[math.floor(rank)])
    return low + (float(ranked[math.ceil(rank)]) - low) * (rank - math.floor(rank))


_BETWEEN_RANKS: Mapping[str, Callable[[Ranked, float], float]] = {
    "nearest": lambda ranked, rank: ranked[round(rank)],
    "lower": lambda ranked, rank: ranked[math.floor(rank)],
    "higher": lambda ranked, rank: ranked[math.ceil(rank)],
    "midpoint": lambda ranked, rank: (float(ranked[math.floor(rank)]) + float(ranked[math.ceil(rank)])) / 2,
    "linear": _linear,
}
_WHOLE = (None, False, "nearest", "lower", "higher")  # of whole numbers these give whole numbers


def _as_there(value: float, *, whole: bool) -> float:
    return int(value) if whole and abs(value) <= 2**53 else value


def _pair(ask: Ask, limit: Json) -> tuple[float | None, float | None]:
    if not isinstance(limit, list) or len(limit) != 2 or not all(end is None or type(end) in (int, float) for end in limit):
        ask.malformed("a range of values is two numbers, or null for no end")
    low, high = limit
    return cast("float | None", low), cast("float | None", high)


def _in_range(value: float, low: float | None, high: float | None) -> bool:
    """Within, or as near to an end as Great Expectations allows: a ten-thousandth of it."""
    near = any(end is not None and abs(value - end) <= 1e-8 + 1e-4 * abs(end) for end in (low, high))
    return near or within(value, low, high, strict_min=False, strict_max=False)


def compile_distinct(ask: Ask) -> Asked:
    """The distinct values that are not in the set, and those of the set that the column has not."""
    column, kind = ask.column(ask.text("column"))
    if ask.get("value_set") is None:
        ask.unsupported("without value_set")
    known = ask.items("value_set")
    wanted = (str,) if is_text(kind) else (int, float)
    if not all(type(value) in wanted for value in known):
        ask.unsupported(f"with values of another type than the column, {kind}")
    known = list(dict.fromkeys(known))
    subject = column.cast(pl.String) if is_text(kind) else numeric(ask, ask.text("column")).cast(pl.Float64)
    members = pl.Series(known, dtype=pl.String if is_text(kind) else pl.Float64, strict=False)
    parts = Held(ask.only(subject), lambda distinct: _split(distinct.drop_nulls(), members), once=True)
    word = ask.expectation.type.removeprefix("expect_column_distinct_values_to_")

    def judge(numbers: Numbers) -> Found:
        found = cast("Mapping[str, object]", numbers["parts"])
        present = set(cast("Sequence[object]", found["present"]))
        absent = [value for value in known if value not in present]
        result: dict[str, Json] = {"observed_value": None}
        if word != "contain_set":
            result |= {"unexpected_count": cast("int", found["others"]), "partial_unexpected_list": cast("Json", found["some"])}
        if word != "be_in_set":
            result |= {"missing_count": len(absent), "partial_missing_list": absent[:_MOST_VALUES]}
        good = (word == "contain_set" or not found["others"]) and (word == "be_in_set" or not absent)
        return Found(good, result)

    return Asked(numbers={"parts": parts}, judge=judge)


def _split(distinct: pl.Series, members: pl.Series) -> Mapping[str, object]:
    """How many are not members, the first of them, and the members that are there."""
    among = distinct.is_in(members.implode())
    others = distinct.filter(~among)
    some = others.sort().head(_MOST_VALUES)
    return {"others": others.len(), "some": some.to_list(), "present": distinct.filter(among).to_list()}


def compile_most_common(ask: Ask) -> Asked:
    """All the values that are as frequent as the most frequent one."""
    column, kind = ask.column(ask.text("column"))
    if not is_text(kind):
        numeric(ask, ask.text("column"))
    known = {value for value in ask.items("value_set") if not isinstance(value, list | Mapping)}
    ties = ask.flag("ties_okay")

    def judge(found: Numbers) -> Found:
        most = cast("Sequence[Json]", found["value"])
        met = len(known.intersection(most))
        return Found(met > 0 if ties else len(most) == 1 and met == 1, {"observed_value": list(most)})

    values = Held(ask.only(column).drop_nulls(), lambda series: series.mode().sort().to_list())
    return Asked(numbers={"value": values}, judge=judge)


BETWEEN: Mapping[str, Callable[[Ask, str], pl.Expr]] = {
    "expect_column_min_to_be_between": _numeric(lambda values: values.min()),
    "expect_column_max_to_be_between": _numeric(lambda values: values.max()),
    "expect_column_mean_to_be_between": _numeric(lambda values: values.mean()),
    "expect_column_median_to_be_between": _numeric(lambda values: values.median()),
    "expect_column_stdev_to_be_between": _numeric(lambda values: values.std()),
    "expect_column_sum_to_be_between": _numeric(lambda values: values.sum()),
    "expect_column_unique_value_count_to_be_between": _distinct,
    "expect_column_proportion_of_unique_values_to_be_between": _proportion_unique,
    "expect_column_proportion_of_non_null_values_to_be_between": _proportion_non_null,
}
