"""The catalogue in PostgreSQL: the SQL text of the reader on psycopg, the writer's transactions one at a time a project.

Neither the address's password nor the address as it was written ever gets into an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from shipway.kernel.errors import ShipwayError
from shipway.store._postgres_faults import fault_of
from shipway.store._reader import Value
from shipway.store._types import CatalogueAddress

if TYPE_CHECKING:
    from psycopg import Connection
    from sqlalchemy import Engine

    from shipway.store._catalogue import Writer

BUSY_SECONDS = 20  # as with SQLite: a writer holds its project for milliseconds
_CONNECT_SECONDS = 10
_SILENCE_MS = 30_000  # of a peer that neither answers nor refuses; then the connection counts as lost
_NAMED = re.compile(r"(?<![:\w]):([a-z_]+)")


class PostgresCatalogue:
    """PostgreSQL 13 or later at a libpq address. Connects when it is first asked. Raises CatalogueAddress."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._address = _parse(url)
        self.where = self._address.shown

    def query(self, sql: str, parameters: Mapping[str, Value]) -> Sequence[Sequence[Value]]:
        """A connection that was lost while nothing ran, as when the server was started again, is made once more."""
        held = self.__dict__.get("_reading")
        with self._told():
            try:
                return self._run(sql, parameters)
            except Exception:
                if held is None or not held.closed:
                    raise
            del self.__dict__["_reading"]
            return self._run(sql, parameters)

    def _run(self, sql: str, parameters: Mapping[str, Value]) -> list[tuple[Value, ...]]:
        text = _for_psycopg(sql).encode()
        return cast("list[tuple[Value, ...]]", self._reading.execute(text, parameters).fetchall())

    def writer(self, project: str) -> Writer:
        from shipway.store._catalogue import Writer

        return Writer(self._engine, project, faults=lambda problem: fault_of(problem, where=self.where))

    def revision(self) -> str | None:
        found = self.query("SELECT to_regclass('alembic_version') IS NOT NULL", {})
        rows = self.query("SELECT version_num FROM alembic_version", {}) if found[0][0] else []
        return str(rows[0][0]) if rows else None

    def migrate(self, objects: Path) -> None:
        from shipway.store._migrate import migrate

        with self._told():
            migrate(self._engine, objects)

    def again(self) -> PostgresCatalogue:
        return PostgresCatalogue(self._url)

    def close(self) -> None:
        reading, engine = self.__dict__.pop("_reading", None), self.__dict__.pop("_engine", None)
        if reading is not None:
            reading.close()
        if engine is not None:
            engine.dispose()

    @cached_property
    def _reading(self) -> Connection[tuple[object, ...]]:
        connection = self._connect()
        connection.autocommit = True
        connection.execute("SET default_transaction_read_only = on")
        return connection

    @cached_property
    def _engine(self) -> Engine:
        """One connection, looked at before each transaction: one that was lost while nothing ran costs nobody an error."""
        from sqlalchemy import create_engine, event

        engine = create_engine(
            "postgresql+psycopg://",
            creator=self._connect,
            isolation_level="READ COMMITTED",
            pool_size=1,
            max_overflow=0,
            pool_pre_ping=True,
            hide_parameters=True,
        )
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(_LIMITS))
        return engine

    def _connect(self) -> Connection[tuple[object, ...]]:
        import psycopg

        return cast("Connection[tuple[object, ...]]", psycopg.connect(**self._address.settings))  # type: ignore[arg-type]

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except ShipwayError:
            raise
        except Exception as problem:
            fault = fault_of(problem, where=self.where)
            if fault:
                raise fault from problem
            raise


# READ COMMITTED is enough because a transaction holds its project's lock from its first statement: see design 028
_LIMITS = f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'; SET LOCAL idle_in_transaction_session_timeout = '60s'"


class _Address(NamedTuple):
    """What libpq takes, and what may be shown of it."""

    settings: dict[str, str]
    shown: str


def _parse(url: str) -> _Address:
    """Raises CatalogueAddress, which never repeats what was given: it may hold the password."""
    mend = "SHIPWAY_CATALOGUE is postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
    if not url.startswith(("postgresql://", "postgres://")):
        raise CatalogueAddress("the catalogue's address does not begin with postgresql://", mend=mend)
    try:
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        raise CatalogueAddress("a catalogue in PostgreSQL needs psycopg", mend='pip install "shipway[postgres]"') from None
    given: dict[str, str] = {}
    with suppress(Exception):
        given = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    if not given.get("dbname"):
        raise CatalogueAddress("the catalogue's address cannot be read, or names no database", mend=mend) from None
    host, port = given.get("host", ""), given.get("port", "5432")
    shown = f"postgresql://{'local' if host.startswith('/') or not host else host}:{port}/{given['dbname']}"
    limits = {"connect_timeout": str(_CONNECT_SECONDS), "tcp_user_timeout": str(_SILENCE_MS), "application_name": "shipway"}
    return _Address({**limits, "client_encoding": "utf8", **given}, shown)


@lru_cache(maxsize=128)
def _for_psycopg(sql: str) -> str:
    """Named parameters as psycopg writes them.

    >>> _for_psycopg("SELECT x::text FROM t WHERE a = :a AND b < :b")
    'SELECT x::text FROM t WHERE a = %(a)s AND b < %(b)s'
    """
    return _NAMED.sub(r"%(\1)s", sql)
