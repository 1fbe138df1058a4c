"""Index versions in PostgreSQL with pgvector: two tables a version, written in one transaction, searched exactly.

pgvector's own filter after an approximate scan returns short lists without a word. That cannot happen here: up to
`exact_up_to` allowed rows are scanned, more go through HNSW with an iterative scan, and a list that is still short is scanned.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import Identifier
from psycopg.types.json import Jsonb

from shipway.kernel.digest import Digest, digest_bytes
from shipway.rag._pgtables import (
    Connection,
    copy_members,
    copy_vectors,
    create_tables,
    index_tables,
    iterates,
    members_table,
    sql,
    vectors_table,
)
from shipway.rag._remote import (
    StoreDown,
    StoreLimit,
    StoreRefused,
    check_query,
    check_rows,
    index_missing,
    pick,
    sees,
    words_of,
)
from shipway.rag._types import Groups, Hit, Member

EXACT_UP_TO = 50_000  # allowed rows; a scan of as many of 384 numbers takes about 20 ms, and is right
LAYOUT = 1  # of the tables below; a version of another layout is not there for us
_REGISTRY = "shipway_rag"
_MOST_DIMENSIONS = 16_000  # of a `vector`
_MOST_INDEXED = 2_000  # dimensions that pgvector's HNSW takes
_CONNECT, _LOCK = 5, 60  # seconds

_T = TypeVar("_T")


class _Version(NamedTuple):
    """What the registry knows of a version. sets: each distinct list of groups, by its number, and how many rows carry it."""

    tag: str
    dimension: int
    rows: int
    indexed: bool
    sets: tuple[tuple[tuple[str, ...], int], ...]

    def allowed(self, groups: Groups) -> tuple[list[int], int]:
        """The numbers of the sets that a reader may see, and the rows that they have together."""
        numbers = [number for number, (access, _) in enumerate(self.sets) if sees(access, groups)]
        return numbers, sum(self.sets[number][1] for number in numbers)


class PgvectorStore:
    """IndexStore in PostgreSQL 13 or later with the extension `vector`. Safe for several threads; connects when first used.

    url: of libpq, `postgresql://user@host/database`; password: the value of a secret, resolved by the caller; neither is shown
    in an error. project: whose versions these are; two projects may share a database. exact_up_to: allowed rows that a dense
    search still scans one by one; a version with more gets an HNSW index. timeout: seconds that one search may take.
    Raises StoreDown, StoreRefused, StoreLimit, IndexMissing.
    """

    def __init__(
        self, url: str, *, project: str, password: str | None = None, exact_up_to: int = EXACT_UP_TO, timeout: float = 10.0
    ) -> None:
        self._settings, self.where = _settings(url, password)
        self._project, self._exact_up_to, self._timeout = project, exact_up_to, timeout
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._known: dict[Digest, _Version] = {}

    def write(self, version: Digest, members: Sequence[Member], vectors: NDArray[np.float32]) -> None:
        """Write a version: all of it becomes visible with one commit, or none of it. Two writers take turns."""
        check_rows(members, vectors)
        if vectors.shape[1] > _MOST_DIMENSIONS:
            raise StoreLimit(f"pgvector holds {_MOST_DIMENSIONS} dimensions, not {vectors.shape[1]}", where=self.where)
        with self._faults(version), self._connect() as connection:
            self._prepare(connection)
            with connection.transaction():
                connection.execute(f"SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '{_LOCK}s'")
                connection.execute("SELECT pg_advisory_xact_lock(%s)", [int(self._tag(version)[:15], 16)])
                if self._load(connection, version) is None:
                    self._fill(connection, version, members, vectors)

    def has(self, version: Digest) -> bool:
        return self._read(version, lambda connection: self._load(connection, version)) is not None

    def dense(self, version: Digest, query: NDArray[np.float32], k: int, groups: Groups) -> list[Hit]:
        """The k nearest by cosine; exact, except above `exact_up_to` allowed rows, where the HNSW index chooses."""

        def search(connection: Connection) -> list[Hit]:
            found = self._version(connection, version)
            check_query(query, found.dimension, where=self.where)
            sets, rows = found.allowed(groups)
            wanted = min(k, rows)
            if wanted <= 0:
                return []
            if found.indexed and rows > self._exact_up_to:
                hits = _nearby(connection, found, query, wanted, sets)
                if len(hits) == wanted:
                    return hits
            return _nearest(connection, found, query, wanted, sets)

        return self._read(version, search)

    def text(self, version: Digest, query: str, k: int, groups: Groups) -> list[Hit]:
        """The k members that match any word of the query best by ts_rank, English stems and stop words."""
        words = " or ".join(f'"{word}"' for word in words_of(query))

        def search(connection: Connection) -> list[Hit]:
            found = self._version(connection, version)
            sets, rows = found.allowed(groups)
            if not words or k <= 0 or rows == 0:
                return []
            statement = sql(
                "SELECT number, ts_rank(search, terms, 1) AS score"
                " FROM {table}, websearch_to_tsquery('english', %(words)s) AS terms"
                " WHERE search @@ terms AND access = ANY(%(sets)s) ORDER BY score DESC, number LIMIT %(k)s",
                table=members_table(found.tag),
            )
            return _hits(connection.execute(statement, {"words": words, "sets": sets, "k": k}).fetchall())

        return self._read(version, search)

    def members(self, version: Digest, numbers: Sequence[int]) -> list[Member]:
        """The members with these numbers, in the order asked for. Raises IndexError for a number that the version has not."""

        def fetch(connection: Connection) -> list[Member]:
            found = self._version(connection, version)
            statement = sql(
                "SELECT number, document, document_digest, chunk, body, heading, first, past, access"
                " FROM {table} WHERE number = ANY(%s)",
                table=members_table(found.tag),
            )
            rows = connection.execute(statement, [list(numbers)]).fetchall()
            known = {int(str(row[0])): _member(row[1:8], found.sets[int(str(row[8]))][0]) for row in rows}
            return pick(known, numbers)

        return self._read(version, fetch)

    def drop(self, version: Digest) -> None:
        """Remove a version, its tables with their indexes; no error when it is not there."""
        tag = self._tag(version)

        def remove(connection: Connection) -> None:
            if self._load(connection, version) is None:
                return
            with connection.transaction():
                where = {"project": self._project, "version": version}
                registry = Identifier(_REGISTRY)
                connection.execute(
                    sql("DELETE FROM {registry} WHERE project = %(project)s AND version = %(version)s", registry=registry),
                    where,
                )
                connection.execute(sql("DROP TABLE IF EXISTS {v}, {m}", v=vectors_table(tag), m=members_table(tag)))

        self._read(version, remove)
        self._known.pop(version, None)

    def close(self) -> None:
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    def _tag(self, version: Digest) -> str:
        """Forty digits that name a version of this project and layout in a table's name, which holds 63 bytes."""
        return digest_bytes(f"{LAYOUT}\n{self._project}\n{version}".encode())[7:47]

    def _connect(self) -> Connection:
        connection = psycopg.connect(**self._settings, autocommit=True)  # type: ignore[arg-type]
        connection.execute(
            f"SET jit = off; SET statement_timeout = {int(self._timeout * 1000)}"
        )  # compiling costs more than a search
        return connection

    def _read(self, version: Digest, work: Callable[[Connection], _T]) -> _T:
        """Do it on a connection that nobody uses now; one that broke since its last use is replaced once."""
        with self._faults(version):
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is not None:
                try:
                    return self._use(connection, work)
                except (psycopg.OperationalError, psycopg.InterfaceError):
                    if not connection.closed:
                        raise
            return self._use(self._connect(), work)

    def _use(self, connection: Connection, work: Callable[[Connection], _T]) -> _T:
        """Do it, and keep the connection for the next one unless it is broken."""
        try:
            return work(connection)
        finally:
            if not connection.closed:
                with self._lock:
                    self._idle.append(connection)

    @contextmanager
    def _faults(self, version: Digest) -> Iterator[None]:
        """What PostgreSQL says when it cannot go on, in our own errors."""
        try:
            yield
        except errors.UndefinedTable as problem:  # dropped by another process since we looked
            self._known.pop(version, None)
            raise index_missing(version, where=self.where) from problem
        except (errors.InsufficientPrivilege, errors.FeatureNotSupported, errors.UndefinedFile) as problem:
            mend = "CREATE EXTENSION vector as its owner, and GRANT CREATE on the schema to the user of the url"
            raise StoreRefused(f"PostgreSQL refused: {_said(problem)}", where=self.where, mend=mend) from problem
        except (psycopg.DataError, errors.ProgramLimitExceeded, UnicodeEncodeError) as problem:
            raise StoreLimit(f"PostgreSQL cannot hold this version: {_said(problem)}", where=self.where) from problem
        except (psycopg.OperationalError, psycopg.InterfaceError) as problem:
            mend = "start the database or check the url of the index, then run this again"
            raise StoreDown(f"PostgreSQL does not answer: {_said(problem)}", where=self.where, mend=mend) from problem

    def _version(self, connection: Connection, version: Digest) -> _Version:
        """What the registry says, kept: a version never changes."""
        found = self._known.get(version) or self._load(connection, version)
        if found is None:
            raise index_missing(version, where=self.where)
        self._known[version] = found
        return found

    def _load(self, connection: Connection, version: Digest) -> _Version | None:
        if connection.execute("SELECT to_regclass(%s)", [_REGISTRY]).fetchone() == (None,):
            return None
        statement = sql(
            "SELECT dimension, members, indexed, sets FROM {registry} WHERE project = %s AND version = %s AND layout = %s",
            registry=Identifier(_REGISTRY),
        )
        row = connection.execute(statement, [self._project, version, LAYOUT]).fetchone()
        if row is None:
            return None
        sets = tuple((tuple(access), rows) for access, rows in _pairs(row[3]))
        return _Version(self._tag(version), int(str(row[0])), int(str(row[1])), bool(row[2]), sets)

    def _prepare(self, connection: Connection) -> None:
        """The extension and the registry, once; under a lock, since two `IF NOT EXISTS` at once still collide."""
        if connection.execute("SELECT to_regclass(%s)", [_REGISTRY]).fetchone() != (None,):
            return
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [_REGISTRY])
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            connection.execute(
                sql(
                    "CREATE TABLE IF NOT EXISTS {registry} (project text, version text, layout int NOT NULL,"
                    " dimension int NOT NULL, members int NOT NULL, indexed bool NOT NULL, sets jsonb NOT NULL,"
                    " written timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (project, version, layout))",
                    registry=Identifier(_REGISTRY),
                )
            )

    def _fill(self, connection: Connection, version: Digest, members: Sequence[Member], vectors: NDArray[np.float32]) -> None:
        """The tables of one version, their rows, their indexes, and the line in the registry that makes them one."""
        tag, dimension = self._tag(version), vectors.shape[1]
        rows = list(members)
        sets = sorted({member.access for member in rows})
        place = {access: number for number, access in enumerate(sets)}
        access = np.array([place[member.access] for member in rows], dtype=np.int32)
        create_tables(connection, tag, dimension)
        copy_vectors(connection, tag, vectors, access)
        copy_members(connection, tag, rows, access)
        indexed = len(rows) > self._exact_up_to and dimension <= _MOST_INDEXED and iterates(connection)
        index_tables(connection, tag, indexed=indexed)
        counts = np.bincount(access, minlength=len(sets)).tolist()
        connection.execute(
            sql(
                "INSERT INTO {registry} (project, version, layout, dimension, members, indexed, sets)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s)",
                registry=Identifier(_REGISTRY),
            ),
            [self._project, version, LAYOUT, dimension, len(rows), indexed, Jsonb(list(zip(sets, counts, strict=True)))],
        )


def _settings(url: str, password: str | None) -> tuple[dict[str, str | int], str]:
    """What libpq needs, and the name of the database that may be shown."""
    try:
        settings: dict[str, str | int] = {key: value for key, value in conninfo_to_dict(url).items() if value is not None}
    except psycopg.ProgrammingError:
        mend = "write postgresql://user@host:5432/database"
        raise StoreRefused("the url of the index is not one that PostgreSQL understands", mend=mend) from None
    if password is not None:
        settings["password"] = password
    settings = {"connect_timeout": _CONNECT, "application_name": "shipway", **settings}
    host = settings.get("host") or settings.get("hostaddr") or "local socket"
    return settings, f"postgresql {host}/{settings.get('dbname', '')}"


def _said(problem: Exception) -> str:
    return str(problem).strip().split("\n")[0][:300]


def _written(query: NDArray[np.float32]) -> str:
    return "[" + ",".join(map(repr, query.tolist())) + "]"


def _nearest(connection: Connection, found: _Version, query: NDArray[np.float32], k: int, sets: list[int]) -> list[Hit]:
    """Every allowed row is compared: `+ 0` hides the order from the HNSW index."""
    statement = sql(
        "SELECT number, 1 - (vector <=> %(query)s::vector) FROM {v} WHERE access = ANY(%(sets)s)"
        " ORDER BY (vector <=> %(query)s::vector) + 0, number LIMIT %(k)s",
        v=vectors_table(found.tag),
    )
    return _hits(connection.execute(statement, {"query": _written(query), "sets": sets, "k": k}).fetchall())


def _nearby(connection: Connection, found: _Version, query: NDArray[np.float32], k: int, sets: list[int]) -> list[Hit]:
    """Through the HNSW index, which goes on until k rows pass the filter; fewer are possible."""
    effort = min(1000, max(100, 4 * k))  # 1000 is the most that hnsw.ef_search takes
    statement = sql(
        "SELECT number, 1 - (vector <=> %(query)s::vector) FROM {v} WHERE access = ANY(%(sets)s)"
        " ORDER BY vector <=> %(query)s::vector LIMIT %(k)s",
        v=vectors_table(found.tag),
    )
    with connection.transaction():
        connection.execute(
            f"SET LOCAL hnsw.iterative_scan = strict_order; SET LOCAL hnsw.ef_search = {effort};"
            f" SET LOCAL hnsw.max_scan_tuples = {max(1, found.rows)}"
        )
        rows = connection.execute(statement, {"query": _written(query), "sets": sets, "k": k}).fetchall()
    return sorted(_hits(rows), key=lambda hit: (-hit.score, hit.number))


def _hits(rows: Sequence[tuple[object, ...]]) -> list[Hit]:
    """A vector of zeros has no direction: its cosine is 0 here, as in numpy, where PostgreSQL says NaN."""
    return [Hit(int(str(number)), float(np.nan_to_num(float(str(score))))) for number, score in rows]


def _member(row: tuple[object, ...], access: tuple[str, ...]) -> Member:
    document, digest, chunk, body, heading, first, past = row
    place = (int(str(first)), int(str(past)))
    return Member(str(document), Digest(str(digest)), Digest(str(chunk)), str(body), str(heading), *place, access)


def _pairs(value: object) -> list[tuple[list[str], int]]:
    """The sets of groups as they are kept in the registry."""
    return value if isinstance(value, list) else []
