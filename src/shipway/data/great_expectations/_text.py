"""Texts as Python sees them: its regular expressions, its dates, its JSON. Polars' own where both say the same."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from shipway.data._errors import RegexEndless
from shipway.data.great_expectations._asked import Ask, RefusedValues, is_text
from shipway.kernel.canonical import Json

# Of these Rust and Python mean the same: the first anchor, then literals and classes of ASCII, each perhaps repeated.
_SAME = re.compile(
    r"\^?(?:(?:[A-Za-z0-9 _@:,/=<>;%!'\"-]|\\[.+*?()\[\]{}|^$\\/-]|\[[A-Za-z0-9_ .,@:/+]+(?:-[A-Za-z0-9])?\])[+*?]?)*"
)
_LONGEST = 10_000
LONG_VALUE = 4_000  # the square of it is a fraction of a second
_SEARCH = Path(__file__).with_name("_search.py")
SECONDS = 2.0  # and a millisecond for each value, of which a regex that is none of these takes a thousandth


def as_text(ask: Ask, seen: pl.Expr) -> pl.Expr:
    """A value as Python writes it: a whole number, a number with its point, a day, a time, True."""
    kind = ask.column(ask.text("column"))[1]
    if is_text(kind) or kind.is_integer() or kind == pl.Date:
        return seen.cast(pl.String)
    if kind == pl.Boolean:
        return pl.when(seen).then(pl.lit("True")).when(~seen).then(pl.lit("False"))
    if kind.is_float():
        return seen.map_batches(_written, return_dtype=pl.String, is_elementwise=True)
    if isinstance(kind, pl.Datetime):
        return _times(seen, aware=kind.time_zone is not None)
    return ask.unsupported(f"on a column of type {kind}")


def _times(seen: pl.Expr, *, aware: bool) -> pl.Expr:
    """As pandas writes a column: all with as many digits as one needs, and days alone where all are midnights."""
    zone, nanos = "%:z" if aware else "", seen.dt.nanosecond()
    forms = [("%.9f", nanos % 1000 != 0), ("%.6f", nanos % 1_000_000 != 0), ("%.3f", nanos != 0)]
    texts: Any = pl.when(pl.lit(value=False)).then(pl.lit(""))
    for digits, needed in forms:
        texts = texts.when(needed.any()).then(seen.dt.strftime(f"%Y-%m-%d %H:%M:%S{digits}{zone}"))
    midnights = pl.lit(value=not aware) & (seen.dt.truncate("1d") == seen).all()
    days, seconds = seen.dt.strftime("%Y-%m-%d"), seen.dt.strftime(f"%Y-%m-%d %H:%M:%S{zone}")
    written: pl.Expr = texts.when(midnights).then(days).otherwise(seconds)
    return written


def _written(values: pl.Series) -> pl.Series:
    distinct = values.drop_nulls().unique()
    texts = pl.Series([str(value) for value in distinct], dtype=pl.String)
    return values.replace_strict(distinct, texts, default=None, return_dtype=pl.String)


def length(ask: Ask, seen: pl.Expr) -> pl.Expr:
    """Code points."""
    return as_text(ask, seen).str.len_chars().cast(pl.Int64)


def matches(ask: Ask, seen: pl.Expr, regex: str) -> pl.Expr:
    """Python's `re.search`. Raises RefusedValues for what does not compile.

    Where Rust would find the same it looks, in linear time; otherwise Python looks once at each distinct value of a batch,
    in another process where it may take long; RegexEndless comes out of the query when it takes too long.
    """
    try:
        pattern = re.compile(regex if len(regex) <= _LONGEST else ask.malformed("a regex is longer than 10,000 characters"))
    except (re.error, RecursionError, OverflowError) as problem:
        raise RefusedValues(f"the regex {regex!r} does not compile: {problem}") from problem
    text = as_text(ask, seen)
    if _SAME.fullmatch(regex):
        return text.str.contains(regex)
    return by_distinct(text, lambda values: _search_all(ask, pattern, values))


def parseable(ask: Ask, seen: pl.Expr) -> pl.Expr:
    """Whether Python parses a text: as a date of the format that is given, else as JSON."""
    kind = ask.column(ask.text("column"))[1]
    if not is_text(kind):
        ask.unsupported(f"on a column of type {kind}")
    if ask.expectation.type.endswith("json_parseable"):
        return by_distinct(seen.cast(pl.String), lambda values: list(map(_is_json, values)))
    form = ask.text("strftime_format")
    return by_distinct(seen.cast(pl.String), lambda values: [_is_date(value, form) for value in values])


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


def _search_all(ask: Ask, pattern: re.Pattern[str], values: list[str]) -> list[bool]:
    """In another process, which ends itself, where it could take for ever. Raises RegexEndless."""
    if is_brief(pattern.pattern) and max(map(len, values), default=0) <= LONG_VALUE:
        return [pattern.search(value) is not None for value in values]
    return slow_values(ask, values, pattern=pattern.pattern)


def slow_values(ask: Ask, values: list[str], **asked: Json) -> list[bool]:
    """Which values hold the pattern, or fit the schema, found in a process of its own. Raises RegexEndless."""
    seconds = SECONDS + len(values) / 1000
    request = json.dumps({**asked, "values": values, "seconds": seconds})
    flags = ["-I"] if "schema" in asked else ["-I", "-S"]  # the library of schemas is in site-packages
    done = subprocess.run([sys.executable, *flags, str(_SEARCH)], input=request, capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    if "slow" in answer:
        shown = values[answer["slow"]][:60]
        named = f"the regex {asked['pattern']!r}" if "pattern" in asked else "a regex of json_schema"
        what = f"{named} took more than {seconds:g} seconds, and was stopped at {shown!r}"
        raise RegexEndless(what, where=ask.expectation.where, mend="write it without a repetition inside a repetition")
    return [letter == "1" for letter in answer["found"]]


def is_brief(regex: str) -> bool:
    """Whether it has one repetition at most and no group, and so takes no longer than the square of a text's length."""
    return "(" not in regex and len(re.findall(r"[*+?{]", regex)) <= 1


def by_distinct(column: pl.Expr, holds: Callable[[list[str]], list[bool]]) -> pl.Expr:
    def judge(values: pl.Series) -> pl.Series:
        distinct = values.drop_nulls().unique()
        found = pl.Series(holds(distinct.to_list()), dtype=pl.Boolean)
        return values.replace_strict(distinct, found, default=None, return_dtype=pl.Boolean)

    return column.map_batches(judge, return_dtype=pl.Boolean, is_elementwise=True)
