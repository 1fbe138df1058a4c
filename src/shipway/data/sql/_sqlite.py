"""Rows of a SQLite file. Its columns have no types, its values have: the ones that are there say what a column is."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import polars as pl

from shipway.data._errors import QueryRefused, RowsUnfit, SourceDown
from shipway.data.sql._address import Address
from shipway.data.sql._frames import BATCH, columns_of, frame_of
from shipway.data.sql._query import Past, Query, ordered, quoted, selected

_EXACT = 2**53  # whole numbers up to here are exact as a float
_TYPES: Mapping[str, pl.DataType] = {
    "integer": pl.Int64(), "real": pl.Float64(), "text": pl.String(), "blob": pl.Binary()
}  # fmt: skip
_DOWN = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)


def read_sqlite(address: Address, query: Query, past: Past) -> Generator[pl.DataFrame]:
    """Batches of rows in order, of one schema, the first also when there are none; one read transaction.

    Raises SourceDown, QueryRefused, RowsUnfit.
    """
    if not Path(address.place).is_file():
        raise SourceDown("there is no SQLite file", where=address.shown, mend="correct the address under `from`")
    try:
        with closing(sqlite3.connect(f"file:{quote(address.place)}?mode=ro", uri=True, isolation_level=None)) as base:
            base.execute("PRAGMA query_only = 1")
            base.execute("BEGIN")
            yield from _read(base, query, past)
    except sqlite3.Error as problem:
        code = getattr(problem, "sqlite_errorcode", 0) & 0xFF
        if code in _DOWN:
            what = f"the SQLite file cannot be read: {problem}"
            raise SourceDown(what, where=address.shown, mend="wait for whoever writes it, or restore it") from problem
        what = f"SQLite refuses the query: {problem}"
        raise QueryRefused(what, where=query.where, mend="it has to be one SELECT that reads only") from problem


def _read(base: sqlite3.Connection, query: Query, past: Past) -> Generator[pl.DataFrame]:
    names = columns_of([row[0] for row in base.execute(f"{selected(query.text)} LIMIT 0").description], query)
    # whatever collation a column has: in the order of its bytes, as everywhere
    rest = ordered([f"{quoted(name)} COLLATE BINARY" for name in query.order], after=["?"] * len(past.after))
    schema = _schema(base, query, names, rest.partition(" ORDER BY")[0], past)
    cursor = base.execute(selected(query.text) + rest, past.after)
    rows = cursor.fetchmany(BATCH)
    yield frame_of(rows, schema, query)
    while rows := cursor.fetchmany(BATCH):
        yield frame_of(rows, schema, query)


def _schema(
    base: sqlite3.Connection,
    query: Query,
    names: Sequence[str],
    where: str,
    past: Past,
) -> dict[str, pl.DataType]:
    """One pass over all values, in the same transaction as the rows."""
    asked = []
    for name in map(quoted, names):
        asked += [f"max(typeof({name}) = '{kind}')" for kind in _TYPES]
        asked.append(f"max(typeof({name}) = 'integer' AND ({name} > {_EXACT} OR {name} < -{_EXACT}))")
    answers = base.execute(selected(query.text, ", ".join(asked)) + where, past.after).fetchone()
    step = len(_TYPES) + 1
    return {
        name: _type(name, answers[place * step : (place + 1) * step], past.types.get(name), query)
        for place, name in enumerate(names)
    }


def _type(name: str, answer: Sequence[int | None], known: pl.DataType | None, query: Query) -> pl.DataType:
    found = {kind for kind, there in zip(_TYPES, answer, strict=False) if there}
    if found == {"integer", "real"}:
        if answer[-1]:
            what = f"{name} has fractions and whole numbers beyond 2^53, which no one type holds"
            raise RowsUnfit(what, where=query.where, mend=f"CAST({name} AS TEXT), or AS INTEGER")
        return pl.Float64()
    if len(found) > 1:
        what = f"{name} has values of several types: {', '.join(sorted(found))}"
        raise RowsUnfit(what, where=query.where, mend=f"CAST({name} AS TEXT) in the query")
    if not found:
        return known or pl.String()
    (kind,) = found
    if kind == "integer" and known == pl.Float64() and not answer[-1]:
        return pl.Float64()
    return _TYPES[kind]
