"""Whether a store agrees with itself: refs with their histories, moves with their verdicts, rows with the objects they name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.kernel.digest import Digest
from shipway.store._justify import allows
from shipway.store._rows import AuditRecord
from shipway.store._types import REMOVED, ObjectDamaged, ObjectMissing, ObjectUnexpected, Ref

if TYPE_CHECKING:
    from shipway.store._facade import Store

_PAGE = 10_000  # records that are read at once


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. about: a ref, the id of an audit record, or a digest; what: in words."""

    about: str
    what: str


@dataclass(frozen=True, slots=True)
class StoreChecked:
    """What was looked at, counted, and what is wrong, in the order in which it was found. Newest: the id of the last record."""

    refs: int
    moves: int
    objects: int
    newest: int
    faults: tuple[Fault, ...]


def check_store(store: Store, *, deep: bool = False) -> StoreChecked:
    """Replay every move of the project and look for each object that its rows name; deep: hash every object that is kept.

    A move begins where the one before it ended, has a verdict that allows exactly it, and the last one is where the ref is.
    """
    refs, moves, last = _still(store)
    faults = [*_replay(refs, moves), *_verdicts(store, moves)]
    named = _named(store, moves)
    removed = {row.key for row in store.states(REMOVED)}
    missing = {digest: why for digest, why in named.items() if digest not in removed and not store.objects.has(digest)}
    faults += [Fault(digest, f"the object is missing; {why} names it") for digest, why in missing.items()]
    if deep:
        faults += _damaged(store)
    return StoreChecked(len(refs), len(moves), len(named), last, tuple(faults))


def _still(store: Store) -> tuple[list[Ref], list[AuditRecord], int]:
    """Refs and moves of one moment, and the id of the last record then: read again where somebody moved one in between."""
    last, moves = _newest(store), list[AuditRecord]()
    while True:
        moves += _moves(store, after=moves[-1].id if moves else 0)
        refs, before, last = store.refs(), last, _newest(store)
        if before == last:
            return refs, moves, last


def _newest(store: Store) -> int:
    found = store.history(limit=1)
    return found[0].id if found else 0


def _moves(store: Store, *, after: int) -> Iterator[AuditRecord]:
    page = store.moves_after(after, limit=_PAGE)
    while page:
        yield from page
        page = store.moves_after(page[-1].id, limit=_PAGE)


def _replay(found: Iterable[Ref], moves: Iterable[AuditRecord]) -> Iterator[Fault]:
    last: dict[str, AuditRecord] = {}
    for record in moves:
        before = last.get(record.resource)
        if record.source != (before.target if before else None):
            begins = f"record {before.id} ended" if before else "nothing was yet"
            what = f"the move of {record.resource} does not begin where {begins}: a record is missing or changed"
            yield Fault(str(record.id), what)
        last[record.resource] = record
    refs = {ref.name: ref for ref in found}
    for name in sorted(refs.keys() | last.keys()):
        ref, final = refs.get(name), last.get(name)
        if ref is None:
            yield Fault(name, "the ref is gone, and its history is there")
        elif final is None:
            yield Fault(name, "the ref points at something, and no record says who put it there")
        elif (ref.digest, ref.audit) != (final.target, final.id):
            yield Fault(name, f"the ref is not where record {final.id}, its last move, put it")


def _verdicts(store: Store, moves: Iterable[AuditRecord]) -> Iterator[Fault]:
    for record in moves:
        if record.verdict is None:
            yield Fault(str(record.id), f"{record.resource} moved without a verdict")
            continue
        try:
            verdict = store.get(record.verdict, "verdict")
        except ObjectMissing:
            continue  # said once among the objects
        except (ObjectDamaged, ObjectUnexpected, ValueError) as problem:
            yield Fault(record.verdict, f"the verdict of record {record.id} cannot be read: {problem}")
            continue
        if not allows(
            verdict,
            project=store.project,
            ref=record.resource,
            source=record.source,
            target=record.target,
            action=record.action,
        ):
            yield Fault(str(record.id), f"the verdict does not allow this move of {record.resource}")


def _named(store: Store, moves: Iterable[AuditRecord]) -> dict[Digest, str]:
    """Every object that a row names, and which row."""
    found: dict[Digest, str] = {}
    for record in moves:
        for digest in (record.target, record.verdict, record.release):
            if digest:
                found.setdefault(digest, f"record {record.id}, a move of {record.resource},")
    for digest in store.envelopes():
        found.setdefault(digest, "the index of evidence")
    return found


def _damaged(store: Store) -> Iterator[Fault]:
    for digest in store.objects.all():
        try:
            store.objects.verify(digest)
        except (ObjectDamaged, ObjectMissing) as problem:  # missing: a link that leads nowhere, or removed meanwhile
            yield Fault(digest, problem.what)
