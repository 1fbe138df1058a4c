"""The catalogue's writes, in SQLAlchemy Core: each public method is one transaction, old or new whatever is killed when."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from shipway.kernel import media
from shipway.kernel.canonical import JsonObject, canonical_json
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.store import _tables as tables
from shipway.store._migrations import KNOWN
from shipway.store._types import (
    Edge,
    EvidenceRow,
    EvidenceSeen,
    NewAudit,
    RefMoved,
    RevocationArrived,
    StateConflict,
    newer,
    refuse_unfit,
)

POLICY = "policy/main"  # the ref whose object judges every move
# the first is what a migration takes alone: nobody writes in the manner of a revision that has passed
_LOCK = text(
    "SELECT pg_advisory_xact_lock_shared(hashtextextended('shipway catalogue', 0)),"
    " pg_advisory_xact_lock(hashtextextended('shipway ' || :project, 0))"
)
_REVISION = text("SELECT version_num FROM alembic_version")


class Writer:
    """All writes of one project. faults: the error for what the driver raised, None for a fault of ours."""

    def __init__(self, engine: Engine, project: str, *, faults: Callable[[Exception], ShipwayError | None], where: str) -> None:
        self._engine, self._project, self._faults, self._where = engine, project, faults, where

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """One writer of a project at a time: SQLite's transactions begin so, PostgreSQL's take the project's lock first.

        Raises StoreNewer when a newer Shipway has migrated the catalogue since it was opened.
        """
        try:
            with self._engine.begin() as connection:
                if connection.dialect.name == "postgresql":
                    connection.execute(_LOCK, {"project": self._project})
                revision = connection.execute(_REVISION).scalar()
                if revision not in KNOWN:
                    raise newer(str(revision), self._where)
                yield connection
        except DBAPIError as problem:
            fault = self._faults(problem)
            if fault:
                raise fault from problem
            raise

    def move(
        self, record: NewAudit, *, expected: Digest | None, policy: str | None = None, seen: EvidenceSeen | None = None
    ) -> int:
        """Put the ref `record.resource` from `expected` to `record.target` and keep the record.

        policy: the one that judged; another one in force by now has not. seen: what judged had seen; a revocation about it that
        came since was not among it. Raises RefMoved, RevocationArrived.
        """
        assert record.target is not None
        with self._transaction() as connection:
            where = (tables.ref.c.project == self._project) & (tables.ref.c.name == record.resource)
            found = connection.execute(select(tables.ref.c.digest, tables.ref.c.audit).where(where)).first()
            if (found.digest if found else None) != expected:
                raise self._moved(connection, record.resource, found.audit if found else None)
            self._same_policy(connection, record.resource, policy)
            if seen:
                self._nothing_revoked(connection, record.resource, seen)
            number = self._audit(connection, record)
            values = {"digest": record.target, "audit": number}
            if found:
                connection.execute(update(tables.ref).where(where).values(**values))
            else:
                connection.execute(insert(tables.ref).values(project=self._project, name=record.resource, **values))
            return number

    def _same_policy(self, connection: Connection, resource: str, judged_by: str | None) -> None:
        """A policy that came into force between the judgement and the move has not judged it."""
        where = (tables.ref.c.project == self._project) & (tables.ref.c.name == POLICY)
        in_force = connection.execute(select(tables.ref.c.digest).where(where)).scalar()
        if judged_by and in_force and resource != POLICY and in_force != judged_by:
            raise RefMoved(f"the policy changed while {resource} was judged", where=resource, mend="apply again")

    def _nothing_revoked(self, connection: Connection, resource: str, seen: EvidenceSeen) -> None:
        """Revocations alone: what else arrives can wait for the next judgement, and must not make this one begin again.

        A row without a predicate may be one. Whether its signature counts is not asked here, but by whoever judges again.
        """
        table = tables.evidence.c
        about = (table.project == self._project) & table.subject.in_(seen.subjects) & (table.id > seen.last)
        late = select(table.subject).where(about & table.predicate.in_((media.REVOCATION_PREDICATE, ""))).limit(1)
        subject = connection.execute(late).scalar()
        if subject:
            what = f"{subject} was revoked, or its revocation lifted, while {resource} was judged"
            raise RevocationArrived(what, where=resource, mend="apply again")

    def record(self, record: NewAudit) -> int:
        """Keep an audit record that moves nothing: a refused move, an approval."""
        with self._transaction() as connection:
            return self._audit(connection, record)

    def add_evidence(self, row: EvidenceRow) -> None:
        """Index a statement; adding it twice is no error."""
        values = {
            "project": self._project,
            "envelope": row.envelope,
            "subject": row.subject,
            "predicate": row.predicate,
            "name": row.name,
            "at": instant(row.at),
        }
        refuse_unfit(values.values())
        try:
            with self._transaction() as connection:
                connection.execute(insert(tables.evidence).values(**values))
        except IntegrityError:
            return

    def put_state(self, kind: str, rows: Mapping[str, JsonObject], *, now: str, expected: int | None) -> None:
        """Write rows of one kind in one transaction; `expected`: the version of a single row (0: new). Raises StateConflict."""
        table = tables.state
        refuse_unfit(rows)
        with self._transaction() as connection:
            for key, value in rows.items():
                where = (table.c.project == self._project) & (table.c.kind == kind) & (table.c.key == key)
                version = connection.execute(select(table.c.version).where(where)).scalar()
                if expected is not None and (version or 0) != expected:
                    raise StateConflict(f"{kind} {key} is at version {version or 0}, not {expected}")
                values = {"value": canonical_json(value).decode(), "version": (version or 0) + 1, "updated": now}
                if version is None:
                    connection.execute(insert(table).values(project=self._project, kind=kind, key=key, **values))
                else:
                    connection.execute(update(table).where(where).values(**values))

    def delete_state(self, kind: str, key: str) -> None:
        table = tables.state
        with self._transaction() as connection:
            connection.execute(
                delete(table).where((table.c.project == self._project) & (table.c.kind == kind) & (table.c.key == key))
            )

    def add_edges(self, edges: list[Edge]) -> None:
        """Lineage; adding an edge twice is no error."""
        sql = text(
            "INSERT INTO edge (project, source, target, role) VALUES (:project, :source, :target, :role) ON CONFLICT DO NOTHING"
        )
        rows = [{"project": self._project, "source": e.source, "target": e.target, "role": e.role} for e in edges]
        if rows:
            with self._transaction() as connection:
                connection.execute(sql, rows)

    def _audit(self, connection: Connection, record: NewAudit) -> int:
        values = {name: getattr(record, name) for name in record.__slots__} | {
            "at": instant(record.at),
            "project": self._project,
        }
        refuse_unfit(values.values())
        key = connection.execute(insert(tables.audit).values(**values)).inserted_primary_key
        assert key is not None
        return int(key[0])

    def _moved(self, connection: Connection, name: str, number: int | None) -> RefMoved:
        found = connection.execute(select(tables.audit).where(tables.audit.c.id == number)).first() if number else None
        by = f"{found.actor} moved it at {found.at}" if found else "it does not exist"
        return RefMoved(
            f"{name} is not where it was when this began: {by}", where=name, mend="look at the plan again, then apply again"
        )
