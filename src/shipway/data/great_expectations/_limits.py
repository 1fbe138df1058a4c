"""Bounds as Great Expectations reads them, a number, a day or a time, and the columns that compare with each."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import Any

import polars as pl

from shipway.data.great_expectations._asked import Ask, Refused, RefusedValues, is_text
from shipway.kernel.canonical import Json

Limit = float | date | datetime

_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d)?)?")
_DAY = re.compile(r"\d{4}-\d{1,2}-\d{1,2}")


def limits(ask: Ask) -> tuple[Limit | None, Limit | None]:
    """min_value and max_value. Raises SuiteMalformed for what is neither, as a suite of 1.x cannot hold it."""
    return read_limit(ask, "min_value", ask.get("min_value")), read_limit(ask, "max_value", ask.get("max_value"))


def read_limit(ask: Ask, word: str, value: Json) -> Limit | None:
    """A number, also in a text; a text that is a day; or one that is a time. In this order, as there."""
    if value is None or isinstance(value, int | float):
        return None if value is None else _number(ask, word, value)
    if not isinstance(value, str):
        ask.malformed(f"{word} is a number or a time")
    try:
        return float(value)
    except ValueError:
        pass
    try:
        if _DAY.fullmatch(value):
            return date(*map(int, value.split("-")))
        return datetime.fromisoformat(value)
    except ValueError:
        return ask.malformed(f"{word} is a number or a time, not {value[:60]!r}")


def _number(ask: Ask, word: str, value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return ask.malformed(f"{word} is larger than a number can be")


def comparable(ask: Ask, name: str, seen: pl.Expr, *ends: Limit | None) -> tuple[pl.Expr, list[Any]]:
    """The values of a column in a type that compares with these ends, and the ends in it. Raises Refused where none does.

    A day is its midnight to a column of times; Great Expectations raises there.
    """
    kind = ask.column(name)[1]
    given = [end for end in ends if end is not None]
    if kind == pl.Boolean or (kind.is_numeric() and not kind.is_decimal()):
        if not all(isinstance(end, float) for end in given):
            raise Refused(f"{kind} is compared with a number, not with a time")
        return seen.cast(pl.Float64), list(ends)
    if kind == pl.Date:
        if not all(type(end) is date for end in given):
            raise RefusedValues("a column of days is compared with a day, not with a number or a time of day")
        return seen, list(ends)
    if isinstance(kind, pl.Datetime):
        moments = [None if end is None else _moment(end, aware=kind.time_zone is not None) for end in ends]
        return seen.cast(pl.Datetime("us", kind.time_zone)), moments
    if is_text(kind) and given:
        raise RefusedValues("texts are compared with texts, not with a number or a time")
    return (seen, list(ends)) if is_text(kind) else ask.unsupported(f"on a column of type {kind}")


def _moment(end: Limit, *, aware: bool) -> datetime:
    if isinstance(end, float):
        raise (Refused if aware else RefusedValues)("a column of times is compared with a time, not with a number")
    if not isinstance(end, datetime) and not aware:
        return datetime.combine(end, time())
    if not isinstance(end, datetime) or (end.tzinfo is None) == aware:
        what = f"a column of times {'with' if aware else 'without'} a zone is compared with a time of its kind"
        raise (Refused if aware else RefusedValues)(what)
    return end.astimezone(UTC) if aware else end


def time_of(ask: Ask, kind: pl.DataType, value: Json) -> date | datetime:
    """A member of a set, as a column of days or times holds it: a text of ISO 8601. Raises SuiteUnsupported for any other."""
    if not isinstance(value, str) or not _ISO.fullmatch(value):
        ask.unsupported(f"with the value {value!r}, no time of ISO 8601,")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return ask.malformed(f"there is no time {value}")
    if kind == pl.Date:
        return moment.date()
    if isinstance(kind, pl.Datetime) and (kind.time_zone is None) != (moment.tzinfo is None):
        ask.unsupported(f"with the value {value!r} on a column of type {kind}")
    return moment


def wrong_way_round(low: Limit | None, high: Limit | None) -> bool:
    """Whether the lower end is above the upper one. Raises Refused where they do not compare."""
    if low is None or high is None:
        return False
    try:
        return low > high  # type: ignore[operator]
    except TypeError as problem:
        raise Refused(f"min_value and max_value do not compare: {problem}") from problem


def inside(value: Any, low: Any, high: Any, *, strict_min: bool, strict_max: bool) -> bool:
    """Whether a value is between two ends of its kind, None for no end."""
    above = low is None or (value > low if strict_min else value >= low)
    return bool(above and (high is None or (value < high if strict_max else value <= high)))
