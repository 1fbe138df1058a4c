"""Lineage: what an object came from and what used it.

What an object came from stands in the object (`sources_of`) and, for what no object says, in the store's edges, which runs
write. What used it is an index over the same: `note_lineage` brings it up to date from the history of the refs, as often as
anybody asks and wherever it was killed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest
from shipway.release._sources import sources_of, thing_at
from shipway.store import Edge, Store

_BATCH = 500  # objects whose edges are committed at a time
CURSOR = "lineage"  # the state row that says up to which audit record the edges are there
_FOLDED = frozenset({"tree", "bytes", "missing", "damaged", "manifest"})  # what is inside is content, not lineage


@dataclass(frozen=True, slots=True)
class Lineage:
    """An object in a tree of lineage. role: how it is tied to the one above it; names: the refs that point at it now.

    beyond: how many more there are that are not shown; again: it is shown elsewhere with what comes after it.
    """

    digest: Digest
    kind: str
    role: str = ""
    names: tuple[str, ...] = ()
    next: tuple[Lineage, ...] = ()
    beyond: int = 0
    again: bool = False

    def to_json(self) -> JsonObject:
        return {
            "digest": self.digest,
            "kind": self.kind,
            "role": self.role,
            "names": list(self.names),
            "beyond": self.beyond,
            "again": self.again,
            "next": [child.to_json() for child in self.next],
        }


def trace_lineage(store: Store, digest: Digest, *, down: bool = False, depth: int = 3, most: int = 20) -> Lineage:
    """What an object came from, or with `down` what used it, each object once with its own: at most `most` a step.

    Call note_lineage before looking down.
    """
    walk = _Walk(store, down, most)
    walk.follow(digest, depth)
    return walk.tree(digest)


def using_releases(store: Store, digest: Digest) -> list[Lineage]:
    """The releases that hold this object, each with the refs that point at it now."""
    note_lineage(store)
    names: dict[Digest, list[str]] = {}
    for ref in store.refs():
        names.setdefault(ref.digest, []).append(ref.name)
    found = dict.fromkeys(edge.target for edge in store.edges_from(digest))
    return [Lineage(one, "release", names=tuple(names.get(one, ()))) for one in found if thing_at(store, one).kind == "release"]


def lineage_edges(tree: Lineage, *, down: bool = False) -> list[Edge]:
    """The edges of a tree, from what was before to what was made of it."""
    found = []
    for child in tree.next:
        source, target = (tree.digest, child.digest) if down else (child.digest, tree.digest)
        found += [Edge(source, target, child.role), *lineage_edges(child, down=down)]
    return found


def note_lineage(store: Store) -> int:
    """Take into the edges what the objects say that refs were moved to since the last call; how many objects that were."""
    row = store.state(CURSOR, "moves")
    moved, seen = store.moved_after(int(str(row.value["audit"])) if row else 0), set[Digest]()
    for batch in (moved[start : start + _BATCH] for start in range(0, len(moved), _BATCH)):
        store.add_edges(list({edge: None for target, _ in batch for edge in _all_below(store, target, seen)}))
        store.put_state(CURSOR, "moves", {"version": 1, "audit": batch[-1][1]})
    return len(moved)


def _all_below(store: Store, digest: Digest, seen: set[Digest]) -> Iterator[Edge]:
    """The edges of an object and of every object that it names."""
    waiting = [digest]
    while waiting:
        digest = waiting.pop()
        if digest in seen:
            continue
        seen.add(digest)
        thing = thing_at(store, digest)
        if thing.record is None or thing.kind in _FOLDED:
            continue
        edges = sources_of(digest, thing.record)
        waiting += [edge.source for edge in edges]
        yield from edges


@dataclass
class _Walk:
    """Breadth first, so that each object is shown as near to the root as it stands."""

    store: Store
    down: bool
    most: int
    links: dict[Digest, list[tuple[Digest, str]]] = field(default_factory=dict)
    counts: dict[Digest, int] = field(default_factory=dict)
    home: dict[Digest, Digest | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names: dict[Digest, list[str]] = {}
        for ref in self.store.refs():
            self.names.setdefault(ref.digest, []).append(ref.name)

    def follow(self, root: Digest, depth: int) -> None:
        self.home[root] = None
        level = [root]
        for step in range(depth + 1):
            level = [child for digest in level for child in self._look(digest, last=step == depth)]

    def _look(self, digest: Digest, *, last: bool) -> list[Digest]:
        """The objects that are first met here; at the last step they are only counted."""
        found = self._neighbours(digest)
        shown = [] if last else found[: self.most]
        self.links[digest], self.counts[digest] = shown, len(found) - len(shown)
        fresh = [other for other, _ in shown if other not in self.home]
        for other in fresh:
            self.home[other] = digest
        return fresh

    def _neighbours(self, digest: Digest) -> list[tuple[Digest, str]]:
        roles: dict[Digest, set[str]] = {}
        for edge in self.store.edges_from(digest) if self.down else self._sources(digest):
            roles.setdefault(edge.target if self.down else edge.source, set()).add(edge.role)
        words = {other: ", ".join(sorted(said - {"input"} or said)) for other, said in roles.items()}
        return sorted(words.items(), key=lambda pair: (pair[1], pair[0]))

    def _sources(self, digest: Digest) -> list[Edge]:
        thing = thing_at(self.store, digest)
        own = sources_of(digest, thing.record) if thing.record and thing.kind not in _FOLDED else []
        return [*own, *self.store.edges_to(digest)]

    def tree(self, digest: Digest, role: str = "", above: Digest | None = None) -> Lineage:
        kind, names = thing_at(self.store, digest).kind, tuple(self.names.get(digest, ()))
        if above is not None and self.home[digest] != above:
            return Lineage(digest, kind, role, names, again=True)
        children = tuple(self.tree(other, role, digest) for other, role in self.links[digest])
        return Lineage(digest, kind, role, names, children, beyond=self.counts[digest])
