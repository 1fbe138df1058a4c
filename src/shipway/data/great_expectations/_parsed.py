"""Texts that a library understands: dates as dateutil reads them, JSON that fits a JSON schema.

Both libraries are asked only here, and only when a suite asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from types import ModuleType
from typing import Any

import polars as pl

from shipway.data._errors import SuiteUnsupported
from shipway.data.great_expectations._asked import Ask, RefusedValues, is_text
from shipway.data.great_expectations._search import schema_judge
from shipway.data.great_expectations._text import LONG_VALUE, by_distinct, is_brief, slow_values

_DEEPEST = 100
_MIDNIGHT = datetime(1970, 1, 1)  # for what a text leaves out: dateutil takes the day of the run


def _library(ask: Ask, name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError:
        mend = "pip install 'shipway[expectations]'"
        return ask.unsupported(f"without {name.split('.')[0]}", mend=mend)


def _texts(ask: Ask, seen: pl.Expr) -> pl.Expr:
    kind = ask.column(ask.text("column"))[1]
    if not is_text(kind):
        raise RefusedValues(f"a column of type {kind} has no texts to parse")
    return seen.cast(pl.String)


def _no_date(ask: Ask, seen: pl.Expr) -> pl.Expr:
    parse: Callable[[str], object] = _library(ask, "dateutil.parser").parse

    def holds(value: str) -> bool:
        try:
            parse(value)
        except (ValueError, OverflowError):
            return False
        return True

    return ~by_distinct(_texts(ask, seen), lambda values: list(map(holds, values)))


def _unfit(ask: Ask, seen: pl.Expr) -> pl.Expr:
    """What is no JSON fits no schema. A schema that holds a regular expression is asked in a process that can be stopped."""
    schema = ask.get("json_schema")
    if not isinstance(schema, Mapping):
        ask.malformed("json_schema is a JSON schema")
    _library(ask, "jsonschema")
    try:
        fits = schema_judge(schema)
    except ValueError as problem:
        raise RefusedValues(f"json_schema is no JSON schema: {problem}") from problem

    def judge(values: list[str]) -> list[bool]:
        if slow or max(map(len, values), default=0) > LONG_VALUE:
            return slow_values(ask, values, schema=schema)
        return list(map(fits, values))

    slow = _is_slow(schema, 0)
    return ~by_distinct(_texts(ask, seen), judge)


def _is_slow(schema: Any, depth: int) -> bool:
    """Whether a regular expression in it could backtrack for long."""
    if depth > _DEEPEST:
        return True
    if isinstance(schema, Mapping):
        own, keyed = schema.get("pattern", ""), schema.get("patternProperties", {})
        regexes = [own, *(keyed if isinstance(keyed, Mapping) else [])]
        return not all(isinstance(one, str) and is_brief(one) for one in regexes) or any(
            _is_slow(one, depth + 1) for one in schema.values()
        )
    return isinstance(schema, list) and any(_is_slow(one, depth + 1) for one in schema)


def with_times(ask: Ask) -> Ask:
    """The same before a table whose column of texts is one of times: `parse_strings_as_datetimes`, of before 1.0.

    A time with a zone is taken in UTC. The query raises SuiteUnsupported for a text that dateutil cannot read.
    """
    name = ask.get("column")
    if not ask.flag("parse_strings_as_datetimes") or not isinstance(name, str) or not is_text(ask.schema.get(name, pl.Null())):
        return ask
    parse: Any = _library(ask, "dateutil.parser").parse

    def moment(text: str) -> datetime:
        try:
            found = parse(text, default=_MIDNIGHT)
        except (ValueError, OverflowError) as problem:
            raise SuiteUnsupported(
                f"{ask.expectation.type}: {text[:60]!r} is no time", where=ask.expectation.where
            ) from problem
        plain: datetime = found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found
        return plain

    def times(values: pl.Series) -> pl.Series:
        distinct = values.drop_nulls().unique()
        moments = pl.Series([moment(text) for text in distinct], dtype=pl.Datetime("us"))
        return values.replace_strict(distinct, moments, default=None, return_dtype=pl.Datetime("us"))

    column = pl.col(name).cast(pl.String).map_batches(times, return_dtype=pl.Datetime("us"), is_elementwise=True)
    schema = pl.Schema({**ask.schema, name: pl.Datetime("us")})
    return replace(ask, schema=schema, read={name: column})


PARSED_ROWS: Mapping[str, Callable[[Ask, pl.Expr], pl.Expr]] = {
    "expect_column_values_to_be_dateutil_parseable": _no_date,
    "expect_column_values_to_match_json_schema": _unfit,
}
