"""Rows of a DuckDB file, opened to read only."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import polars as pl

from shipway.data._errors import QueryRefused, RowsUnfit, SourceDown
from shipway.data.sql._address import Address
from shipway.data.sql._frames import BATCH, columns_of, frame_of
from shipway.data.sql._query import Past, Query, ordered, quoted, selected

_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_TYPES: Mapping[str, pl.DataType] = {
    "BOOLEAN": pl.Boolean(), "TINYINT": pl.Int8(), "SMALLINT": pl.Int16(), "INTEGER": pl.Int32(), "BIGINT": pl.Int64(),
    "UTINYINT": pl.UInt8(), "USMALLINT": pl.UInt16(), "UINTEGER": pl.UInt32(), "UBIGINT": pl.UInt64(),
    "FLOAT": pl.Float32(), "DOUBLE": pl.Float64(), "VARCHAR": pl.String(), "BLOB": pl.Binary(), "TIME": pl.Time(),
}  # fmt: skip
_TIMES: Mapping[str, tuple[pl.DataType, str]] = {
    "DATE": (pl.Date(), ""),
    "TIMESTAMP": (pl.Datetime("us"), "epoch_us"),
    "TIMESTAMP_S": (pl.Datetime("us"), "epoch_us"),
    "TIMESTAMP_MS": (pl.Datetime("us"), "epoch_us"),
    "TIMESTAMP_NS": (pl.Datetime("ns"), "epoch_ns"),
    "TIMESTAMP WITH TIME ZONE": (pl.Datetime("us", "UTC"), "epoch_us"),
}
_INFINITE = "a time that is infinite"
_NESTED = ("STRUCT", "MAP", "UNION")


def read_duckdb(address: Address, query: Query, past: Past) -> Generator[pl.DataFrame]:
    """As read_sqlite. Raises SourceDown, QueryRefused, RowsUnfit."""
    try:
        import duckdb
    except ImportError as problem:
        mend = "pip install 'shipway[duckdb]'"
        raise SourceDown("DuckDB is not installed", where=address.shown, mend=mend) from problem
    if not Path(address.place).is_file():
        raise SourceDown("there is no DuckDB file", where=address.shown, mend="correct the address under `from`")
    try:
        with closing(duckdb.connect(address.place, read_only=True)) as base:
            yield from _read(base, query, past.after)
    except (duckdb.IOException, duckdb.ConnectionException, duckdb.FatalException) as problem:
        what = f"the DuckDB file cannot be read: {_said(problem)}"
        raise SourceDown(what, where=address.shown, mend="close it where it is open to write, or restore it") from problem
    except (duckdb.ConversionException, duckdb.OutOfRangeException, OverflowError) as problem:
        raise RowsUnfit(f"a value cannot be read: {_said(problem)}", where=query.where, mend="leave such rows out") from problem
    except duckdb.Error as problem:
        if _INFINITE in str(problem):
            raise RowsUnfit(f"a value cannot be read: {_INFINITE}", where=query.where, mend="leave such rows out") from problem
        what = f"DuckDB refuses the query: {_said(problem)}"
        raise QueryRefused(what, where=query.where, mend="it has to be one SELECT that reads only") from problem


def _said(problem: Exception) -> str:
    return str(problem).splitlines()[0] if str(problem) else type(problem).__name__


def _read(base: object, query: Query, after: Sequence[object]) -> Generator[pl.DataFrame]:
    import duckdb

    assert isinstance(base, duckdb.DuckDBPyConnection)
    asked = f"{selected(query.text)} LIMIT 0"
    if len(base.extract_statements(asked)) != 1:
        raise QueryRefused("the query is several statements", where=query.where, mend="it has to be one SELECT")
    base.execute("SET TimeZone = 'UTC'")
    told = base.execute(asked).description or []
    names = columns_of([column[0] for column in told], query)
    found = [_type(name, str(column[1])) for name, column in zip(names, told, strict=True)]
    schema = {name: kind for name, (kind, _) in zip(names, found, strict=True)}
    # by the query's own columns: a decimal that comes as its text has another order
    kinds = dict(zip(names, (str(column[1]) for column in told), strict=True))
    casts = [f"CAST(? AS {kinds[name]})" for name in query.order]
    rest = ordered([f"asked.{quoted(name)}" for name in query.order], after=casts if after else [])
    columns = ", ".join(f"{expression} AS {quoted(name)}" for name, (_, expression) in zip(names, found, strict=True))
    cursor = base.execute(selected(query.text, columns) + rest, [*after])
    rows = cursor.fetchmany(BATCH)
    yield frame_of(rows, schema, query)
    while rows := cursor.fetchmany(BATCH):
        yield frame_of(rows, schema, query)


def _type(name: str, told: str) -> tuple[pl.DataType, str]:
    """A column's type and the expression that gives its values so that nothing is lost on the way."""
    column = quoted(name)
    if told in _TYPES:
        return _TYPES[told], column
    if told in _TIMES:
        kind, how = _TIMES[told]
        return kind, f"CASE WHEN isinf({column}) THEN error('{_INFINITE}') ELSE {how}({column}) END"
    if decimal := _DECIMAL.fullmatch(told):
        return pl.Decimal(int(decimal[1]), int(decimal[2])), f"CAST({column} AS VARCHAR)"
    element = told.removesuffix("[]")
    if told == f"{element}[]" and element in _TYPES:
        return pl.List(_TYPES[element]), column
    if told.startswith(_NESTED) or told.endswith("]"):
        return pl.String(), f"CAST(to_json({column}) AS VARCHAR)"
    return pl.String(), f"CAST({column} AS VARCHAR)"
