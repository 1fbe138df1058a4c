"""Statements about a release and its components as a person reads them: what was found, by what, by whom, and does it count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shipway.access import KeyRing
from shipway.gate import Reading, explain_row
from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.check import Check, CheckMalformed
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest
from shipway.release._manifest import Component
from shipway.store import EvidenceRow, Store

_WORDS = {
    media.CHECK_PREDICATE: "check",
    media.APPROVAL_PREDICATE: "approval",
    media.REBUILD_PREDICATE: "rebuild",
    media.PROVENANCE_PREDICATE: "run",
    media.SUMMARY_PREDICATE: "summary",
    media.REVOCATION_PREDICATE: "revocation",
    media.REJECTION_PREDICATE: "rejection",
    media.COMMENT_PREDICATE: "comment",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the policy in force asks of a metric by itself: `at least 0.6 at 95%` of a deployment."""

    ref: str
    text: str
    threshold: float

    def to_json(self) -> JsonObject:
        return {"ref": self.ref, "text": self.text, "threshold": self.threshold}


@dataclass(frozen=True, slots=True)
class Known:
    """One statement. about: `release`, or a component as `model/delay`; kind: `check`, `approval`, `rebuild`, `run`, ...

    asked: what the policy in force asks of what it measures.
    Of a statement that does not count nothing is told but its name and why: whoever wrote it was not trusted.
    """

    about: str
    kind: str
    reading: Reading
    check: Check | None = None
    asked: tuple[Asked, ...] = ()

    @property
    def predicate(self) -> JsonObject:
        """What it says; empty when it does not count."""
        return self.reading.statement.predicate if self.reading.statement else {}

    @property
    def at(self) -> datetime:
        return self.reading.at

    @property
    def who(self) -> str:
        """Who says it, by the statement's own word."""
        named = self.predicate.get("approver") or self.predicate.get("by")
        return named if isinstance(named, str) else ""

    @property
    def why(self) -> str:
        said = self.predicate.get("why")
        return said if isinstance(said, str) else ""

    @property
    def tool(self) -> str:
        """`shipway 0.1.0`, or the tool that another statement names."""
        tool = self.predicate.get("tool")
        if not isinstance(tool, Mapping):
            return ""
        return " ".join(str(tool[part]) for part in ("name", "version") if isinstance(tool.get(part), str))

    def to_json(self) -> JsonObject:
        key = self.reading.statement.key if self.reading.statement else None
        roles: list[Json] = [*sorted(key.roles)] if key else []
        return {
            "about": self.about,
            "kind": self.kind,
            "name": self.reading.name,
            "predicate": self.reading.predicate_type,
            "at": instant(self.at),
            "check": self.check.to_json() if self.check else None,
            "asked": [one.to_json() for one in self.asked],
            "tool": self.tool,
            "who": self.who,
            "why": self.why,
            "signer": key.name if key else None,
            "key": key.id if key else None,
            "roles": roles,
            "counts": self.reading.counts,
            "fault": self.reading.fault.value if self.reading.fault else None,
            "why_not": self.reading.why,
            "evidence": self.reading.envelope,
        }


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where statements are kept about one release: rows of the index only, newest first; no envelope is opened."""

    rows: tuple[tuple[str, EvidenceRow], ...]

    def of_kind(self, *predicates: str) -> Shelf:
        return Shelf(tuple(row for row in self.rows if row[1].predicate in predicates))


def shelf_of(store: Store, release: Digest, components: Sequence[Component], *, predicate: str | None = None) -> Shelf:
    """All statements about the release itself and about each component; predicate: as of Store.evidence."""
    subjects = {release: "release"} | {part.digest: f"{part.kind}/{part.name}".rstrip("/") for part in components}
    rows = [(about, row) for digest, about in subjects.items() for row in store.evidence(digest, predicate=predicate)]
    return Shelf(tuple(sorted(rows, key=lambda row: row[1].at, reverse=True)))


def read_shelf(store: Store, keys: KeyRing, shelf: Shelf, *, offset: int = 0, limit: int) -> tuple[Known, ...]:
    """Open and verify so many envelopes of a shelf; the cost is theirs, not that of the shelf."""
    now, present = store.clock.now(), keys.present()
    return tuple(_known(about, explain_row(store, present, row, now)) for about, row in shelf.rows[offset : offset + limit])


def known_about(store: Store, keys: KeyRing, about: str, digest: Digest, predicates: Sequence[str]) -> tuple[Known, ...]:
    """Statements of these types about one object, oldest first."""
    now, present = store.clock.now(), keys.present()
    rows = [row for row in store.evidence(digest) if row.predicate in predicates]
    return tuple(sorted((_known(about, explain_row(store, present, row, now)) for row in rows), key=lambda one: one.at))


def _known(about: str, reading: Reading) -> Known:
    kind = _WORDS.get(reading.predicate_type, reading.predicate_type)
    record = reading.statement.predicate.get("check") if reading.statement else None
    return Known(about, kind, reading, _check(record))


def _check(record: Json) -> Check | None:
    try:
        return Check.from_json(record) if isinstance(record, Mapping) else None
    except CheckMalformed:
        return None
