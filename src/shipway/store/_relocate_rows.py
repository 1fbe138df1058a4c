"""All rows of one catalogue brought into another, in one transaction there: history and evidence with their ids, or nothing.

What is there already must be the beginning of what is brought; it is compared row by row and never changed, except for refs,
which follow from their history, and state.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, delete, func, insert, select, text, update

from shipway.store import _tables as tables
from shipway.store._migrations import HEAD, MOVED
from shipway.store._types import HistoryOther, refuse_unfit

_BATCH = 1000  # rows that are read and written at once
_NUMBERED = (tables.audit, tables.evidence)
_ALL = (*_NUMBERED, tables.ref, tables.state, tables.edge)
_EMPTY = "name an empty database, or a schema of its own: ?options=-csearch_path%3DNAME"
_Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """What a catalogue holds after rows were brought to it, counted; new: the records and evidence that were not there."""

    records: int
    evidence: int
    refs: int
    state: int
    edges: int
    new: int


def list_owners(rows: Connection) -> list[str]:
    """The projects that have rows of any kind."""
    found = {str(name) for table in _ALL for name in rows.execute(select(table.c.project).distinct()).scalars()}
    return sorted(found)


def compare(source: Connection, target: Connection, *, where: str) -> None:
    """Whether the history at `where`, of the target, is the beginning of the source's, or goes on where that one ends.

    Raises HistoryOther, which names the first difference.
    """
    strangers = sorted(set(list_owners(target)) - set(list_owners(source)))
    if strangers:
        what = f"the catalogue there holds the history of {strangers[0]}, which this store does not"
        raise HistoryOther(what, where=where, mend=_EMPTY)
    _goes_on(source, target, where)


def publish(source: Connection, target: Connection, *, where: str) -> Rows:
    """Bring every row; whoever reads the target sees none of it before its transaction ends. Raises HistoryOther, TextUnfit."""
    compare(source, target, where=where)
    fenced, goes_on, new = _revision(target).startswith(MOVED), _goes_on(source, target, where), 0
    if not goes_on:  # else it has all of this history, and its refs are further
        new = sum(_append(source, target, table, where) for table in _NUMBERED)
        _put_refs(source, target)
    _put_state(source, target, fenced=fenced)
    _put_edges(source, target)
    _count_on(target)
    if fenced:
        target.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": HEAD})
    for table in () if goes_on else (*_NUMBERED, tables.ref):
        if list(_missing(source, target, table, where)):
            raise HistoryOther(f"the rows of {table.name} did not arrive as they are here", where=where, mend="run it again")
    counts = [_count(target, table) for table in (tables.audit, tables.evidence, tables.ref, tables.state, tables.edge)]
    return Rows(records=counts[0], evidence=counts[1], refs=counts[2], state=counts[3], edges=counts[4], new=new)


def fence(source: Connection) -> None:
    """Nobody writes here any more: see Writer, which asks for the revision."""
    if not _revision(source).startswith(MOVED):
        source.execute(text("UPDATE alembic_version SET version_num = :moved"), {"moved": MOVED + HEAD})


def lift(target: Connection) -> None:
    """Take a fence away that an older Shipway put up, so that the catalogue can be migrated before rows are brought to it."""
    found = _revision(target)
    target.execute(text("UPDATE alembic_version SET version_num = :before"), {"before": found.removeprefix(MOVED)})


def _revision(rows: Connection) -> str:
    return str(rows.execute(text("SELECT version_num FROM alembic_version")).scalar())


def _stream(rows: Connection, table: Table) -> Generator[Row[tuple[object, ...]]]:
    ordered = select(table).order_by(*table.primary_key.columns)
    with closing(rows.execute(ordered, execution_options={"yield_per": _BATCH})) as found:  # a cursor in the server
        yield from found


def _missing(source: Connection, target: Connection, table: Table, where: str) -> Generator[Row[tuple[object, ...]]]:
    """The rows of a table with an order that are not there yet. Raises HistoryOther where those that are there are others."""
    with closing(_stream(target, table)) as there, closing(_stream(source, table)) as here:
        for row in here:
            known = next(there, None)
            if known is None:
                yield row
            elif tuple(known) != tuple(row):
                raise _diverged(table, known, where)
        ahead = next(there, None)
        if ahead is not None:
            raise _diverged(table, ahead, where)


def _goes_on(source: Connection, target: Connection, where: str) -> bool:
    """Whether the target has all of the source's history and more. Raises HistoryOther where neither begins the other."""
    try:
        for table in _NUMBERED:
            _begins(source, target, table, where)
    except HistoryOther:
        for table in _NUMBERED:
            _begins(target, source, table, where)
        return True
    return False


def _begins(source: Connection, target: Connection, table: Table, where: str) -> None:
    """Whether the rows of the target are the first ones of the source. Raises HistoryOther."""
    with closing(_missing(source, target, table, where)) as missing:
        next(missing, None)  # by now all that is there has been compared


def _diverged(table: Table, row: Row[tuple[object, ...]], where: str) -> HistoryOther:
    seen = row._mapping
    name = f"record {seen['id']}" if table is tables.audit else f"evidence {seen['id']}" if "id" in seen else seen["name"]
    what = f"{name} of {seen['project']} there is not what it is here: each has gone on by itself"
    return HistoryOther(what, where=where, mend="go on with one of them; nothing was changed in either")


def _append(source: Connection, target: Connection, table: Table, where: str) -> int:
    count = 0
    for batch in _batches(_missing(source, target, table, where)):
        _insert(target, table, batch)
        count += len(batch)
    return count


def _batches(rows: Iterator[Row[tuple[object, ...]]]) -> Iterator[list[Row[tuple[object, ...]]]]:
    batch: list[Row[tuple[object, ...]]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _insert(target: Connection, table: Table, rows: Sequence[Row[tuple[object, ...]]]) -> None:
    if rows:
        for row in rows:
            refuse_unfit(row)
        target.execute(insert(table), [dict(row._mapping) for row in rows])


def _put_refs(source: Connection, target: Connection) -> None:
    """Refs follow from the history, which is the source's by now."""
    target.execute(delete(tables.ref))
    for batch in _batches(_stream(source, tables.ref)):
        _insert(target, tables.ref, batch)


def _put_state(source: Connection, target: Connection, *, fenced: bool) -> None:
    """State, where the row that was written last counts.

    What is only there stays, unless the target was fenced: then nobody has written there since, and it was deleted here.
    """
    table = tables.state
    there = {_key(row, table): row for row in _stream(target, table)}
    for batch in _batches(_stream(source, table)):
        fresh = []
        for row in batch:
            known = there.pop(_key(row, table), None)
            if known is None:
                fresh.append(row)
            elif fenced or str(known.updated) < str(row.updated):
                target.execute(update(table).where(_is(row, table)).values(dict(row._mapping)))
        _insert(target, table, fresh)
    for row in there.values() if fenced else ():
        target.execute(delete(table).where(_is(row, table)))


def _put_edges(source: Connection, target: Connection) -> None:
    there = {tuple(row) for row in _stream(target, tables.edge)}
    for batch in _batches(_stream(source, tables.edge)):
        _insert(target, tables.edge, [row for row in batch if tuple(row) not in there])


def _key(row: Row[tuple[object, ...]], table: Table) -> _Key:
    return tuple(row._mapping[column.name] for column in table.primary_key.columns)


def _is(row: Row[tuple[object, ...]], table: Table) -> ColumnElement[bool]:
    columns = table.primary_key.columns
    return and_(*(column == value for column, value in zip(columns, _key(row, table), strict=True)))


def _count_on(target: Connection) -> None:
    """Numbers go on after the last one; SQLite looks for itself."""
    if target.dialect.name == "postgresql":
        for table in _NUMBERED:
            name = table.name
            last = f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), max(id)) FROM {name} HAVING max(id) > 0"
            target.execute(text(last))


def _count(rows: Connection, table: Table) -> int:
    return int(rows.execute(select(func.count()).select_from(table)).scalar_one())
