"""Objects of data that nobody needs, found and removed; nothing else of a store is ever touched.

Needed is what any row of any project names (refs, releases, runs, evidence, history), and all that this names. Of the history
of this project's `data/*` refs a person may say how much counts. Killed anywhere, what is left is whole or is found the next
time: files go before the folders that name them, and it is said that a snapshot goes before it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from shipway.data._listing import BROUGHT
from shipway.data._needed import Data, Needed, find_data
from shipway.kernel.canonical import JsonObject
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest
from shipway.store import REMOVED, AuditRecord, Named, NewAudit, ObjectsOther, Store

# kinds of state that remember something of a snapshot and need nothing of it
_FORGETS = frozenset({"compared", "fetched", BROUGHT, REMOVED})
_PREFIX = "data/"
_BATCH = 1000  # objects between two reports


@dataclass(frozen=True, slots=True)
class Keep:
    """How much of each data set's history counts: the newest moves, where it was since a moment; all where neither is said."""

    moves: int | None = None
    since: datetime | None = None

    def first(self, lives: list[AuditRecord]) -> int:
        """The id of the oldest record that counts. lives: the moves of one ref, newest first."""
        if not lives or (self.moves is None and self.since is None):
            return 0
        counted = min(self.moves or 0, len(lives))
        if self.since is not None:
            later = sum(1 for record in lives if record.at >= self.since)
            counted = max(counted, min(later + 1, len(lives)))  # and where it was at that moment
        return lives[max(counted, 1) - 1].id


@dataclass(frozen=True, slots=True)
class Unneeded:
    """What can go: snapshots, with the data sets that once named them, and all their objects in the order of removal."""

    snapshots: Mapping[Digest, tuple[str, ...]]
    objects: tuple[Digest, ...]
    bytes: int


def find_unneeded(store: Store, keep: Keep) -> Unneeded:
    """The objects of data that no ref, release, run, evidence or history that counts needs. Ask inside of `store.alone()`.

    Raises ObjectMissing, ObjectDamaged (what something needed names is unknown), ObjectsOther for objects in a bucket.
    """
    if store.objects.bucket is not None:
        what = "the objects of this store are in a bucket, where other machines may be about to name them"
        raise ObjectsOther(what, where=store.objects.where, mend="remove old snapshots in a store whose objects are files")
    needed = Needed(store.objects)
    needed.follow(_roots(store, keep))
    needed.follow(_brought(store, needed))
    found = find_data(store.objects, needed)
    names = _names(store)
    order = (*found.files, *_from_below(found), *found.snapshots)
    size = sum(found.files.values()) + sum(store.objects.size(one) or 0 for one in (*found.trees, *found.snapshots))
    return Unneeded({one: names.get(one, ()) for one in found.snapshots}, order, size)


def remove_unneeded(
    store: Store, unneeded: Unneeded, *, actor: str, why: str, report: Callable[[int], None] | None = None
) -> None:
    """Remove them, inside of the same `store.alone()`; the catalogue says so first. report: told how many went each time."""
    now = store.clock.now()
    rows: dict[str, JsonObject] = {one: {"version": 1, "at": instant(now), "by": actor} for one in unneeded.snapshots}
    if rows:
        store.put_states(REMOVED, rows)
    for ref in sorted({name for names in unneeded.snapshots.values() for name in names}):
        count = sum(ref in names for names in unneeded.snapshots.values())
        store.record(NewAudit(now, actor, "remove", ref, "removed", why=f"{count:,} snapshots{why}"))
    for start in range(0, len(unneeded.objects), _BATCH):
        batch = unneeded.objects[start : start + _BATCH]
        store.remove_objects(batch)
        if report:
            report(len(batch))


def _roots(store: Store, keep: Keep) -> Iterator[Digest]:
    for named in store.named():
        if not (_is_history(store, named) or (named.table == "state" and named.by.partition("/")[0] in _FORGETS)):
            yield named.digest
    for ref in _data_refs(store):
        first = keep.first(store.lives(ref))
        yield from (record.target for record in _records(store, ref) if record.id >= first and record.target)


def _is_history(store: Store, named: Named) -> bool:
    return named.table == "move" and named.project == store.project and named.by.startswith(_PREFIX)


def _brought(store: Store, needed: Needed) -> Iterator[Digest]:
    """The bytes of data in place that are here, of snapshots that are needed: where they come from they may be gone."""
    for named in store.named():
        kind, _, snapshot = named.by.partition("/")
        if named.table == "state" and kind == BROUGHT and Digest(snapshot) in needed:
            yield named.digest


def _data_refs(store: Store) -> list[str]:
    return sorted({named.by for named in store.named() if _is_history(store, named)})


def _records(store: Store, ref: str) -> Iterator[AuditRecord]:
    """All of them, refused moves too: who looks at a refused snapshot wants to see it."""
    page = store.history(ref, limit=1000)
    while page:
        yield from page
        page = store.history(ref, before=page[-1].id, limit=1000)


def _names(store: Store) -> dict[Digest, tuple[str, ...]]:
    found: dict[Digest, dict[str, None]] = {}
    for named in store.named():
        if _is_history(store, named):
            found.setdefault(named.digest, {})[named.by] = None
    return {digest: tuple(sorted(names)) for digest, names in found.items()}


def _from_below(found: Data) -> list[Digest]:
    """Trees, each after those that it names."""
    order: dict[Digest, None] = {}
    for top in found.trees:
        stack = [(top, False)]
        while stack:
            tree, done = stack.pop()
            if done:
                order[tree] = None
            elif tree in found.trees and tree not in order:
                stack.append((tree, True))
                stack += [(below, False) for below in found.trees[tree]]
    return list(order)
