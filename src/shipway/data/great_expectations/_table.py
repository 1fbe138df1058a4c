"""Expectations on the table: its rows, its columns, their types as pandas would have read them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import cast

import polars as pl

from shipway.data.great_expectations._asked import Ask, Asked, Found, Numbers, Refused, bounds, is_text, within
from shipway.kernel.canonical import Json

_ALIASES = {"int": "int64", "float": "float64", "double": "float64", "single": "float32", "datetime64[ns]": "datetime64"}
_TYPES = {
    "str", "bool", "datetime64", "float32", "float64",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
}  # fmt: skip

_DTYPES = {"int": "int64", "float": "float64", "double": "float64", "single": "float32", "O": "object"}
_DTYPE = re.compile(
    r"u?int(?:8|16|32|64)|U?Int(?:8|16|32|64)|[fF]loat(?:32|64)|bool|boolean|object|str|string|category"
    r"|(?:datetime|timedelta)64(?:\[(?:s|ms|us|ns)\])?|datetime64\[(?:s|ms|us|ns), [A-Za-z_/+0-9-]+\]"
)


def compile_row_count(ask: Ask) -> Asked:
    if ask.expectation.type.endswith("_equal"):
        value = ask.number("value")
        low = high = ask.malformed("value is a number") if value is None else value
    else:
        low, high = bounds(ask)  # type: ignore[assignment]
    strict_min, strict_max = ask.flag("strict_min"), ask.flag("strict_max")

    def judge(numbers: Numbers) -> Found:
        rows = cast("int", numbers["rows"])
        return Found(within(rows, low, high, strict_min=strict_min, strict_max=strict_max), {"observed_value": rows})

    return Asked(numbers={"rows": pl.len() if ask.scope is None else ask.scope.sum()}, judge=judge)


def compile_other_table(ask: Ask) -> Asked:
    """The other table is one that was named beside this one."""
    return Asked(numbers={"rows": pl.len() if ask.scope is None else ask.scope.sum()}, other=ask.text("other_table_name"))


def rows_as_other(name: str, numbers: Numbers, tables: Mapping[str, pl.LazyFrame]) -> Found:
    """Whether the table of this name has as many rows. Raises Refused when nobody named one."""
    if name not in tables:
        raise Refused(f"no table {name} was given: --table {name}=FILE")
    rows, others = cast("int", numbers["rows"]), int(tables[name].select(pl.len()).collect(engine="streaming").item())
    return Found(rows == others, {"observed_value": {"self": rows, "other": others}})


def compile_column_count(ask: Ask) -> Asked:
    columns = len(ask.schema)
    if ask.expectation.type.endswith("_equal"):
        return _known(columns == ask.number("value"), columns)
    low, high = bounds(ask)
    return _known(within(columns, low, high, strict_min=ask.flag("strict_min"), strict_max=ask.flag("strict_max")), columns)


def compile_exists(ask: Ask) -> Asked:
    name, place = ask.text("column"), ask.number("column_index")
    names = ask.schema.names()
    if place is not None and not float(place).is_integer():
        ask.malformed("column_index is a whole number")
    there = names[int(place) : int(place) + 1] == [name] if place else name in names
    return Asked(judge=lambda _: Found(there, {}))


def compile_columns_in_order(ask: Ask) -> Asked:
    found = ask.schema.names()
    asked = found if ask.get("column_list") is None else ask.texts("column_list")
    wrong: list[Json] = [
        {"Expected Column Position": place, "Expected": one, "Found": other}
        for place, (one, other) in enumerate(zip_longest(asked, found))
        if one != other
    ]
    return _known(not wrong, found, wrong)


def compile_columns_in_set(ask: Ask) -> Asked:
    found, exact = set(ask.schema.names()), ask.flag("exact_match", default=True)
    asked: set[str] = set() if ask.get("column_set") is None else set(ask.texts("column_set"))
    lists = {"unexpected": sorted(found - asked), "missing": sorted(asked - found)}
    wrong: dict[str, Json] = {word: names for word, names in lists.items() if names}
    return _known(not wrong or not (exact or lists["missing"]), sorted(found), wrong)


def compile_type(ask: Ask) -> Asked:
    """The type that pandas 3 reads: numbers with nulls are float64 there, times datetime64, texts str."""
    name, many = ask.text("column"), ask.expectation.type.endswith("type_list")
    column, kind = ask.column(name)
    value = ask.get("type_list" if many else "type_")
    asked = None if value is None else set(ask.texts("type_list") if many else [ask.text("type_")])
    plain = _type_of(ask, kind)
    if odd := [one for one in asked or () if _ALIASES.get(one, one) not in _TYPES]:
        ask.unsupported(f"with the type {odd[0]!r}")
    if many and ((kind == pl.Datetime) or (kind == pl.String)):
        ask.unsupported(f"on a column of type {kind}")

    def judge(numbers: Numbers) -> Found:
        widened = plain if kind.is_float() or not kind.is_integer() or not numbers["nulls"] else "float64"
        good = asked is None or widened in {_ALIASES.get(one, one) for one in asked}
        return Found(good, {"observed_value": widened})

    return Asked(numbers={"nulls": column.null_count()}, judge=judge)


def compile_column_type(ask: Ask) -> Asked:
    """The dtype that pandas 3 gives the column, against one of its names; whole numbers with nulls are float64."""
    column, kind = ask.column(ask.text("column"))
    asked = _DTYPES.get(ask.text("type_"), ask.text("type_"))
    if not _DTYPE.fullmatch(asked):
        ask.unsupported(f"with the type {asked!r}")

    def judge(numbers: Numbers) -> Found:
        dtype = _dtype(ask, kind, nulls=bool(numbers["nulls"]))
        good = dtype == asked or (
            asked in ("datetime64", "timedelta64") and re.fullmatch(asked + r"\[[a-z]+\]", dtype) is not None
        )
        return Found(good, {"observed_value": dtype})

    return Asked(numbers={"nulls": column.null_count()}, judge=judge)


def _dtype(ask: Ask, kind: pl.DataType, *, nulls: bool) -> str:
    if kind.is_float() or (kind.is_integer() and kind != pl.Int128):
        return "float64" if nulls and kind.is_integer() else str(kind).lower()
    if isinstance(kind, pl.Datetime):
        return f"datetime64[{kind.time_unit}]" if kind.time_zone is None else f"datetime64[{kind.time_unit}, {kind.time_zone}]"
    if isinstance(kind, pl.Duration):
        return f"timedelta64[{kind.time_unit}]"
    if kind == pl.Boolean:
        return "object" if nulls else "bool"
    if kind == pl.Date or kind == pl.Time or kind == pl.Decimal:
        return "object"
    return "str" if is_text(kind) and kind == pl.String else ask.unsupported(f"on a column of type {kind}")


def _type_of(ask: Ask, kind: pl.DataType) -> str:
    if kind == pl.String:
        return "str"
    if kind == pl.Datetime and getattr(kind, "time_zone", None) is None:
        return "datetime64"
    if (kind.is_integer() and kind != pl.Int128) or kind.is_float():
        return str(kind).lower()
    return ask.unsupported(f"on a column of type {kind}")


def _known(good: bool, observed: Json, wrong: Sequence[Json] | dict[str, Json] | None = None) -> Asked:
    details = {"details": {"mismatched": wrong}} if wrong else {}
    return Asked(judge=lambda _: Found(good, {"observed_value": observed, **details}))
