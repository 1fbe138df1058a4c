"""The catalogue in one SQLite file. Reading and writing cost no import of SQLAlchemy: migrations and relocations do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

from shipway.store._catalogue import Rows, Writer
from shipway.store._faults import fault_of
from shipway.store._reader import Value
from shipway.store._types import revision_of

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

BUSY_SECONDS = 20.0  # a writer holds the file for milliseconds; this long means that something hangs


class SqliteCatalogue:
    """One file in WAL mode, one writer at a time."""

    def __init__(self, file: Path) -> None:
        self._file, self.where, self.place = file, str(file), str(file)

    def query(self, sql: str, parameters: Mapping[str, Value]) -> Sequence[Sequence[Value]]:
        with self._told():
            return cast("list[tuple[Value, ...]]", self._reading.execute(sql, dict(parameters)).fetchall())

    def writer(self, project: str) -> Writer:
        return Writer(self._write, project, where=self.where)

    def revision(self) -> str | None:
        if not self._file.exists():
            return None
        connection = sqlite3.connect(f"{self._file.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)
        try:
            with self._told():
                if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
                    return None
                row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        finally:
            connection.close()
        return revision_of(row, where=self.where)

    def migrate(self, objects: Path) -> None:
        from shipway.store._migrate import migrate

        with self._told():
            migrate(self._engine, objects)

    @contextmanager
    def _write(self, _project: str) -> Iterator[Rows]:
        """The write lock is taken at once, so that no transaction fails half-way with busy."""
        with self._told():
            connection = self._writing
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield _Rows(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # of a full disk SQLite has rolled back itself
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def transaction(self, *, alone: bool) -> Iterator[Connection]:  # noqa: ARG002 - whoever begins one here is alone
        with self._told(), self._engine.begin() as connection:
            yield connection

    def hold(self, name: str) -> AbstractContextManager[bool]:  # noqa: ARG002 - a file is one machine's
        return nullcontext(enter_result=True)

    def again(self) -> SqliteCatalogue:
        return SqliteCatalogue(self._file)

    def close(self) -> None:
        for name in ("_reading", "_writing"):
            connection = self.__dict__.pop(name, None)
            if connection is not None:
                connection.close()
        engine = self.__dict__.pop("_engine", None)
        if engine is not None:
            engine.dispose()

    @cached_property
    def _reading(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._there,
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,  # who closes a store may be another than who has read: an application that ends
        )
        connection.execute("PRAGMA query_only = ON")
        return connection

    @cached_property
    def _writing(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._there, uri=True, timeout=BUSY_SECONDS, check_same_thread=False)
        try:
            _prepare(connection, None)
        except BaseException:
            connection.close()
            raise
        return connection

    @property
    def _there(self) -> str:
        """An address that makes no empty file where it is gone."""
        return f"{self._file.absolute().as_uri()}?mode=rw"

    @cached_property
    def _engine(self) -> Engine:
        """Its transactions take the write lock when they begin, so that none fails half-way with busy."""
        from sqlalchemy import URL, create_engine, event

        engine = create_engine(URL.create("sqlite", database=str(self._file)))
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        return engine

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What the driver says of a full disk or a held file, as an error of ours."""
        try:
            yield
        except Exception as problem:
            fault = fault_of(problem, file=self._file)
            if fault:
                raise fault from problem
            raise


class _Rows:
    """As Rows."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __call__(self, sql: str, parameters: Mapping[str, Value]) -> Sequence[Sequence[Value]]:
        return cast("list[tuple[Value, ...]]", self._connection.execute(sql, dict(parameters)).fetchall())

    def each(self, sql: str, parameters: Sequence[Mapping[str, Value]]) -> None:
        self._connection.executemany(sql, [dict(one) for one in parameters])


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={int(BUSY_SECONDS * 1000)}"):
        connection.execute(f"PRAGMA {pragma}")
