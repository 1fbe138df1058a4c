"""Rows as a driver gives them, made columns of exact types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from shipway.data._errors import QueryRefused, RowsUnfit
from shipway.data.sql._query import Query

BATCH = 5_000  # rows that are Python objects at a time

Rows = Sequence[Sequence[object]]


def columns_of(names: Sequence[str], query: Query) -> list[str]:
    """The names of a query's columns. Raises QueryRefused when one is there twice or one to order by is not there."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        what = f"the query has two columns called {twice[0]}"
        raise QueryRefused(what, where=query.where, mend="give one of them another name with AS")
    for name in query.order:
        if name not in names:
            what = f"the query has no column {name}"
            raise QueryRefused(what, where=query.where, mend=f"it has: {', '.join(names)}")
    return list(names)


def frame_of(rows: Rows, schema: Mapping[str, pl.DataType], query: Query) -> pl.DataFrame:
    """Rows as a frame of this schema. A decimal comes as its text, an instant as its microseconds or a datetime.

    Raises RowsUnfit for a value that its type cannot hold exactly.
    """
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    return pl.DataFrame(
        [_series(name, values, kind, query) for (name, kind), values in zip(schema.items(), columns, strict=True)]
    )


def _series(name: str, values: Sequence[object], kind: pl.DataType, query: Query) -> pl.Series:
    given = _given(kind, values)
    try:
        found = pl.Series(name, values, dtype=given, strict=True)
        return found if given == kind else found.cast(kind, strict=True)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as problem:
        what = f"{name} has a value that is no {_word(kind)}"
        raise RowsUnfit(what, where=query.where, mend=f"leave such rows out, or read {name} as text with CAST") from problem


def _given(kind: pl.DataType, values: Sequence[object]) -> pl.DataType:
    """What a column's values are as the driver gives them."""
    if isinstance(kind, pl.Decimal):
        return pl.String()
    if isinstance(kind, pl.List) and isinstance(kind.inner, pl.Decimal):
        return pl.List(pl.String())
    if isinstance(kind, pl.Datetime) and isinstance(next((one for one in values if one is not None), None), int):
        return pl.Int64()
    if kind == pl.Float64() and any(isinstance(one, int) for one in values):  # SQLite keeps 1.0 as 1 in a column of integers
        return pl.Float64()
    return kind


def _word(kind: pl.DataType) -> str:
    return f"{kind}".lower().replace("precision=", "").replace("scale=", "")
