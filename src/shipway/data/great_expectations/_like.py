"""The LIKE of SQL, which Great Expectations asks only of databases: as PostgreSQL and DuckDB mean it, letters by their case."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import polars as pl

from shipway.data.great_expectations._asked import Ask, Refused, is_text


def _matches(ask: Ask, seen: pl.Expr, pattern: str) -> pl.Expr:
    if not is_text(ask.column(ask.text("column"))[1]):
        ask.unsupported("on other than texts")
    escape = ask.get("escape")
    if escape is not None and (not isinstance(escape, str) or len(escape) != 1):
        ask.malformed("escape is one letter")
    return seen.cast(pl.String).str.contains(like_regex(pattern, escape=escape))


def like_regex(pattern: str, *, escape: str | None) -> str:
    """A LIKE pattern as a regular expression that has no group and no choice, and so is looked for in linear time.

    Raises Refused when the escape stands last, before nothing.
    >>> like_regex("a!_%", escape="!")
    '(?s)^a_.*$'
    """
    parts, escaped = [], False
    for letter in pattern:
        if letter == escape and not escaped:
            escaped = True
            continue
        parts.append(re.escape(letter) if escaped or letter not in "%_" else {"%": ".*", "_": "."}[letter])
        escaped = False
    if escaped:
        raise Refused(f"the pattern {pattern!r} ends with its escape")
    return f"(?s)^{''.join(parts)}$"


def _patterns(ask: Ask) -> list[str]:
    if ask.expectation.type.endswith("_list"):
        return ask.texts("like_pattern_list") or ask.malformed("like_pattern_list is not empty")
    return [ask.text("like_pattern")]


def _unlike(ask: Ask, seen: pl.Expr) -> pl.Expr:
    match_on = ask.get("match_on") or "any"
    if match_on not in ("any", "all"):
        ask.malformed("match_on is any or all")
    found = [_matches(ask, seen, pattern) for pattern in _patterns(ask)]
    return ~(pl.any_horizontal(found) if match_on == "any" else pl.all_horizontal(found))


def _like(ask: Ask, seen: pl.Expr) -> pl.Expr:
    return pl.any_horizontal([_matches(ask, seen, pattern) for pattern in _patterns(ask)])


LIKE_ROWS: Mapping[str, Callable[[Ask, pl.Expr], pl.Expr]] = {
    "expect_column_values_to_match_like_pattern": _unlike,
    "expect_column_values_to_match_like_pattern_list": _unlike,
    "expect_column_values_to_not_match_like_pattern": _like,
    "expect_column_values_to_not_match_like_pattern_list": _like,
}
