"""Rows of PostgreSQL: one read-only transaction that sees one state, a cursor on the server, types by what the server says."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

import polars as pl

from shipway.data._errors import QueryRefused, RowsUnfit, SourceDown
from shipway.data.sql._address import Address
from shipway.data.sql._frames import BATCH, columns_of, frame_of
from shipway.data.sql._query import Past, Query, ordered, quoted, selected

_NUMERIC = 1700
_DIGITS = 38  # of a decimal in Parquet
_TYPES: Mapping[int, pl.DataType] = {
    16: pl.Boolean(), 21: pl.Int16(), 23: pl.Int32(), 20: pl.Int64(), 26: pl.UInt32(), 700: pl.Float32(), 701: pl.Float64(),
    17: pl.Binary(), 1082: pl.Date(), 1083: pl.Time(), 1114: pl.Datetime("us"), 1184: pl.Datetime("us", "UTC"),
}  # fmt: skip
# by the type's number; what is not here is read as its text: json, uuid, interval (a month has no length), inet, enums
_TEXTS = (25, 1042, 1043, 19)  # text, char, varchar, name
_DOWN = (
    "08",
    "57P",
    "53",
    "28",
    "3D",
    "25P",
    "40",
)  # connection, shutdown, resources, who may, no such database, idle, recovery


def read_postgres(address: Address, query: Query, past: Past) -> Generator[pl.DataFrame]:
    """As read_sqlite. Raises SourceDown, QueryRefused, RowsUnfit."""
    try:
        import psycopg
    except ImportError as problem:
        mend = "pip install 'shipway[postgres]'"
        raise SourceDown("the driver of PostgreSQL is not installed", where=address.shown, mend=mend) from problem
    try:
        with psycopg.connect(address.place, connect_timeout=10, application_name="shipway", client_encoding="utf8") as base:
            base.read_only = True
            base.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            yield from _read(base, query, past.after)
    except psycopg.DataError as problem:
        if problem.sqlstate is None:  # psycopg's own: a date beyond year 9999, an infinite one
            what = f"a value cannot be read: {str(problem).splitlines()[0]}"
            raise RowsUnfit(
                what, where=query.where, mend="leave such rows out, or read the column as text: column::text"
            ) from problem
        raise _refused(problem, query) from problem
    except psycopg.Error as problem:
        state = problem.sqlstate or ""
        lost = isinstance(problem, psycopg.OperationalError | psycopg.InterfaceError) and not state
        if lost or state.startswith(_DOWN):
            what = "PostgreSQL cannot be reached, does not let this user in, or went away in the middle; nothing was kept"
            raise SourceDown(
                what, where=address.shown, mend="look at the address and the server, then run this again"
            ) from problem
        raise _refused(problem, query) from problem


def _refused(problem: Exception, query: Query) -> QueryRefused:
    said = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
    mend = "it has to be one SELECT that reads only, of what this user may read"
    return QueryRefused(f"PostgreSQL refuses the query: {said}", where=query.where, mend=mend)


def _read(base: object, query: Query, after: Sequence[object]) -> Generator[pl.DataFrame]:
    import psycopg
    from psycopg.types.string import TextLoader

    assert isinstance(base, psycopg.Connection)
    base.execute("SET LOCAL TIME ZONE 'UTC'")
    base.execute("SET LOCAL cursor_tuple_fraction = 1")  # all rows will be fetched
    text = query.text.replace("%", "%%")
    # A value, so that the server takes one statement and no more, whatever stands in the query.
    told = base.execute(f"{selected(text)} LIMIT %s", [0]).description or []
    columns_of([column.name for column in told], query)
    schema = {}
    for column in told:
        schema[column.name], element = _type(base, column)
        if element not in _TYPES:
            base.adapters.register_loader(element, TextLoader)
            if schema[column.name] == pl.String():
                base.adapters.register_loader(column.type_code, TextLoader)
    collated = {column.name for column in told if column.type_code in _TEXTS}
    order = [quoted(name).replace("%", "%%") + (' COLLATE "C"' if name in collated else "") for name in query.order]
    rest = ordered(order, after=["%s"] * len(after))
    with base.cursor(name="shipway") as cursor:
        cursor.execute(f"{selected(text)}{rest} LIMIT %s", [*after, None])
        rows = cursor.fetchmany(BATCH)
        yield frame_of(rows, schema, query)
        while rows := cursor.fetchmany(BATCH):
            yield frame_of(rows, schema, query)


def _type(base: object, column: object) -> tuple[pl.DataType, int]:
    """A column's type, and the number of its elements' type where it is an array, of itself where not."""
    import psycopg

    assert isinstance(base, psycopg.Connection)
    assert isinstance(column, psycopg.Column)
    code = column.type_code
    info = base.adapters.types.get(code)
    array = info is not None and info.oid != code
    element = info.oid if array and info else code
    if element == _NUMERIC:
        precision, scale = column.precision, column.scale
        kind: pl.DataType = pl.String()
        if precision is not None and scale is not None and precision <= _DIGITS and 0 <= scale <= precision:
            kind = pl.Decimal(precision, scale)
    elif element in _TYPES:
        kind = _TYPES[element]
    else:
        return (pl.List(pl.String()) if array and element in _TEXTS else pl.String()), element
    return (pl.List(kind) if array else kind), element
