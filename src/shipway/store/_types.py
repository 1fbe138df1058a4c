"""Rows as the rest of the house sees them, and the store's errors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError


@dataclass(frozen=True, slots=True)
class Ref:
    """A name and the object it points at now; `audit` is the id of the record that put it there."""

    name: str
    digest: Digest
    audit: int


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


class ObjectMissing(ShipwayError):
    """No object of that digest is in the store."""

    code = "store.object-missing"


class ObjectDamaged(ShipwayError):
    """The bytes on disk are not those that their name says."""

    code = "store.object-damaged"


class ObjectUnexpected(ShipwayError):
    """The object is of another kind or version than asked for."""

    code = "store.object-unexpected"


class StoreFull(ShipwayError):
    """The disk has no room; nothing was written under its final name."""

    code = "store.full"
    retry = True


class StoreMissing(ShipwayError):
    """There is no store here."""

    code = "store.missing"


class StoreNewer(ShipwayError):
    """The catalogue was made by a newer Shipway."""

    code = "store.newer"


class StoreBusy(ShipwayError):
    """Another process holds the catalogue for too long."""

    code = "store.busy"
    retry = True


class CatalogueOther(ShipwayError):
    """The catalogue of this store is another one than was named."""

    code = "store.catalogue-other"


class CatalogueAddress(ShipwayError):
    """The address of a catalogue is none."""

    code = "store.catalogue-address"


class CatalogueRefused(ShipwayError):
    """The server of the catalogue lets this user not in, or not do it."""

    code = "store.catalogue-refused"


class CatalogueDown(ShipwayError):
    """The server of the catalogue cannot be reached, or went away meanwhile."""

    code = "store.catalogue-down"
    retry = True


class RefMissing(ShipwayError):
    """No ref of that name."""

    code = "store.ref-missing"


class RefMoved(ShipwayError):
    """The ref is not where the caller believed: somebody moved it in between."""

    code = "store.ref-moved"
    retry = True


class RevocationArrived(RefMoved):
    """Something was revoked, or a revocation lifted, after the move of it was judged."""

    code = "store.revocation-arrived"


class MoveUnjustified(ShipwayError):
    """A move without a verdict that allows exactly it."""

    code = "store.move-unjustified"


class StateConflict(ShipwayError):
    """A state row has another version than the caller believed."""

    code = "store.state-conflict"
    retry = True


class FileUnreadable(ShipwayError):
    """A file of the user's cannot be read, or changed while it was read."""

    code = "store.file-unreadable"
