"""A row condition as a mask: the objects of 1.x, and the texts of before."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from functools import reduce

import polars as pl

from shipway.data.great_expectations._asked import Ask
from shipway.data.great_expectations._compare import COMPARE, compare
from shipway.data.great_expectations._condition_text import read_condition_text
from shipway.kernel.canonical import Json

_DEEPEST = 20


def read_scope(ask: Ask) -> pl.Expr | None:
    """The rows that an expectation is about; None when it has no condition."""
    condition = ask.get("row_condition")
    return None if condition in (None, "") else _read(ask, condition, 0)


def _read(ask: Ask, condition: Json, depth: int) -> pl.Expr:
    if isinstance(condition, str):
        return read_condition_text(ask, condition)
    if not isinstance(condition, Mapping) or depth > _DEEPEST:
        ask.malformed("row_condition is no condition")
    kind, parts = condition.get("type"), condition.get("conditions")
    if kind in ("and", "or") and isinstance(parts, list) and parts:
        join = operator.and_ if kind == "and" else operator.or_
        return reduce(join, [_read(ask, part, depth + 1) for part in parts])
    if kind == "pass_through":
        return read_condition_text(ask, str(condition.get("pass_through_filter")))
    column = condition.get("column")
    name = column.get("name") if isinstance(column, Mapping) else None
    if kind not in ("nullity", "comparison") or not isinstance(name, str):
        ask.malformed("row_condition is no condition")
    if kind == "nullity":
        null = ask.column(name)[0].is_null()
        return null if condition.get("is_null") else ~null
    word, value = str(condition.get("operator")), condition.get("parameter")
    if (word in ("IN", "NOT_IN")) != isinstance(value, list) or not (word in COMPARE or isinstance(value, list)):
        ask.malformed(f"row_condition has no operator {word} for {value!r}")
    return compare(ask, name, word, value)
