"""A row condition as a mask: the objects of 1.x, and of the texts of before those that are one comparison."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import polars as pl

from shipway.data.great_expectations._asked import Ask, is_text
from shipway.kernel.canonical import Json

_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TEXT = re.compile(
    r"""\s*(?:col\("([^"]+)"\)|`([^`]+)`|([A-Za-z_]\w*))\s*(==|!=|<=|>=|<|>)\s*(-?\d+(?:\.\d+)?|'[^']*'|"[^"]*")\s*"""
)
_NULLITY = re.compile(r"""\s*col\("([^"]+)"\)\.notNull\(\)\s*""")
_DEEPEST = 20


def read_scope(ask: Ask) -> pl.Expr | None:
    """The rows that an expectation is about; None when it has no condition."""
    condition = ask.get("row_condition")
    return None if condition in (None, "") else _read(ask, condition, 0)


def _read(ask: Ask, condition: Json, depth: int) -> pl.Expr:
    if isinstance(condition, str):
        return _read_text(ask, condition)
    if not isinstance(condition, Mapping) or depth > _DEEPEST:
        ask.malformed("row_condition is no condition")
    kind, parts = condition.get("type"), condition.get("conditions")
    if kind in ("and", "or") and isinstance(parts, list) and parts:
        join = operator.and_ if kind == "and" else operator.or_
        return reduce(join, [_read(ask, part, depth + 1) for part in parts])
    if kind == "pass_through":
        return _read_text(ask, str(condition.get("pass_through_filter")))
    column = condition.get("column")
    name = column.get("name") if isinstance(column, Mapping) else None
    if kind not in ("nullity", "comparison") or not isinstance(name, str):
        ask.malformed("row_condition is no condition")
    if kind == "nullity":
        null = ask.column(name)[0].is_null()
        return null if condition.get("is_null") else ~null
    return _compare(ask, name, str(condition.get("operator")), condition.get("parameter"))


def _read_text(ask: Ask, text: str) -> pl.Expr:
    if match := _NULLITY.fullmatch(text):
        return ask.column(match[1])[0].is_not_null()
    match = _TEXT.fullmatch(text)
    if not match:
        ask.unsupported(f"with the row_condition {text!r}")
    raw = match[5]
    value: Json = raw[1:-1] if raw[0] in "'\"" else float(raw) if "." in raw else int(raw)
    return _compare(ask, match[1] or match[2] or match[3], match[4], value)


def _compare(ask: Ask, name: str, word: str, value: Json) -> pl.Expr:
    """As pandas: a null is unequal to everything, and in no order with it."""
    column, kind = ask.column(name)
    values = value if isinstance(value, list) else [value]
    texts, numbers = all(isinstance(item, str) for item in values), all(type(item) in (int, float) for item in values)
    if not ((is_text(kind) and texts) or (kind.is_numeric() and numbers)):
        ask.unsupported(f"with a row_condition of {kind} {word} {value!r}")
    subject = column.cast(pl.String) if texts else column.cast(pl.Float64)
    if word in ("IN", "NOT_IN") and isinstance(value, list):
        among = subject.is_in(pl.Series(values, dtype=pl.String if texts else pl.Float64, strict=False).implode()).fill_null(
            value=False
        )
        return among if word == "IN" else ~among
    if word not in _COMPARE or isinstance(value, list):
        ask.malformed(f"row_condition has no operator {word}")
    mask: pl.Expr = _COMPARE[word](subject, pl.lit(value if texts else float(str(value))))
    return mask.fill_null(value=word == "!=")
