"""The catalogue's questions, each one SQL text with named parameters.

The text runs on the driver at hand, `sqlite3` or psycopg, so that reading costs no import of SQLAlchemy. Nothing here writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, cast

from shipway.kernel.canonical import parse_object
from shipway.kernel.clock import parse_instant
from shipway.kernel.digest import Digest
from shipway.store._types import Named, Ref

if TYPE_CHECKING:
    from shipway.store._rows import AuditRecord, Edge, EvidenceRow, StateRow

Value = str | int | None


class Query(Protocol):
    """Runs one SELECT and gives all its rows."""

    def __call__(self, sql: str, parameters: Mapping[str, Value]) -> Sequence[Sequence[Value]]: ...


_DIGITS = re.compile("(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_LAST = "\U0010ffff"  # no text that begins with a prefix comes after the prefix with this
_AUDIT = "SELECT id, at, actor, action, resource, outcome, source, target, verdict, why, release FROM audit"


def find_ref(query: Query, project: str, name: str) -> Ref | None:
    rows = query(
        "SELECT name, digest, audit FROM ref WHERE project = :project AND name = :name", {"project": project, "name": name}
    )
    return _ref(rows[0]) if rows else None


def list_refs(query: Query, project: str, prefix: str) -> list[Ref]:
    sql = "SELECT name, digest, audit FROM ref WHERE project = :project AND name >= :low AND name < :high ORDER BY name"
    return [_ref(row) for row in query(sql, {"project": project, "low": prefix, "high": prefix + _LAST})]


def list_audit(query: Query, project: str, resource: str | None, *, before: int | None, limit: int) -> list[AuditRecord]:
    """Newest first; `before` is an audit id to page on from."""
    where = "project = :project" + (" AND resource = :resource" if resource else "") + (" AND id < :before" if before else "")
    sql = f"{_AUDIT} WHERE {where} ORDER BY id DESC LIMIT :limit"
    values: dict[str, Value] = {"project": project, "limit": limit}
    if resource:
        values["resource"] = resource
    if before:
        values["before"] = before
    return [_audit(row) for row in query(sql, values)]


def find_audit(query: Query, project: str, number: int) -> AuditRecord | None:
    rows = query(f"{_AUDIT} WHERE project = :project AND id = :id", {"project": project, "id": number})
    return _audit(rows[0]) if rows else None


def list_lives(
    query: Query,
    project: str,
    resource: str,
    release: Digest | None,
    *,
    target: Digest | None,
    before: int | None,
    limit: int | None,
) -> list[AuditRecord]:
    """Records of the moves of a ref that were made, newest first. Each is found by an index of such records only."""
    given: dict[str, Value] = {"release": release, "target": target}
    where = ["project = :project", "resource = :resource", "outcome = 'moved'"]
    where += [f"{name} = :{name}" for name, value in given.items() if value] + (["id < :before"] if before else [])
    sql = f"{_AUDIT} WHERE {' AND '.join(where)} ORDER BY id DESC" + (" LIMIT :limit" if limit else "")
    values = {"project": project, "resource": resource, "before": before, "limit": limit} | given
    return [_audit(row) for row in query(sql, {name: value for name, value in values.items() if value is not None})]


def list_targets(query: Query, project: str, *, resources: str, begins: str) -> list[Digest]:
    """Targets that begin with these characters, of records whose resource begins with those."""
    sql = (
        "SELECT DISTINCT target FROM audit WHERE project = :project AND target >= :low AND target < :high"
        " AND resource >= :first AND resource < :last ORDER BY target LIMIT 100"
    )
    values = {"low": begins, "high": begins + _LAST, "first": resources, "last": resources + _LAST}
    return [Digest(str(row[0])) for row in query(sql, {"project": project, **values})]


def place_at(query: Query, project: str, ref: str, at: str) -> tuple[AuditRecord | None, AuditRecord | None]:
    """The move that had put a ref where it was at an instant (as text), and the next move after it.

    The order of moves is that of their ids, whatever the clocks of the machines said: where times go back, a move cannot
    have happened after one that is recorded later, so the newest record whose time is not after the instant counts.
    """
    sql = f"{_AUDIT} WHERE project = :project AND resource = :ref AND outcome = 'moved'"
    values: dict[str, Value] = {"project": project, "ref": ref}
    before = query(f"{sql} AND at <= :at ORDER BY id DESC LIMIT 1", {**values, "at": at})
    place = _audit(before[0]) if before else None
    after = query(f"{sql} AND id > :id ORDER BY id LIMIT 1", {**values, "id": place.id if place else 0})
    return place, _audit(after[0]) if after else None


def list_moves(query: Query, project: str, *, after: int, limit: int) -> list[AuditRecord]:
    """Moves that succeeded, of all refs, oldest first; `after` is an audit id."""
    sql = f"{_AUDIT} WHERE project = :project AND id > :after AND outcome = 'moved' ORDER BY id LIMIT :limit"
    return [_audit(row) for row in query(sql, {"project": project, "after": after, "limit": limit})]


def list_moved(query: Query, project: str, *, after: int) -> list[tuple[Digest, int]]:
    """What refs were moved to after an audit id: each object once, with the id of the newest record that did, by that id."""
    sql = (
        "SELECT target, MAX(id) AS newest FROM audit WHERE project = :project AND id > :after AND outcome = 'moved'"
        " GROUP BY target ORDER BY newest"
    )
    return [(Digest(str(row[0])), cast("int", row[1])) for row in query(sql, {"project": project, "after": after})]


def list_naming(query: Query, project: str, digest: Digest, *, limit: int) -> list[AuditRecord]:
    """Records whose target, verdict or release is this object, newest first."""
    named = "(target = :digest OR verdict = :digest OR release = :digest)"
    sql = f"{_AUDIT} WHERE project = :project AND {named} ORDER BY id DESC LIMIT :limit"
    return [_audit(row) for row in query(sql, {"project": project, "digest": digest, "limit": limit})]


def list_projects(query: Query) -> list[str]:
    return [str(row[0]) for row in query("SELECT DISTINCT project FROM ref ORDER BY project", {})]


def list_evidence(query: Query, project: str, subject: Digest, *, predicate: str | None = None) -> list[EvidenceRow]:
    """Oldest first. A row without a predicate is of an envelope whose type was not understood when it was indexed."""
    wanted = {"project": project, "subject": subject, **({} if predicate is None else {"predicate": predicate})}
    typed = "" if predicate is None else " AND predicate IN (:predicate, '')"
    sql = (
        "SELECT envelope, subject, predicate, name, at FROM evidence"
        f" WHERE project = :project AND subject = :subject{typed} ORDER BY id"
    )
    return [_evidence(row) for row in query(sql, wanted)]


def last_evidence(query: Query, project: str, subject: Digest) -> int:
    """The id of the newest row about a digest, 0 when there is none: one look into the index, however many there are.

    Of one project's rows ids are in the order in which they were committed: its writers come one after another.
    """
    sql = "SELECT MAX(id) FROM evidence WHERE project = :project AND subject = :subject"
    return cast("int | None", query(sql, {"project": project, "subject": subject})[0][0]) or 0


def list_envelopes(query: Query, project: str) -> list[Digest]:
    rows = query("SELECT DISTINCT envelope FROM evidence WHERE project = :project ORDER BY envelope", {"project": project})
    return [Digest(str(row[0])) for row in rows]


def find_state(query: Query, project: str, kind: str, key: str) -> StateRow | None:
    sql = "SELECT key, value, version, updated FROM state WHERE project = :project AND kind = :kind AND key = :key"
    rows = query(sql, {"project": project, "kind": kind, "key": key})
    return _state(rows[0]) if rows else None


def list_state(query: Query, project: str, kind: str, prefix: str) -> list[StateRow]:
    sql = (
        "SELECT key, value, version, updated FROM state WHERE project = :project AND kind = :kind"
        " AND key >= :low AND key < :high ORDER BY key"
    )
    rows = query(sql, {"project": project, "kind": kind, "low": prefix, "high": prefix + _LAST})
    return [_state(row) for row in rows]


def list_edges(query: Query, project: str, *, source: Digest | None, target: Digest | None) -> list[Edge]:
    where = "source = :digest" if source else "target = :digest"
    sql = f"SELECT source, target, role FROM edge WHERE project = :project AND {where} ORDER BY role, source, target"
    rows = query(sql, {"project": project, "digest": source or target})
    from shipway.store._rows import Edge

    return [Edge(Digest(str(row[0])), Digest(str(row[1])), str(row[2])) for row in rows]


def list_named(query: Query) -> Iterator[Named]:
    """Every digest of every project's refs, history, evidence and state, in the order of the tables."""
    for project, name, digest in query("SELECT project, name, digest FROM ref", {}):
        yield Named(str(project), "ref", str(name), Digest(str(digest)))
    for project, resource, *digests in query("SELECT project, resource, source, target, verdict, release FROM audit", {}):
        for table, digest in zip(("move", "move", "audit", "audit"), digests, strict=True):
            if digest:
                yield Named(str(project), table, str(resource), Digest(str(digest)))
    for project, envelope, subject in query("SELECT project, envelope, subject FROM evidence", {}):
        yield from (Named(str(project), "evidence", str(subject), Digest(str(one))) for one in (envelope, subject))
    for project, kind, key, value in query("SELECT project, kind, key, value FROM state", {}):
        found = dict.fromkeys(_DIGITS.findall(f"{key} {value}"))
        yield from (Named(str(project), "state", f"{kind}/{key}", Digest(f"sha256:{one}")) for one in found)


def _ref(row: Sequence[Value]) -> Ref:
    return Ref(str(row[0]), Digest(str(row[1])), cast("int", row[2]))


def _audit(row: Sequence[Value]) -> AuditRecord:
    texts = [str(value) for value in row[1:6]]
    source, target, verdict, release = (Digest(str(value)) if value else None for value in (*row[6:9], row[10]))
    at, actor, action, resource, outcome = texts
    number = cast("int", row[0])
    why = str(row[9])
    from shipway.store._rows import AuditRecord

    return AuditRecord(number, parse_instant(at), actor, action, resource, outcome, source, target, verdict, why, release)


def _evidence(row: Sequence[Value]) -> EvidenceRow:
    envelope, subject, predicate, name, at = (str(value) for value in row)
    from shipway.store._rows import EvidenceRow

    return EvidenceRow(Digest(envelope), Digest(subject), predicate, name, parse_instant(at))


def _state(row: Sequence[Value]) -> StateRow:
    from shipway.store._rows import StateRow

    return StateRow(str(row[0]), parse_object(str(row[1])), cast("int", row[2]), parse_instant(str(row[3])))
