"""A snapshot of a query's rows: read once in order, checked as they come, cut, and named when all of them are there."""

from __future__ import annotations

import io
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass

import polars as pl

from shipway.data._errors import DataEmpty, RowsUnfit, SourceChanged
from shipway.data._snapshot import Snapshot, object_file, snapshot_files
from shipway.data.sql._address import Address
from shipway.data.sql._cut import cut_rows, place_name
from shipway.data.sql._query import Past, Query
from shipway.kernel import media
from shipway.kernel.digest import Digest, digest_bytes
from shipway.store import Store, TreeFile, while_working

Keep = Callable[[bytes], Digest]
Reader = Callable[[Address, Query, Past], Generator[pl.DataFrame]]
_APPENDED = "part-"


@dataclass(frozen=True, slots=True)
class Taken:
    """A snapshot of a query, and how many rows were read for it."""

    snapshot: Snapshot
    rows: int


@while_working
def take_query(
    store: Store,
    address: Address,
    query: Query,
    *,
    name: str,
    before: Digest | None = None,
    report: Callable[[str, int], None] | None = None,
) -> Taken:
    """Keep the rows of a query as Parquet files and their snapshot; files that are as before keep their digests.

    name: of the data set, for messages. before: the snapshot to append to, for a query with a watermark; without it all rows
    are read. report: called with name and size after each file. Raises SourceDown, QueryRefused, RowsUnfit, SourceChanged,
    DataEmpty, StoreFull; then nothing has a name.
    """
    found = _Files(store, name, report, lambda data: store.put_bytes(data, media.PARQUET).digest)
    files = found.read(address, query, before)
    if not files:
        what = f"the query of {name} gives no rows, and a data set is not emptied by a query that fails quietly"
        raise DataEmpty(what, where=query.where, mend="look at what the query gives for the user under `from`")
    root = store.put_listing(files)
    size = sum(file.size for file in files)
    digest = store.put({"kind": "snapshot", "version": 1, "root": root.to_json(), "files": len(files), "bytes": size})
    return Taken(Snapshot(digest, len(files), size, found.made), found.rows)


def measure_query(
    store: Store, address: Address, query: Query, *, name: str, before: Digest | None = None
) -> tuple[TreeFile, ...]:
    """The files that take_query would make now; nothing is kept. Raises as that."""
    return tuple(_Files(store, name, None, digest_bytes).read(address, query, before))


def stream_query(address: Address, query: Query) -> Generator[pl.DataFrame]:
    """As read_rows, each place of the order once: some thousand rows at a time, in one transaction that lasts until the last is
    taken; the first batch also where there are none. Raises SourceDown, QueryRefused, RowsUnfit, also in the middle.
    """
    previous: tuple[object, ...] | None = None
    with closing(read_rows(address, query)) as batches:
        for batch in batches:
            if batch.height:
                _check_order(batch, query, previous)
                previous = batch.select(query.order).row(-1)
            yield batch


class _Files:
    """Makes the files of one reading. rows: that were read; made: bytes of Parquet."""

    def __init__(self, store: Store, name: str, report: Callable[[str, int], None] | None, keep: Keep) -> None:
        self._store, self._name, self._report, self._keep = store, name, report, keep
        self.rows = self.made = 0

    def read(self, address: Address, query: Query, before: Digest | None) -> list[TreeFile]:
        old = self._appended(before, query) if before and query.watermark else []
        last = pl.read_parquet(object_file(self._store, old[-1], name=self._name), glob=False) if old else None
        past = Past(last.select(query.order).row(-1), dict(last.schema)) if last is not None else Past()
        files = old[:-1]
        with closing(_reader(address)(address, query, past)) as batches:
            checked = self._checked(batches, query, last)
            for piece in cut_rows(checked, query.order):
                path = place_name(piece, query.key) if query.key else f"{_APPENDED}{len(files) + 1:06}.parquet"
                files.append(self._file(path, piece))
        return sorted(files, key=lambda file: file.path)

    def _file(self, path: str, piece: pl.DataFrame) -> TreeFile:
        out = io.BytesIO()
        piece.write_parquet(out, compression="zstd", row_group_size=piece.height)
        data = out.getvalue()
        self.made += len(data)
        if self._report:
            self._report(path, len(data))
        return TreeFile(path, self._keep(data), len(data), False)

    def _appended(self, before: Digest, query: Query) -> list[TreeFile]:
        files = list(snapshot_files(self._store, before))
        if not all(file.path.startswith(_APPENDED) for file in files):
            what = f"the last snapshot of {self._name} is not one that rows were appended to"
            raise SourceChanged(what, where=query.where, mend=f"read all rows: shipway data snapshot {self._name} --whole")
        return files

    def _checked(self, batches: Iterator[pl.DataFrame], query: Query, last: pl.DataFrame | None) -> Iterator[pl.DataFrame]:
        """The rows of the file that is continued, then the new ones, each looked at."""
        previous: tuple[object, ...] | None = None
        if last is not None:
            yield last
        for batch in batches:
            if last is not None and batch.schema != last.schema:
                self._refuse_types(batch.schema, last.schema, query)
            self.rows += batch.height
            if batch.height:
                _check_order(batch, query, previous)
                previous = batch.select(query.order).row(-1)
                yield batch

    def _refuse_types(self, now: Mapping[str, pl.DataType], then: Mapping[str, pl.DataType], query: Query) -> None:
        names = [name for name in {**then, **now} if now.get(name) != then.get(name)]
        words = f"{names[0]} is {now.get(names[0], 'gone')}, was {then.get(names[0], 'not there')}" if names else "their order"
        what = f"the columns of {self._name} are not those of its last snapshot: {words}"
        raise SourceChanged(what, where=query.where, mend=f"read all rows: shipway data snapshot {self._name} --whole")


def _check_order(batch: pl.DataFrame, query: Query, previous: tuple[object, ...] | None) -> None:
    """No null in what orders the rows, and of a key each once; equal ones come one after the other."""
    for name in query.order:
        if batch[name].null_count():
            word = "key" if query.key else "watermark"
            mend = f"leave such rows out: WHERE {name} IS NOT NULL, or take another {word}"
            raise RowsUnfit(f"{name}, of the {word}, is null in a row", where=query.where, mend=mend)
        if query.watermark and batch[name].dtype in (pl.Datetime("ns"), pl.Time()):
            what = f"{name} is a time of a kind by which it cannot be said what came later"
            raise RowsUnfit(what, where=query.where, mend="take a timestamp in microseconds, a date or a number as watermark")
    if not query.key:
        return
    keys = batch.select(query.key)
    same = keys.with_columns(pl.all().eq_missing(pl.all().shift(1)))[1:].select(pl.all_horizontal(pl.all())).to_series()
    twice = keys.row(int(same.arg_true()[0])) if same.any() else keys.row(0) if previous == keys.row(0) else None
    if twice is not None:
        words = ", ".join(f"{name} {str(value)[:60]}" for name, value in zip(query.key, twice, strict=True))
        what = f"the key does not tell rows apart: {words} is there more than once"
        raise RowsUnfit(what, where=query.where, mend="key: [COLUMNS] that do, or a query with each once")


def read_rows(address: Address, query: Query, *, after: tuple[object, ...] = ()) -> Generator[pl.DataFrame]:
    """The rows of a query in its order, those after a place of it alone where one is given; nothing is kept.

    Close it when not all are read. Raises SourceDown, QueryRefused, RowsUnfit.
    """
    with closing(_reader(address)(address, query, Past(after))) as batches:
        yield from batches


def _reader(address: Address) -> Reader:
    """The one for this kind of database; its driver is imported when it is first asked for rows."""
    if address.kind == "postgresql":
        from shipway.data.sql._postgres import read_postgres

        return read_postgres
    if address.kind == "duckdb":
        from shipway.data.sql._duckdb import read_duckdb

        return read_duckdb
    from shipway.data.sql._sqlite import read_sqlite

    return read_sqlite
