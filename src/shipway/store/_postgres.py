"""The catalogue in PostgreSQL: the SQL text of reader and writer on psycopg, the writer's transactions one at a time a project.

Neither the address's password nor the address as it was written ever gets into an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from shipway.kernel.errors import ShipwayError
from shipway.store._catalogue import Rows, Writer
from shipway.store._postgres_faults import fault_of
from shipway.store._reader import Value
from shipway.store._types import CatalogueAddress, revision_of

if TYPE_CHECKING:
    import sqlalchemy
    from psycopg import Connection
    from sqlalchemy import Engine

BUSY_SECONDS = 20  # as with SQLite: a writer holds its project for milliseconds
_CONNECT_SECONDS = 10
_SILENCE_MS = 30_000  # of a peer that neither answers nor refuses; then the connection counts as lost
_NAMED = re.compile(r"(?<![:\w]):([a-z_][a-z_0-9]*)")


class PostgresCatalogue:
    """PostgreSQL 13 or later at a libpq address. Connects when it is first asked. Raises CatalogueAddress."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._address = _parse(url)
        self.where = self._address.shown
        self.place = f"{self.where} {self._address.settings.get('options', '')}"  # with the schema
        self._held: Connection[tuple[object, ...]] | None = None

    def query(self, sql: str, parameters: Mapping[str, Value]) -> Sequence[Sequence[Value]]:
        """A connection that was lost while nothing ran, as when the server was started again, is made once more."""
        held, text = self._held, _for_psycopg(sql).encode()
        with self._told():
            try:
                rows = self._connect().execute(text, parameters).fetchall()
            except Exception:
                if held is None or not held.closed:
                    raise
                rows = self._connect().execute(text, parameters).fetchall()
        return cast("list[tuple[Value, ...]]", rows)

    def writer(self, project: str) -> Writer:
        return Writer(self._write, project, where=self.where)

    def revision(self) -> str | None:
        found = self.query("SELECT to_regclass('alembic_version') IS NOT NULL", {})
        if not found[0][0]:
            return None
        rows = self.query("SELECT version_num FROM alembic_version", {})
        return revision_of(rows[0] if rows else None, where=self.where)

    def migrate(self, objects: Path) -> None:
        from shipway.store._migrate import migrate

        with self._told():
            migrate(self._engine, objects)

    @contextmanager
    def _write(self, project: str) -> Iterator[Rows]:
        """On a connection that was looked at before: what was lost meanwhile costs no error."""
        with self._told():
            held = self._sound()
            with held.transaction():
                held.execute(_LIMITS.encode())
                rows = _Rows(held)
                rows(_LOCK, {"project": project})
                yield rows

    @contextmanager
    def transaction(self, *, alone: bool) -> Iterator[sqlalchemy.Connection]:
        with self._told(), self._engine.begin() as connection:
            connection.exec_driver_sql(_ALONE if alone else _SNAPSHOT)
            yield connection

    @contextmanager
    def hold(self, name: str) -> Iterator[bool]:
        """On a connection of its own, so that the name is free again when this process is gone, in a minute at the latest."""
        import psycopg

        with self._told():
            made = psycopg.connect(**self._address.settings, autocommit=True)  # type: ignore[arg-type]
        with closing(made):
            with self._told():
                made.execute(_NOTICED)
                found = made.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [name]).fetchone()
            yield found == (True,)

    def again(self) -> PostgresCatalogue:
        return PostgresCatalogue(self._url)

    def close(self) -> None:
        engine = self.__dict__.pop("_engine", None)
        if engine is not None:
            engine.dispose()
        if self._held is not None:
            self._held.close()

    def _connect(self) -> Connection[tuple[object, ...]]:
        """The one connection. Between transactions each statement stands alone and may only read."""
        import psycopg

        if self._held is None or self._held.closed:
            made = psycopg.connect(**self._address.settings, autocommit=True)  # type: ignore[arg-type]
            made.isolation_level, made.read_only = psycopg.IsolationLevel.READ_COMMITTED, False  # of transactions
            made.execute("SET default_transaction_read_only = on")
            self._held = cast("Connection[tuple[object, ...]]", made)
        return self._held

    def _sound(self) -> Connection[tuple[object, ...]]:
        """The same connection, after a look: the pool takes what it is given for new."""
        with suppress(Exception):
            self._connect().execute("SELECT 1")
        return self._connect()

    @cached_property
    def _engine(self) -> Engine:
        """SQLAlchemy on that connection, which is looked at before each transaction: what was lost meanwhile costs no error."""
        from sqlalchemy import StaticPool, create_engine, event

        engine = create_engine(
            "postgresql+psycopg://", creator=self._sound, poolclass=StaticPool, pool_pre_ping=True, hide_parameters=True
        )
        event.listen(engine, "begin", _begin)
        event.listen(engine, "checkin", _checkin)
        return engine

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


class _Rows:
    """As Rows."""

    def __init__(self, held: Connection[tuple[object, ...]]) -> None:
        self._held = held

    def __call__(self, sql: str, parameters: Mapping[str, Value]) -> Sequence[Sequence[Value]]:
        cursor = self._held.execute(_for_psycopg(sql).encode(), parameters)
        return cast("list[tuple[Value, ...]]", cursor.fetchall()) if cursor.description else []

    def each(self, sql: str, parameters: Sequence[Mapping[str, Value]]) -> None:
        self._held.cursor().executemany(_for_psycopg(sql).encode(), parameters)


# the first is what a migration takes alone: nobody writes in the manner of a revision that has passed
_LOCK = (
    "SELECT pg_advisory_xact_lock_shared(hashtextextended('shipway catalogue', 0)),"
    " pg_advisory_xact_lock(hashtextextended('shipway ' || :project, 0))"
)
# READ COMMITTED is enough because a transaction holds its project's lock from its first statement: see design 028
_LIMITS = f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'; SET LOCAL idle_in_transaction_session_timeout = '60s'"


# how soon the server sees that a machine is gone which said no goodbye
_NOTICED = "SET tcp_keepalives_idle = 20; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 4"


# a long transaction of all rows, which waits for another catalogue in between
_LONG = "SET LOCAL idle_in_transaction_session_timeout = '30min'"
_ALONE = f"{_LONG}; SELECT pg_advisory_xact_lock(hashtextextended('shipway catalogue', 0))"
_SNAPSHOT = f"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; {_LONG}"


def _begin(connection: sqlalchemy.Connection) -> None:
    """psycopg begins a transaction with the first statement, here the one that limits it."""
    held = connection.connection.dbapi_connection
    if held is not None:
        held.autocommit = False
    connection.exec_driver_sql(_LIMITS)


def _checkin(held: Connection[tuple[object, ...]] | None, _record: object) -> None:
    if held is not None and not held.closed:
        held.autocommit = True


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
