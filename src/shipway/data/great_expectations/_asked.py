"""What an expectation compiles to: a rule on rows, numbers of the same one query, or an answer that the columns' names give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn, cast

import polars as pl

from shipway.data._contract_query import Held
from shipway.data._contract_rules import Rule
from shipway.data._errors import SuiteMalformed, SuiteUnsupported
from shipway.data.great_expectations._suite import Expectation
from shipway.kernel.canonical import Json, JsonObject

Numbers = Mapping[str, object]


class Refused(Exception):
    """What Great Expectations raises for, too: a missing column, bounds the wrong way round. Ends in exception_info."""


class RefusedValues(Refused):
    """What it raises for only where there is a value to judge."""


@dataclass(frozen=True, slots=True)
class Found:
    """The result of one expectation that is about no single row."""

    success: bool
    result: JsonObject


@dataclass(frozen=True, slots=True)
class Asked:
    """rule with mostly: judged on its counts. Otherwise judge makes the result of the numbers of this name.

    refused: of a rule, what is said instead where there is a value to judge. query: SQL that finds the unexpected rows;
    other: the name of a table that has as many rows.
    """

    rule: Rule | None = None
    mostly: float = 1.0
    skips_missing: bool = True
    refused: str = ""
    numbers: Mapping[str, pl.Expr | Held] = field(default_factory=dict)
    judge: Callable[[Numbers], Found] | None = None
    query: str | None = None
    other: str | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """An expectation before a table: reads its kwargs, and says what is wrong with them.

    read: columns that are seen otherwise than they stand in the table, as the schema says.
    """

    expectation: Expectation
    schema: pl.Schema
    scope: pl.Expr | None = None
    read: Mapping[str, pl.Expr] = field(default_factory=dict)

    def get(self, name: str) -> Json:
        return self.expectation.kwargs.get(name)

    def text(self, name: str) -> str:
        value = self.get(name)
        return value if isinstance(value, str) else self.malformed(f"{name} is a text")

    def number(self, name: str) -> float | None:
        value = self.get(name)
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            return value
        return self.unsupported(f"with {name} {value!r}")

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.get(name)
        return default if value is None else bool(value)

    def items(self, name: str) -> list[Json]:
        value = self.get(name)
        return cast("list[Json]", value) if isinstance(value, list) else self.malformed(f"{name} is a list")

    def texts(self, name: str) -> list[str]:
        values = self.items(name)
        if not all(isinstance(value, str) for value in values):
            self.malformed(f"{name} is a list of texts")
        return cast("list[str]", values)

    def column(self, name: str) -> tuple[pl.Expr, pl.DataType]:
        """A column, NaN as null, and its type."""
        if name not in self.schema:
            raise Refused(f'Error: The column "{name}" in BatchData does not exist.')
        kind = self.schema[name]
        return (pl.col(name).fill_nan(None) if kind.is_float() else self.read.get(name, pl.col(name))), kind

    def inside(self, mask: pl.Expr) -> pl.Expr:
        """The rows of a mask that the row condition lets in."""
        return mask if self.scope is None else self.scope & mask

    def only(self, column: pl.Expr) -> pl.Expr:
        """The values of the rows that the row condition lets in."""
        return column if self.scope is None else column.filter(self.scope)

    @property
    def mostly(self) -> float:
        value = self.get("mostly")
        value = 1.0 if value is None else value
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            self.malformed("mostly is a share from 0 to 1")
        return float(cast("float", value))

    def malformed(self, what: str) -> NoReturn:
        raise SuiteMalformed(f"{self.expectation.type}: {what}", where=self.expectation.where, mend="correct the suite")

    def unsupported(self, what: str, *, mend: str = "--engine gx runs the suite in your own Great Expectations") -> NoReturn:
        raise SuiteUnsupported(f"{self.expectation.type} {what} is not judged here", where=self.expectation.where, mend=mend)


def is_text(kind: pl.DataType) -> bool:
    return kind == pl.String or kind == pl.Categorical or kind == pl.Enum


def numeric(ask: Ask, name: str) -> pl.Expr:
    """A column of numbers; Great Expectations has other ways with the rest."""
    column, kind = ask.column(name)
    if not kind.is_numeric() or kind.is_decimal():
        ask.unsupported(f"on a column of type {kind}")
    return column


def bounds(ask: Ask) -> tuple[float | None, float | None]:
    low, high = ask.number("min_value"), ask.number("max_value")
    return low, high


def within(value: float, low: float | None, high: float | None, *, strict_min: bool, strict_max: bool) -> bool:
    above = low is None or (value > low if strict_min else value >= low)
    return above and (high is None or (value < high if strict_max else value <= high))
