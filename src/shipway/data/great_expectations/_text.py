"""Texts as Python sees them: its regular expressions, its dates, its JSON. Polars' own where both say the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime

import polars as pl

from shipway.data.great_expectations._asked import Ask, Refused, is_text

# Of these Rust and Python mean the same: the first anchor, then literals and classes of ASCII, each perhaps repeated.
_SAME = re.compile(
    r"\^?(?:(?:[A-Za-z0-9 _@:,/=<>;%!'\"-]|\\[.+*?()\[\]{}|^$\\/-]|\[[A-Za-z0-9_ .,@:/+]+(?:-[A-Za-z0-9])?\])[+*?]?)*"
)
_LONGEST = 10_000


def as_text(ask: Ask, seen: pl.Expr) -> pl.Expr:
    """A text or a whole number as its text."""
    kind = ask.column(ask.text("column"))[1]
    if not is_text(kind) and not kind.is_integer():
        ask.unsupported(f"on a column of type {kind}")
    return seen.cast(pl.String)


def length(ask: Ask, seen: pl.Expr) -> pl.Expr:
    """Code points."""
    return as_text(ask, seen).str.len_chars().cast(pl.Int64)


def matches(ask: Ask, seen: pl.Expr, regex: str) -> pl.Expr:
    """Python's `re.search`. Raises Refused for what does not compile.

    Where Rust would find the same it looks, in linear time; otherwise Python looks once at each distinct value of a batch.
    """
    try:
        pattern = re.compile(regex if len(regex) <= _LONGEST else ask.malformed("a regex is longer than 10,000 characters"))
    except (re.error, RecursionError, OverflowError) as problem:
        raise Refused(f"the regex {regex!r} does not compile: {problem}") from problem
    text = as_text(ask, seen)
    if _SAME.fullmatch(regex):
        return text.str.contains(regex)
    return _by_distinct(text, lambda value: pattern.search(value) is not None)


def parseable(ask: Ask, seen: pl.Expr) -> pl.Expr:
    """Whether Python parses a text: as a date of the format that is given, else as JSON."""
    kind = ask.column(ask.text("column"))[1]
    if not is_text(kind):
        ask.unsupported(f"on a column of type {kind}")
    if ask.expectation.type.endswith("json_parseable"):
        return _by_distinct(seen.cast(pl.String), _is_json)
    form = ask.text("strftime_format")
    return _by_distinct(seen.cast(pl.String), lambda value: _is_date(value, form))


def _is_json(value: str) -> bool:
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return False
    return True


def _is_date(value: str, form: str) -> bool:
    try:
        datetime.strptime(value, form)  # only whether it parses
    except (ValueError, re.error):
        return False
    return True


def _by_distinct(column: pl.Expr, holds: Callable[[str], bool]) -> pl.Expr:
    def judge(values: pl.Series) -> pl.Series:
        distinct = values.drop_nulls().unique()
        found = pl.Series([holds(value) for value in distinct], dtype=pl.Boolean)
        return values.replace_strict(distinct, found, default=None, return_dtype=pl.Boolean)

    return column.map_batches(judge, return_dtype=pl.Boolean, is_elementwise=True)
