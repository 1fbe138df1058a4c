"""Comparisons of a row condition as masks, as pandas makes them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, cast

import polars as pl

from shipway.data.great_expectations._asked import Ask, Refused, is_text
from shipway.data.great_expectations._limits import comparable, read_limit
from shipway.kernel.canonical import Json

COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def compare(ask: Ask, name: str, word: str, value: Json) -> pl.Expr:
    """As pandas: a null is unequal to everything, and in no order with it; so is a text to a number."""
    column, kind = ask.column(name)
    values = value if isinstance(value, list) else [value]
    texts, numbers = all(isinstance(one, str) for one in values), all(isinstance(one, int | float) for one in values)
    negative = word in ("!=", "NOT_IN")
    if isinstance(kind, pl.Datetime) and isinstance(value, str):
        if word in ("==", "!="):  # a time that equals no text: the expectation would be about nothing, and be met
            ask.unsupported(f"with the row_condition {name} {word} {value!r}, which pandas takes for a text,")
        subject, (moment,) = comparable(ask, name, column, read_limit(ask, "row_condition", value))
        return _masked(COMPARE[word](subject, moment), negative=negative)
    if not (is_text(kind) or kind == pl.Boolean or (kind.is_numeric() and not kind.is_decimal())) or not (texts or numbers):
        ask.unsupported(f"with a row_condition of {kind} {word} {value!r}")
    if is_text(kind) != texts and values:
        if word not in ("==", "!=", "IN", "NOT_IN"):
            raise Refused(f"row_condition compares {kind} with {value!r}")
        null = pl.col(name).is_null()
        return null | ~null if negative else null & ~null  # as long as the table
    subject = column.cast(pl.String if is_text(kind) else pl.Float64)
    if isinstance(value, list):
        known = pl.Series(
            [one if is_text(kind) else float(cast("float", one)) for one in values],
            dtype=pl.String if is_text(kind) else pl.Float64,
        )
        among = subject.is_in(known.implode())
        return _masked(~among if negative else among, negative=negative)
    return _masked(COMPARE[word](subject, pl.lit(value if texts else float(cast("float", value)))), negative=negative)


def compare_columns(ask: Ask, one: str, word: str, other: str) -> pl.Expr:
    """Two columns of one kind, both numbers or both texts."""
    kinds = [ask.column(name)[1] for name in (one, other)]
    if all(is_text(kind) for kind in kinds):
        sides = [ask.column(name)[0].cast(pl.String) for name in (one, other)]
    elif all(kind.is_numeric() and not kind.is_decimal() for kind in kinds):
        sides = [ask.column(name)[0].cast(pl.Float64) for name in (one, other)]
    else:
        ask.unsupported(f"with a row_condition of {kinds[0]} {word} {kinds[1]}")
    return _masked(COMPARE[word](*sides), negative=word == "!=")


def _masked(mask: pl.Expr, *, negative: bool) -> pl.Expr:
    return mask.fill_null(value=negative)
