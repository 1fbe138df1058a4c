"""Which files two hash trees do not share. Folders with one digest are equal, and not looked into."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, cast

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Digest, parse_digest
from shipway.store import Store, TreeFile

_Pair = tuple[TreeFile | None, TreeFile | None]
_NONE = TreeFile("", Digest(""), 0, executable=False)


class FilePair(NamedTuple):
    """A path that both trees have, with other bytes or another mode."""

    source: TreeFile
    target: TreeFile


@dataclass(frozen=True, slots=True)
class TreeChange:
    """The files of one tree alone, of the other alone, and those that differ, each in the order of paths."""

    added: tuple[TreeFile, ...] = ()
    removed: tuple[TreeFile, ...] = ()
    changed: tuple[FilePair, ...] = ()

    def only(self, *, source: bool) -> list[TreeFile]:
        """The files of one side whose bytes the other side's differing files have not: what moved is left out."""
        old = [*self.removed, *(pair.source for pair in self.changed)]
        new = [*self.added, *(pair.target for pair in self.changed)]
        mine, others = (old, new) if source else (new, old)
        known, kept = Counter(file.digest for file in others), []
        for file in mine:
            if known[file.digest]:
                known[file.digest] -= 1
            else:
                kept.append(file)
        return kept


def compare_trees(store: Store, source: Digest | None, target: Digest | None) -> TreeChange:
    """What is in one tree and not in the other; either may be missing.

    Raises ObjectMissing, ObjectDamaged, ObjectUnexpected.
    """
    pairs = sorted(_walk(store, source, target, ""), key=lambda pair: (pair[0] or pair[1] or _NONE).path)
    return TreeChange(
        added=tuple(new for old, new in pairs if old is None and new is not None),
        removed=tuple(old for old, new in pairs if new is None and old is not None),
        changed=tuple(FilePair(old, new) for old, new in pairs if old is not None and new is not None),
    )


def _walk(store: Store, source: Digest | None, target: Digest | None, below: str) -> Iterator[_Pair]:
    if source == target:
        return
    before, after = _entries(store, source), _entries(store, target)
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        path = below + name
        files = _file(path, old), _file(path, new)
        if any(files):
            yield files
        yield from _walk(store, _folder(old), _folder(new), path + "/")


def _entries(store: Store, node: Digest | None) -> dict[str, JsonObject]:
    if node is None:
        return {}
    entries = cast("list[Mapping[str, Json]]", store.get(node, "tree")["entries"])
    return {str(entry["name"]): entry for entry in entries}


def _folder(entry: JsonObject | None) -> Digest | None:
    return parse_digest(str(entry["digest"])) if entry is not None and entry["type"] == "tree" else None


def _file(path: str, entry: JsonObject | None) -> TreeFile | None:
    if entry is None or entry["type"] != "file":
        return None
    return TreeFile(path, parse_digest(str(entry["digest"])), int(cast("int", entry["size"])), bool(entry["executable"]))
