"""Rows of the catalogue as the rest of the house sees them. Whoever only follows a ref does not wait for these types."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """Who did what to which resource, when and with which outcome. A ref's history is its records.

    release: of a deployment's move, the release that it puts live, or would have; None for everything else.
    """

    id: int
    at: datetime
    actor: str
    action: str
    resource: str
    outcome: str
    source: Digest | None
    target: Digest | None
    verdict: Digest | None
    why: str
    release: Digest | None = None

    @property
    def forced(self) -> bool:
        """Whether the ref moved against its gate."""
        return self.action == "forced" and self.outcome == "moved"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a ref was at an instant: `put` is the move that put it there (None: nothing was yet), `ended` the next."""

    put: AuditRecord | None
    ended: AuditRecord | None


@dataclass(frozen=True, slots=True)
class NewAudit:
    """An audit record before the store gives it an id."""

    at: datetime
    actor: str
    action: str
    resource: str
    outcome: str
    source: Digest | None = None
    target: Digest | None = None
    verdict: Digest | None = None
    why: str = ""
    release: Digest | None = None


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """Where a signed statement is: `envelope` names its DSSE object, `subject` what it is about."""

    envelope: Digest
    subject: Digest
    predicate: str
    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class EvidenceSeen:
    """What somebody who judges had before them: `last` is the id of the newest row about these subjects, 0 without one."""

    subjects: tuple[Digest, ...]
    last: int


@dataclass(frozen=True, slots=True)
class StateRow:
    """A row with a life; `version` grows by one with each write."""

    key: str
    value: JsonObject
    version: int
    updated: datetime


@dataclass(frozen=True, slots=True)
class Edge:
    """target was made from source, in this role."""

    source: Digest
    target: Digest
    role: str
