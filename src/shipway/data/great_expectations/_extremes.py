"""The least and the greatest value of a column, and the sets of its values, where these are days, times or true and false.

Great Expectations compares texts of a suite with times here as times: elsewhere (`column_values_to_be_in_set`) they are texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import cast

import polars as pl

from shipway.data._contract_result import json_of
from shipway.data.great_expectations._asked import Ask, Asked, Found, Numbers, Refused, is_text
from shipway.data.great_expectations._limits import comparable, inside, limits, time_of
from shipway.data.great_expectations._numbers import compile_distinct, compile_most_common
from shipway.kernel.canonical import Json

_MOST_VALUES = 20


def compile_extreme(ask: Ask) -> Asked:
    """Numbers, days, times, and true and false as 1 and 0; texts, when no bound is asked."""
    name, ends = ask.text("column"), limits(ask)
    column, kind = ask.column(name)
    if is_text(kind):
        column = column.cast(pl.String)
    refused = ""
    try:
        _, limited = comparable(ask, name, column, *ends)
    except Refused as problem:  # no value, no comparison; but no time is one
        if kind == pl.Datetime:
            raise
        limited, refused = [], str(problem)
    strict_min, strict_max = ask.flag("strict_min"), ask.flag("strict_max")
    values = ask.only(column)
    number = values.min() if "_min_" in ask.expectation.type else values.max()

    def judge(numbers: Numbers) -> Found:
        value = numbers["value"]
        if value is None:  # of no time there, which is one that compares with nothing
            return Found(success=kind == pl.Datetime and ends == (None, None), result={"observed_value": None})
        if refused:
            raise Refused(refused)
        good = inside(value, *limited, strict_min=strict_min, strict_max=strict_max)
        return Found(good, {"observed_value": json_of(value)})

    return Asked(numbers={"value": number}, judge=judge)


def _is_own(kind: pl.DataType) -> bool:
    return kind == pl.Date or kind == pl.Datetime or kind == pl.Boolean


def compile_set(ask: Ask) -> Asked:
    """As compile_distinct, of days, times, and true and false."""
    column, kind = ask.column(ask.text("column"))
    if not _is_own(kind):
        return compile_distinct(ask)
    known = list(dict.fromkeys(_member(ask, kind, value) for value in ask.items("value_set")))
    distinct = ask.only(column).drop_nulls().unique().sort().implode()
    word = ask.expectation.type.removeprefix("expect_column_distinct_values_to_")

    def judge(numbers: Numbers) -> Found:
        seen = cast("Sequence[object]", numbers["distinct"])
        others = [value for value in seen if value not in known]
        absent = [value for value in known if value not in seen]
        result: dict[str, Json] = {"observed_value": None}
        if word != "contain_set":
            listed: list[Json] = [json_of(value) for value in others[:_MOST_VALUES]]
            result |= {"unexpected_count": len(others), "partial_unexpected_list": listed}
        if word != "be_in_set":
            texts = ask.items("value_set") if not seen else absent  # only beside a time they are times
            missing: list[Json] = [json_of(value) for value in texts[:_MOST_VALUES]]
            result |= {"missing_count": len(absent), "partial_missing_list": missing}
        good = (word == "contain_set" or not others) and (word == "be_in_set" or not absent)
        return Found(good, result)

    return Asked(numbers={"distinct": distinct}, judge=judge)


def _member(ask: Ask, kind: pl.DataType, value: Json) -> bool | date | datetime:
    if kind != pl.Boolean:
        return time_of(ask, kind, value)
    return value if isinstance(value, bool) else ask.unsupported(f"with the value {value!r} of true and false")


def compile_common(ask: Ask) -> Asked:
    """As compile_most_common; a time is told to the microsecond, and is no text of the suite."""
    column, kind = ask.column(ask.text("column"))
    if not _is_own(kind):
        return compile_most_common(ask)
    known, ties = ask.items("value_set"), ask.flag("ties_okay")

    def judge(numbers: Numbers) -> Found:
        most = cast("Sequence[object]", numbers["value"])
        met = sum(value in known for value in most)
        return Found(met > 0 if ties else len(most) == 1 and met == 1, {"observed_value": [_told(value) for value in most]})

    return Asked(numbers={"value": ask.only(column).drop_nulls().mode().sort().implode()}, judge=judge)


def _told(value: object) -> Json:
    return value.isoformat(timespec="microseconds") if isinstance(value, datetime) else json_of(value)
