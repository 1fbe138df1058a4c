"""What is known of a release, put together once: its parts, how they were measured, made and approved. For card and BOM.

Only statements that count are in it, and nothing that depends on when or where it is asked, but for the keys that are
trusted there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from shipway.access import KeyRing
from shipway.data import count_rows
from shipway.environment import Pin, parse_lock
from shipway.gate import Statement, explain_row, revoked
from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.check import Check, CheckMalformed
from shipway.kernel.digest import Descriptor, Digest
from shipway.release._manifest import Component, load_components
from shipway.release._sources import Thing, thing_at
from shipway.store import Store

_READ = 500  # statements about one thing that are opened at most
_WINDOW = "window"  # days of a monitor: thousands of them, and none says what the release is


@dataclass(frozen=True, slots=True)
class Measured:
    """A check that counts, and the statement that holds it."""

    check: Check
    statement: Statement

    @property
    def against(self) -> str | None:
        """What it was compared with; None when it was measured by itself."""
        against = self.statement.predicate.get("against")
        return str(against) if against else None

    @property
    def definition(self) -> str | None:
        """The contract or golden set that it was measured by."""
        definition = self.statement.predicate.get("definition")
        return str(definition) if definition else None


@dataclass(frozen=True, slots=True)
class PartFacts:
    """A component, its object, the newest of each check of it, the newest run that made it. rows: of a data set."""

    component: Component
    record: JsonObject
    checks: tuple[Measured, ...] = ()
    run: Statement | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict that let a release live at a ref: its digest, its policy, its checks."""

    ref: str
    verdict: Digest
    policy: str
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """A release: the application that it was made for (empty: no ref names it), parts, checks of it as a whole, approvals,
    rebuild proofs, the newest verdict that let it live at each ref, the pins of its lock, and how many statements all of that
    rests on.
    """

    release: Digest
    application: str
    parts: tuple[PartFacts, ...]
    checks: tuple[Measured, ...]
    approvals: tuple[Statement, ...]
    rebuilds: tuple[Statement, ...]
    judged: tuple[Judged, ...]
    pins: tuple[Pin, ...]
    statements: int
    revoked: Statement | None = None

    def of(self, kind: str) -> tuple[PartFacts, ...]:
        """The parts of one kind."""
        return tuple(part for part in self.parts if part.component.kind == kind)


def load_facts(store: Store, keys: KeyRing, release: Digest) -> ReleaseFacts:
    """All of a release. Raises ReleaseMalformed, ObjectMissing, ObjectDamaged."""
    parts, pins, count = [], list[Pin](), 0
    for component in load_components(store, release):
        stated = _statements(store, keys, component.digest)
        part = _part(store, component, stated)
        parts.append(part)
        count += len(part.checks) + (part.run is not None)
        if component.kind == "environment":
            pins += parse_lock(store.objects.get(Descriptor.from_json(part.record["lock"]).digest))
    stated = _statements(store, keys, release)
    checks = _newest(stated)
    approvals, rebuilds = (
        tuple(one for one in stated if one.predicate_type == kind)
        for kind in (media.APPROVAL_PREDICATE, media.REBUILD_PREDICATE)
    )
    count += len(checks) + len(approvals) + len(rebuilds)
    name, judged = _application(store, release), _judged(store, release)
    gone = revoked(store, keys, release)
    count += gone is not None
    return ReleaseFacts(release, name, tuple(parts), checks, approvals, rebuilds, judged, tuple(pins), count, gone)


def _part(store: Store, component: Component, stated: list[Statement]) -> PartFacts:
    runs = [one for one in stated if one.predicate_type == media.PROVENANCE_PREDICATE]
    rows = count_rows(store, component.digest, name=component.name) if component.kind == "data" else None
    return PartFacts(component, store.get(component.digest), _newest(stated), runs[-1] if runs else None, rows)


def _statements(store: Store, keys: KeyRing, subject: Digest) -> list[Statement]:
    """Statements that count, oldest first, without those of monitors' days."""
    now, present, rows = store.clock.now(), keys.present(), store.evidence(subject)
    rows = [row for row in rows if row.name != _WINDOW][-_READ:]
    found = [reading.statement for row in rows if (reading := explain_row(store, present, row, now)).statement]
    return sorted((one for one in found if one), key=lambda one: (one.at, one.envelope))


def _newest(stated: list[Statement]) -> tuple[Measured, ...]:
    """The newest of each check against one and the same thing, by name."""
    found: dict[tuple[str, str], Measured] = {}
    for one in stated:
        record = one.predicate.get("check")
        if one.predicate_type == media.CHECK_PREDICATE and isinstance(record, Mapping):
            with suppress(CheckMalformed):
                measured = Measured(Check.from_json(record), one)
                found[measured.check.name, measured.against or ""] = measured
    return tuple(found[key] for key in sorted(found))


def _application(store: Store, release: Digest) -> str:
    names = {record.resource for record in store.naming(release) if record.resource.startswith("release/")}
    return ", ".join(sorted(name.removeprefix("release/") for name in names))


def _judged(store: Store, release: Digest) -> tuple[Judged, ...]:
    """Returns to what was live are left out: nothing was asked of them."""
    found: dict[str, Judged] = {}
    for record in reversed(store.naming(release)):
        thing = thing_at(store, record.verdict) if record.verdict and record.release == release else Thing("none")
        if record.verdict and thing.record and record.outcome == "moved" and not thing.record.get("returning"):
            checks = tuple(_checks(thing.record.get("checks")))
            found[record.resource] = Judged(record.resource, record.verdict, text_at(thing.record, "policy"), checks)
    return tuple(found[ref] for ref in sorted(found))


def _checks(value: Json) -> Iterator[Check]:
    for record in value if isinstance(value, list) else []:
        with suppress(CheckMalformed):
            yield Check.from_json(record)


def text_at(value: Json, *path: str) -> str:
    """A text inside a JSON value; empty where there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return str(value) if value is not None else ""
