"""The catalogue's writes, each one SQL text with named parameters: each public method is one transaction, old or new
whatever is killed when.

As of the reader, the text runs on the driver at hand, so that no write waits for a library. It keeps to what SQLite 3.24 and
PostgreSQL 13 both say. Each costs a question or two by an index, whatever the catalogue holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

from shipway.kernel import media
from shipway.kernel.canonical import JsonObject, canonical_json
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest
from shipway.store._migrations import KNOWN
from shipway.store._reader import Value, find_audit
from shipway.store._types import (
    RefMoved,
    RevocationArrived,
    StateConflict,
    newer,
    refuse_unfit,
)

if TYPE_CHECKING:
    from shipway.store._rows import Edge, EvidenceRow, EvidenceSeen, NewAudit

POLICY = "policy/main"  # the ref whose object judges every move


class Rows(Protocol):
    """The rows of a catalogue inside of one transaction."""

    def __call__(self, sql: str, parameters: Mapping[str, Value]) -> Sequence[Sequence[Value]]: ...
    def each(self, sql: str, parameters: Sequence[Mapping[str, Value]]) -> None: ...


Begin = Callable[[str], AbstractContextManager[Rows]]  # given a project: a transaction that is its only writer


class Writer:
    """All writes of one project. begin: raises the store's errors for what the driver says."""

    def __init__(self, begin: Begin, project: str, *, where: str) -> None:
        self._begin, self._project, self._where = begin, project, where

    @contextmanager
    def _transaction(self) -> Iterator[Rows]:
        """One writer of a project at a time: SQLite's transactions begin so, PostgreSQL's take the project's lock first.

        Raises StoreNewer when a newer Shipway has migrated the catalogue since it was opened.
        """
        with self._begin(self._project) as rows:
            revision = _one(rows("SELECT version_num FROM alembic_version", {}))
            if revision not in KNOWN:
                raise newer(str(revision), self._where)
            yield rows

    def move(
        self, record: NewAudit, *, expected: Digest | None, policy: str | None = None, seen: EvidenceSeen | None = None
    ) -> int:
        """Put the ref `record.resource` from `expected` to `record.target` and keep the record.

        policy: the one that judged; another one in force by now has not. seen: what judged had seen; a revocation about it that
        came since was not among it. Raises RefMoved, RevocationArrived.
        """
        assert record.target is not None
        with self._transaction() as rows:
            ref: dict[str, Value] = {"project": self._project, "name": record.resource}
            found = rows("SELECT digest, audit FROM ref WHERE project = :project AND name = :name", ref)
            if _one(found) != expected:
                raise self._moved(rows, record.resource, found[0][1] if found else None)
            self._same_policy(rows, record.resource, policy)
            if seen:
                self._nothing_revoked(rows, record.resource, seen)
            number = self._audit(rows, record)
            put = (
                "UPDATE ref SET digest = :digest, audit = :audit WHERE project = :project AND name = :name"
                if found
                else "INSERT INTO ref (project, name, digest, audit) VALUES (:project, :name, :digest, :audit)"
            )
            rows(put, {**ref, "digest": record.target, "audit": number})
            return number

    def _same_policy(self, rows: Rows, resource: str, judged_by: str | None) -> None:
        """A policy that came into force between the judgement and the move has not judged it."""
        sql = "SELECT digest FROM ref WHERE project = :project AND name = :name"
        in_force = _one(rows(sql, {"project": self._project, "name": POLICY}))
        if judged_by and in_force and resource != POLICY and in_force != judged_by:
            raise RefMoved(f"the policy changed while {resource} was judged", where=resource, mend="apply again")

    def _nothing_revoked(self, rows: Rows, resource: str, seen: EvidenceSeen) -> None:
        """Revocations alone: what else arrives can wait for the next judgement, and must not make this one begin again.

        A row without a predicate may be one. Whether its signature counts is not asked here, but by whoever judges again.
        """
        if not seen.subjects:
            return
        subjects: dict[str, Value] = {f"s{number}": subject for number, subject in enumerate(seen.subjects)}
        sql = (
            "SELECT subject FROM evidence WHERE project = :project AND id > :last AND predicate IN (:revocation, '')"
            f" AND subject IN ({', '.join(f':{name}' for name in subjects)}) LIMIT 1"
        )
        asked = {"project": self._project, "last": seen.last, "revocation": media.REVOCATION_PREDICATE, **subjects}
        subject = _one(rows(sql, asked))
        if subject:
            what = f"{subject} was revoked, or its revocation lifted, while {resource} was judged"
            raise RevocationArrived(what, where=resource, mend="apply again")

    def record(self, record: NewAudit) -> int:
        """Keep an audit record that moves nothing: a refused move, an approval."""
        with self._transaction() as rows:
            return self._audit(rows, record)

    def add_evidence(self, row: EvidenceRow) -> None:
        """Index a statement; adding it twice is no error."""
        values: dict[str, Value] = {
            "project": self._project,
            "envelope": row.envelope,
            "subject": row.subject,
            "predicate": row.predicate,
            "name": row.name,
            "at": instant(row.at),
        }
        refuse_unfit(values.values())
        with self._transaction() as rows:
            rows(f"{_insert('evidence', values)} ON CONFLICT DO NOTHING", values)

    def put_state(self, kind: str, values: Mapping[str, JsonObject], *, now: str, expected: int | None) -> None:
        """Write rows of one kind in one transaction; `expected`: the version of a single row (0: new). Raises StateConflict."""
        refuse_unfit([kind, *values])
        with self._transaction() as rows:
            for key, value in values.items():
                row: dict[str, Value] = {"project": self._project, "kind": kind, "key": key}
                version = _one(rows(f"SELECT version FROM state {_STATE}", row))
                if expected is not None and (version or 0) != expected:
                    raise StateConflict(f"{kind} {key} is at version {version or 0}, not {expected}")
                row |= {"value": canonical_json(value).decode(), "version": int(version or 0) + 1, "updated": now}
                changed = f"UPDATE state SET value = :value, version = :version, updated = :updated {_STATE}"
                rows(_insert("state", row) if version is None else changed, row)

    def delete_state(self, kind: str, key: str) -> None:
        with self._transaction() as rows:
            rows(f"DELETE FROM state {_STATE}", {"project": self._project, "kind": kind, "key": key})

    def add_edges(self, edges: list[Edge]) -> None:
        """Lineage; adding an edge twice is no error."""
        values = [{"project": self._project, "source": e.source, "target": e.target, "role": e.role} for e in edges]
        if values:
            with self._transaction() as rows:
                rows.each(f"{_insert('edge', values[0])} ON CONFLICT DO NOTHING", values)

    def _audit(self, rows: Rows, record: NewAudit) -> int:
        """Its number: the last one of this resource, as nobody else writes for this project now."""
        values = {name: getattr(record, name) for name in record.__slots__} | {
            "at": instant(record.at),
            "project": self._project,
        }
        refuse_unfit(values.values())
        rows(_insert("audit", values), values)
        last = "SELECT id FROM audit WHERE project = :project AND resource = :resource ORDER BY id DESC LIMIT 1"
        return int(_one(rows(last, {"project": self._project, "resource": record.resource})) or 0)

    def _moved(self, rows: Rows, name: str, number: Value) -> RefMoved:
        found = find_audit(rows, self._project, number) if isinstance(number, int) else None
        by = f"{found.actor} moved it at {instant(found.at)}" if found else "it does not exist"
        return RefMoved(
            f"{name} is not where it was when this began: {by}", where=name, mend="look at the plan again, then apply again"
        )


_STATE = "WHERE project = :project AND kind = :kind AND key = :key"


def _insert(table: str, columns: Iterable[str]) -> str:
    names = list(columns)
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"


def _one(rows: Sequence[Sequence[Value]]) -> Value:
    """The first value of the first row, None without one."""
    return rows[0][0] if rows else None
