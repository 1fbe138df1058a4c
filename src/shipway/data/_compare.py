"""What differs between two snapshots, file by file: folders with one digest are equal and are not opened."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from shipway.data._errors import DataUnreadable
from shipway.data._snapshot import check_exists, root_of
from shipway.data._status import files_below
from shipway.kernel.digest import Digest
from shipway.store import Node, Store, TreeFile, read_node


class FileChange(NamedTuple):
    """A path whose bytes or execute bit differ."""

    before: TreeFile
    after: TreeFile


class FileMove(NamedTuple):
    """The same bytes under another path."""

    before: str
    after: TreeFile


@dataclass(frozen=True, slots=True)
class FilesChange:
    """What differs, each in the order of its paths (of a moved file, its new one)."""

    added: tuple[TreeFile, ...]
    removed: tuple[TreeFile, ...]
    changed: tuple[FileChange, ...]
    moved: tuple[FileMove, ...]

    @property
    def same(self) -> bool:
        return not (self.added or self.removed or self.changed or self.moved)


def compare_snapshots(store: Store, before: Digest, after: Digest) -> FilesChange:
    """Raises ObjectMissing, ObjectDamaged, ObjectUnexpected. Reads only the folders on the way to what differs."""
    old: dict[str, TreeFile] = {}
    new: dict[str, TreeFile] = {}
    _descend(store, root_of(store, before), root_of(store, after), "", old, new)
    return compare_files(old, new)


def compare_files(old: Mapping[str, TreeFile], new: Mapping[str, TreeFile]) -> FilesChange:
    """The difference between two sets of files by path; equal ones may be left out of both."""
    added = {path: new[path] for path in sorted(new.keys() - old.keys())}
    removed = {path: old[path] for path in sorted(old.keys() - new.keys())}
    changed = [FileChange(old[path], new[path]) for path in sorted(old.keys() & new.keys()) if old[path] != new[path]]
    moved = _moves(removed, added)
    for move in moved:
        del removed[move.before], added[move.after.path]
    return FilesChange(tuple(added.values()), tuple(removed.values()), tuple(changed), tuple(moved))


class Digests(Protocol):
    """Knows the digest of a file on disk: a store, or where there is none what remembers beside it."""

    def digest_of(self, path: bytes, status: os.stat_result | None = None) -> Digest: ...

    def save_digests(self) -> None: ...


def files_on_disk(digests: Digests, path: Path) -> dict[str, TreeFile]:
    """The files at `path` as a snapshot would have them, by path; what the stat cache knows is not read.

    Raises DataMissing, DataUnreadable.
    """
    check_exists(path)
    found: dict[str, TreeFile] = {}
    try:
        for name, file in files_below(path):
            status = os.lstat(file)
            found[name] = TreeFile(name, digests.digest_of(file, status), status.st_size, bool(status.st_mode & 0o100))
    except OSError as problem:
        raise DataUnreadable(
            f"cannot read {os.fsdecode(problem.filename or path)}: {problem.strerror}", where=str(path)
        ) from problem
    finally:
        digests.save_digests()
    return found


def _descend(
    store: Store, before: Digest | None, after: Digest | None, below: str, old: dict[str, TreeFile], new: dict[str, TreeFile]
) -> None:
    if before == after:
        return
    then, now = _node(store, before), _node(store, after)
    old |= {f"{below}{file.path}": file._replace(path=f"{below}{file.path}") for file in then.files}
    new |= {f"{below}{file.path}": file._replace(path=f"{below}{file.path}") for file in now.files}
    for name in sorted(then.folders.keys() | now.folders.keys()):
        ends = (tree.folders[name].digest if name in tree.folders else None for tree in (then, now))
        _descend(store, next(ends), next(ends), f"{below}{name}/", old, new)


def _node(store: Store, digest: Digest | None) -> Node:
    return read_node(store.objects.get(digest)) if digest else Node((), {})


def _moves(removed: Mapping[str, TreeFile], added: Mapping[str, TreeFile]) -> list[FileMove]:
    """Pairs of one digest; an empty file says nothing about where it came from."""
    by_digest: dict[Digest, list[str]] = {}
    for path, file in removed.items():
        if file.size:
            by_digest.setdefault(file.digest, []).append(path)
    return [FileMove(by_digest[file.digest].pop(0), file) for file in added.values() if by_digest.get(file.digest)]
