"""Two snapshots that went on from a third, made one: by path, without reading a file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from shipway.data._snapshot import snapshot_files
from shipway.kernel.digest import Digest
from shipway.store import Store, TreeFile

Files = Mapping[str, TreeFile]


class Side(StrEnum):
    """Whose file stays: that of the snapshot that is merged into, or that of the other."""

    OURS = "ours"
    THEIRS = "theirs"


@dataclass(frozen=True, slots=True)
class Conflict:
    """A path that both changed, each in another way; a digest is None where there is no file."""

    path: str
    base: Digest | None
    ours: Digest | None
    theirs: Digest | None


@dataclass(frozen=True, slots=True)
class Merge:
    """The files of both, and the paths at which a person has to choose; while there is one, nothing is to be kept."""

    files: Mapping[str, TreeFile]
    conflicts: tuple[Conflict, ...]


def merge_files(base: Files, ours: Files, theirs: Files, choices: Mapping[str, Side] | None = None) -> Merge:
    """What both made of base, path by path; a path that only one of them changed is as that one has it.

    choices: whose file stays, by path or folder, `.` for all; asked at conflicts only, the longest path first.
    """
    choices = choices or {}
    merged: dict[str, TreeFile] = {}
    conflicts: list[Conflict] = []
    for path in sorted(base.keys() | ours.keys() | theirs.keys()):
        then, our, their = base.get(path), ours.get(path), theirs.get(path)
        if our == their or their == then:
            kept = our
        elif our == then:
            kept = their
        elif side := _chosen(path, choices):
            kept = our if side is Side.OURS else their
        else:
            conflicts.append(Conflict(path, *(file.digest if file else None for file in (then, our, their))))
            continue
        if kept:
            merged[path] = kept
    for path in sorted({folder for name in merged for folder in _folders(name) if folder in merged}):
        side = _chosen(path, choices)
        if side is None:
            conflicts.append(Conflict(path, *(files[path].digest if path in files else None for files in (base, ours, theirs))))
        else:
            _replace(merged, path, ours if side is Side.OURS else theirs)
    return Merge(merged, tuple(sorted(conflicts, key=lambda one: one.path)))


def merge_snapshots(
    store: Store, *, base: Digest, ours: Digest, theirs: Digest, choices: Mapping[str, Side] | None = None
) -> tuple[Digest | None, tuple[Conflict, ...]]:
    """The snapshot of both, kept, or None and where they disagree. Raises ObjectMissing, ObjectDamaged."""
    sides = [{file.path: file for file in snapshot_files(store, one)} for one in (base, ours, theirs)]
    found = merge_files(sides[0], sides[1], sides[2], choices)
    if found.conflicts:
        return None, found.conflicts
    files = list(found.files.values())
    root, size = store.put_listing(files), sum(file.size for file in files)
    return store.put({"kind": "snapshot", "version": 1, "root": root.to_json(), "files": len(files), "bytes": size}), ()


def _chosen(path: str, choices: Mapping[str, Side]) -> Side | None:
    for name in (path, *reversed(list(_folders(path))), "."):
        if name in choices:
            return choices[name]
    return None


def _folders(path: str) -> Iterator[str]:
    """The folders that a path lies in, the outermost first.

    >>> list(_folders("a/b/c"))
    ['a', 'a/b']
    """
    parts = path.split("/")
    return ("/".join(parts[:count]) for count in range(1, len(parts)))


def _replace(merged: dict[str, TreeFile], path: str, files: Files) -> None:
    """One of them has a file where the other has a folder: all of it is as one of them has it."""
    gone: Collection[str] = [name for name in merged if name == path or name.startswith(f"{path}/")]
    for name in gone:
        del merged[name]
    merged |= {name: file for name, file in files.items() if name == path or name.startswith(f"{path}/")}
