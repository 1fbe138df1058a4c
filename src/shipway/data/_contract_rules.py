"""The rules of a contract as Polars masks: true in the rows that break the rule, so that one query counts them all.

A null breaks no rule but `nulls`, and NaN counts as null. A value that cannot be compared with a rule's (text with
numbers) breaks it: it is not inside the range and not among the values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

import polars as pl

from shipway.kernel.check import Verdict
from shipway.kernel.clock import parse_instant

if TYPE_CHECKING:
    from shipway.spec import ColumnRule, ContractSpec

Value = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Rule:
    """`mask` marks the rows that break the rule, `allowed` is the share of rows that may.

    scope: the rows that it is about, all without it; missing: those of them that have no value to judge.

    apart: whether its mask looks at other rows too, and so waits for the last one.

    unbroken: one value that is true only when no row breaks it, found much faster than the mask.

    seen: the verdict when the schema alone decides it; says: then the finding, otherwise what a broken row is.
    """

    name: str
    says: str
    columns: tuple[str, ...]
    mask: pl.Expr | None = None
    allowed: float = 0.0
    seen: Verdict | None = None
    scope: pl.Expr | None = None
    missing: pl.Expr | None = None
    unbroken: pl.Expr | None = None
    apart: bool = False


def rules_of(contract: ContractSpec, schema: pl.Schema) -> Iterator[Rule]:
    """Every rule on columns and keys, in the order of the contract; those on a missing column cannot be measured."""
    for name, rule in contract.columns.items():
        if name in schema:
            yield Rule(f"contract.{name}.exists", "the column is there", (name,), seen=Verdict.PASS)
            yield from _column_rules(name, rule, schema[name])
        else:
            yield Rule(f"contract.{name}.exists", "the column is missing", (name,), seen=Verdict.FAIL)
            yield from _unmeasured(name, rule)
    for columns in contract.unique:
        yield _unique(columns, schema)


def _column_rules(name: str, rule: ColumnRule, kind: pl.DataType) -> Iterator[Rule]:
    column, columns = pl.col(name), (name,)
    if rule.type:
        yield _type(name, rule.type, kind)
    if rule.nulls_at_most < 1:
        says = f"null (at most {rule.nulls_at_most * 100:.6g} % allowed)" if rule.nulls_at_most else "null"
        yield Rule(f"contract.{name}.nulls", says, columns, _null(column, kind), rule.nulls_at_most)
    if rule.between:
        low, high = rule.between
        yield Rule(f"contract.{name}.between", f"not between {low} and {high}", columns, _outside(column, kind, low, high))
    if rule.one_of:
        says = f"not one of {_listed(rule.one_of)}"
        yield Rule(f"contract.{name}.one_of", says, columns, _not_among(column, kind, rule.one_of))


def _type(name: str, asked: str, kind: pl.DataType) -> Rule:
    if _is_type(kind, asked):
        return Rule(f"contract.{name}.type", f"the column is {kind}", (name,), seen=Verdict.PASS)
    says = f"the column is {kind}, not {asked}"
    return Rule(f"contract.{name}.type", says, (name,), pl.col(name).is_not_null(), seen=Verdict.FAIL)


def _unmeasured(name: str, rule: ColumnRule) -> Iterator[Rule]:
    asked = {"type": rule.type, "nulls": rule.nulls_at_most < 1, "between": rule.between, "one_of": rule.one_of}
    for word in (word for word, there in asked.items() if there):
        says = "not measured: the column is missing"
        yield Rule(f"contract.{name}.{word}", says, (name,), seen=Verdict.INCONCLUSIVE)


def _unique(columns: tuple[str, ...], schema: pl.Schema) -> Rule:
    """As SQL's UNIQUE: a row with a null in its key equals no other."""
    name, key = f"contract.{'+'.join(columns)}.unique", ", ".join(columns)
    if missing := [column for column in columns if column not in schema]:
        return Rule(name, f"the table has no column {', '.join(missing)}", columns, seen=Verdict.FAIL)
    twice = pl.struct(columns).is_duplicated() if len(columns) > 1 else pl.col(key).is_duplicated()
    whole = pl.all_horizontal([~_null(pl.col(column), schema[column]) for column in columns])
    alone = increasing(pl.col(key)) if len(columns) == 1 and schema[key].is_integer() else None
    return Rule(name, f"not unique by {key}", columns, twice & whole, unbroken=alone, apart=True)


def increasing(column: pl.Expr) -> pl.Expr:
    """Whether each value is above the one before, as those of a key often are: then none comes twice, and none is kept.

    In order, and as many runs of equal values as values: a stream tells both as it passes. Beside a `shift` it would hold every
    column of the query until its end, which an older Polars does.
    """
    values = column.drop_nulls()
    if not hasattr(pl.Expr, "is_sorted"):
        return (values > values.shift(1)).all()
    return values.is_sorted() & (values.rle_id().max() + 1 == values.len())


def among(subject: pl.Expr, members: pl.Series) -> pl.Expr:
    """Whether a value is one of the members, null for null. A few are compared in turn: half as long as a look-up."""
    if 0 < members.len() <= _FEW:
        return reduce(or_, [subject == pl.lit(member, dtype=members.dtype) for member in members])
    return subject.is_in(members.implode())


def _is_type(kind: pl.DataType, name: str) -> bool:
    """A column without any value is of every type."""
    if kind == pl.Null:
        return True
    if name == "string":
        return _is_text(kind)
    if name in ("integer", "number"):
        return kind.is_integer() or (name == "number" and kind.is_numeric())
    return kind == {"boolean": pl.Boolean, "date": pl.Date, "timestamp": pl.Datetime}[name]


def type_of(kind: pl.DataType) -> str | None:
    """The narrowest type of a contract that a column is of; None for one without values, and of lists and the like."""
    names = ("string", "integer", "number", "boolean", "date", "timestamp")
    return None if kind == pl.Null else next((name for name in names if _is_type(kind, name)), None)


def _is_text(kind: pl.DataType) -> bool:
    return kind == pl.String or kind == pl.Categorical or kind == pl.Enum


def _null(column: pl.Expr, kind: pl.DataType) -> pl.Expr:
    return column.is_null() | column.is_nan() if kind.is_float() else column.is_null()


def _outside(column: pl.Expr, kind: pl.DataType, low: Value, high: Value) -> pl.Expr:
    subject, ends = _comparable(column, kind, (low, _end_of_day(high) if kind == pl.Datetime else high))
    if len(ends) < 2:
        return ~_null(column, kind)
    return ((subject < pl.lit(ends[0])) | (subject > pl.lit(ends[1]))).fill_null(value=False)


def _end_of_day(high: Value) -> Value:
    """A range of times that ends with a day ends with its last microsecond."""
    return f"{high}T23:59:59.999999" if isinstance(high, str) and len(high) == len("2013-12-31") else high


def _not_among(column: pl.Expr, kind: pl.DataType, values: Sequence[Value]) -> pl.Expr:
    subject, known = _comparable(column, kind, values)
    if not known:
        return ~_null(column, kind)
    return (~among(subject, pl.Series(known, dtype=_dtype(known)))).fill_null(value=False)


def _comparable(column: pl.Expr, kind: pl.DataType, values: Sequence[Value]) -> tuple[pl.Expr, list[Value]]:
    """The column in a type that compares exactly (to a double), and those of the values that can be in such a column."""
    if kind == pl.Boolean:
        return column, [value for value in values if isinstance(value, bool)]
    if kind.is_numeric():
        numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
        if kind.is_integer() and all(isinstance(value, int) for value in numbers):
            return column.cast(pl.Int128), list(numbers)  # holds UInt64 and every Int64
        return column.cast(pl.Float64).fill_nan(None), [float(value) for value in numbers]
    texts = [value for value in values if isinstance(value, str)]
    if _is_text(kind):
        return column.cast(pl.String), list(texts)
    if kind == pl.Date or kind == pl.Datetime:
        return _instant(column, kind), [moment for text in texts for moment in _moment(text)]
    return column, []  # a column without a value, or of lists


def _instant(column: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """A date or a time as microseconds in UTC; a time without a zone is taken as UTC, as a text without offset is."""
    if isinstance(kind, pl.Datetime) and kind.time_zone is not None:
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return column.cast(pl.Datetime("us")).cast(pl.Int64)


def _moment(text: str) -> list[int]:
    """Microseconds since 1970 of an ISO text; none when it is no instant."""
    try:
        return [(parse_instant(text) - _EPOCH) // _MICROSECOND]
    except ValueError:
        return []


def _dtype(values: Sequence[Value]) -> pl.DataType:
    kinds = {type(value) for value in values}
    if kinds <= {int}:
        return pl.Int128()
    return pl.Float64() if kinds <= {int, float} else pl.Boolean() if kinds <= {bool} else pl.String()


def _listed(values: Sequence[Value]) -> str:
    shown = ", ".join(str(value) for value in values[:5])
    return f"{shown} and {len(values) - 5} more" if len(values) > 5 else shown


_FEW = 8
_EPOCH = parse_instant("1970-01-01T00:00:00+00:00")
_MICROSECOND = timedelta(microseconds=1)
