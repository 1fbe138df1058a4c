"""The rules of a contract as Polars masks: true in the rows that break the rule, so that one query counts them all.

A null breaks no rule but `nulls`, and NaN counts as null. A value that cannot be compared with a rule's (text with
numbers) breaks it: it is not inside the range and not among the values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from shipway.kernel.clock import parse_instant
from shipway.spec import ColumnRule, ContractSpec

Value = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Rule:
    """`mask` marks the rows that break the rule; `allowed` is the share of rows that may. `broken` was seen from the schema alone."""

    name: str
    says: str
    columns: tuple[str, ...]
    mask: pl.Expr | None = None
    allowed: float = 0.0
    broken: str | None = None
    unknown: bool = False


def rules_of(contract: ContractSpec, schema: pl.Schema) -> Iterator[Rule]:
    """Every rule on columns and keys, in the order of the contract; those on a missing column cannot be measured."""
    for name, rule in contract.columns.items():
        if name in schema:
            yield Rule(f"contract.{name}.exists", "is there", (name,))
            yield from _column_rules(name, rule, schema[name])
        else:
            yield Rule(f"contract.{name}.exists", "is there", (name,), broken="the column is missing")
            yield from _unknown_rules(name, rule)
    for columns in contract.unique:
        yield _unique(columns, schema)


def _column_rules(name: str, rule: ColumnRule, kind: pl.DataType) -> Iterator[Rule]:
    column = pl.col(name)
    if rule.type:
        broken = None if _is_type(kind, rule.type) else f"the column is {kind}, not {rule.type}"
        mask = column.is_not_null() if broken else None
        yield Rule(f"contract.{name}.type", f"is {rule.type}", (name,), mask, broken=broken)
    if rule.nulls_at_most < 1:
        says = f"null in at most {rule.nulls_at_most:.6g} of rows" if rule.nulls_at_most else "never null"
        yield Rule(f"contract.{name}.nulls", says, (name,), _null(column, kind), rule.nulls_at_most)
    if rule.between:
        low, high = rule.between
        yield Rule(f"contract.{name}.between", f"between {low} and {high}", (name,), _outside(column, kind, low, high))
    if rule.one_of:
        yield Rule(f"contract.{name}.one_of", f"one of {_listed(rule.one_of)}", (name,), _not_among(column, kind, rule.one_of))


def _unknown_rules(name: str, rule: ColumnRule) -> Iterator[Rule]:
    asked = {"type": rule.type, "nulls": rule.nulls_at_most < 1, "between": rule.between, "one_of": rule.one_of}
    for word, there in asked.items():
        if there:
            yield Rule(f"contract.{name}.{word}", "", (name,), unknown=True)


def _unique(columns: Sequence[str], schema: pl.Schema) -> Rule:
    """As SQL's UNIQUE: a row with a null in its key equals no other."""
    name, says = f"contract.{'+'.join(columns)}.unique", f"unique by {', '.join(columns)}"
    missing = [column for column in columns if column not in schema]
    if missing:
        return Rule(name, says, tuple(columns), broken=f"no column {', '.join(missing)}")
    twice = pl.struct(columns).is_duplicated() if len(columns) > 1 else pl.col(columns[0]).is_duplicated()
    whole = pl.all_horizontal([~_null(pl.col(column), schema[column]) for column in columns])
    return Rule(name, says, tuple(columns), twice & whole)


def _is_type(kind: pl.DataType, name: str) -> bool:
    """A column without any value is of every type."""
    if kind == pl.Null:
        return True
    if name == "string":
        return _is_text(kind)
    if name in ("integer", "number"):
        return kind.is_integer() or (name == "number" and kind.is_numeric())
    return kind == {"boolean": pl.Boolean, "date": pl.Date, "timestamp": pl.Datetime}[name]


def _is_text(kind: pl.DataType) -> bool:
    return kind == pl.String or kind == pl.Categorical or kind == pl.Enum


def _null(column: pl.Expr, kind: pl.DataType) -> pl.Expr:
    return column.is_null() | column.is_nan() if kind.is_float() else column.is_null()


def _outside(column: pl.Expr, kind: pl.DataType, low: Value, high: Value) -> pl.Expr:
    found = _comparable(column, kind, (low, high))
    if found is None:
        return ~_null(column, kind)
    subject, ends = found
    return ((subject < ends[0]) | (subject > ends[1])).fill_null(value=False)


def _not_among(column: pl.Expr, kind: pl.DataType, values: Sequence[Value]) -> pl.Expr:
    found = _comparable(column, kind, values)
    if found is None:
        return ~_null(column, kind)
    subject, known = found
    return (~subject.is_in(pl.Series(known, dtype=_dtype(known)).implode())).fill_null(value=False)


def _comparable(column: pl.Expr, kind: pl.DataType, values: Sequence[Value]) -> tuple[pl.Expr, list[object]] | None:
    """The column and the values in one type that compares them exactly (to a double), or None when nothing does."""
    if kind == pl.Null:
        return column.cast(_dtype(values)), list(values)
    if kind == pl.Boolean and all(isinstance(value, bool) for value in values):
        return column, list(values)
    if kind.is_numeric() and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        if kind.is_integer() and all(isinstance(value, int) for value in values):
            return column.cast(pl.Int128), list(values)  # holds UInt64 and every Int64
        return column.cast(pl.Float64).fill_nan(None), [float(value) for value in values]
    if _is_text(kind) and all(isinstance(value, str) for value in values):
        return column.cast(pl.String), list(values)
    if (kind == pl.Date or kind == pl.Datetime) and (moments := _moments(values)):
        return _instant(column, kind), moments
    return None


def _instant(column: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """A date or a time as microseconds in UTC; a time without a zone is taken as UTC, as a text without offset is."""
    zoned = isinstance(kind, pl.Datetime) and kind.time_zone is not None
    return (column.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if zoned else column).cast(pl.Datetime("us")).cast(pl.Int64)


def _moments(values: Sequence[Value]) -> list[object]:
    """Microseconds since 1970 of ISO texts; empty when one is no instant."""
    try:
        return [(parse_instant(str(value)) - _EPOCH) // _MICROSECOND for value in values]
    except ValueError:
        return []


def _dtype(values: Sequence[object]) -> pl.DataType:
    kinds = {type(value) for value in values}
    if kinds <= {int}:
        return pl.Int128()
    return pl.Float64() if kinds <= {int, float} else pl.Boolean() if kinds <= {bool} else pl.String()


def _listed(values: Sequence[Value]) -> str:
    shown = ", ".join(str(value) for value in values[:5])
    return f"{shown} and {len(values) - 5} more" if len(values) > 5 else shown


_EPOCH = parse_instant("1970-01-01T00:00:00+00:00")
_MICROSECOND = timedelta(microseconds=1)
