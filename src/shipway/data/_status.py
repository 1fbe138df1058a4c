"""What has changed in a folder since its snapshot: the answer to `data status`, typed all day.

No polars, no numpy, no SQLAlchemy here, and no file is read that the stat cache knows.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from shipway.data._errors import DataUnreadable
from shipway.data._snapshot import check_exists, root_of
from shipway.kernel.collector import uncollected
from shipway.kernel.digest import Descriptor, Digest
from shipway.store import TREE, Scan, Store, TreeFile, read_node


@dataclass(frozen=True, slots=True)
class Status:
    """Paths below the folder, sorted; a file that moved is removed at one path and added at another. unchanged: how many."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: int

    @property
    def clean(self) -> bool:
        """Whether a snapshot taken now would have the same digest."""
        return not (self.added or self.removed or self.changed)


@uncollected()
def measure_status(store: Store, digest: Digest | None, path: Path) -> Status:
    """Compare the files at `path` with a snapshot; without one everything is added.

    A file is read only when its size is the same and the stat cache does not know it; what was read is remembered.
    Raises DataMissing, DataUnreadable, and as snapshot_files.
    """
    check_exists(path)
    found = _Comparison(store)
    root = root_of(store, digest) if digest else None
    try:
        if path.is_dir():
            found.compare(store.look(path), root)
        else:
            found.compare_file(path, root)
    except OSError as problem:
        raise DataUnreadable(
            f"cannot read {os.fsdecode(problem.filename or path)}: {problem.strerror}", where=str(path)
        ) from problem
    finally:
        store.save_digests()
    added, removed, changed = (tuple(sorted(names)) for names in (found.added, found.removed, found.changed))
    return Status(added, removed, changed, found.unchanged)


class _Comparison:
    """Folders against the nodes of a tree; equal nodes are never opened."""

    def __init__(self, store: Store) -> None:
        self._store, self._began = store, time.time_ns()
        self._nodes: dict[bytes, Digest | None] = {}  # of folders whose files are all as the cache knows them
        self.added: list[str] = []
        self.removed: list[str] = []
        self.changed: list[str] = []
        self.unchanged = 0

    def compare(self, scan: Scan, root: Digest | None) -> None:
        """All of a data set. root: of its tree."""
        self._find(scan)
        if root is None:
            self.added += _names(scan)
        else:
            self._folder(scan, root)

    def compare_file(self, path: Path, root: Digest | None) -> None:
        """A data set of one file."""
        then = {file.path: file for file in self._store.tree(root)} if root else {}
        self.removed += then.keys() - {path.name}
        if path.name not in then:
            self.added.append(path.name)
            return
        same = _is_same(self._store, os.fsencode(path.absolute()), then[path.name]) is not None
        if same:
            self.unchanged += 1
        else:
            self.changed.append(path.name)

    def _find(self, scan: Scan) -> Digest | None:
        below = [self._find(folder) for folder in scan.folders]
        known = None if None in below or scan.others else self._store.node_of(scan, below)
        self._nodes[scan.path] = known
        return known

    def _folder(self, scan: Scan, then: Digest) -> bool:
        """Whether the folder is what it was."""
        if self._nodes[scan.path] == then:
            self.unchanged += _count(scan)
            return True
        data = self._store.objects.get(then)
        node, below = read_node(data), os.fsdecode(scan.below)
        files = {file.path: file for file in node.files}
        digests = self._files(scan, files, below)
        here = {os.fsdecode(folder.name): folder for folder in scan.folders}
        gone = [name for name in files if name not in digests]
        self.removed += [below + name for name in gone]
        for name in node.folders.keys() - here.keys():
            self.removed += [f"{below}{name}/{file.path}" for file in self._store.tree(node.folders[name].digest)]
        for name in here.keys() - node.folders.keys():
            self.added += _names(here[name])
        shared = [self._folder(here[name], node.folders[name].digest) for name in here.keys() & node.folders.keys()]
        known = [one for one in digests.values() if one is not None]
        same = (
            all(shared) and not gone and not scan.others and here.keys() == node.folders.keys() and len(known) == len(digests)
        )
        if same:
            nodes = [node.folders[os.fsdecode(folder.name)].digest for folder in scan.folders]
            self._store.remember_node(scan, Descriptor(TREE, then, len(data)), nodes, known, at=self._began)
        return same

    def _files(self, scan: Scan, then: Mapping[str, TreeFile], below: str) -> dict[str, Digest | None]:
        """The digest of each file that is here and was then, and has not changed; None: it is another, or new."""
        found: dict[str, Digest | None] = {}
        for name in _inside(scan):
            text = os.fsdecode(name)
            file = then.get(text)
            same = _is_same(self._store, scan.path + b"/" + name, file) if file else None
            if same:
                self.unchanged += 1
            else:
                (self.changed if file else self.added).append(below + text)
            found[text] = same
        return found


def _names(scan: Scan) -> Iterator[str]:
    """Every path of a folder and those in it."""
    below = os.fsdecode(scan.below)
    yield from (below + os.fsdecode(name) for name in _inside(scan))
    for folder in scan.folders:
        yield from _names(folder)


def _inside(scan: Scan) -> list[bytes]:
    """The names of what is no folder."""
    return [*(file[0] for file in scan.files), *scan.others]


def _count(scan: Scan) -> int:
    return scan.count + sum(map(_count, scan.folders))


def _is_same(store: Store, path: bytes, file: TreeFile) -> Digest | None:
    """The digest of a file that is still this one."""
    status = os.lstat(path)
    kind = stat.S_ISREG(status.st_mode), status.st_size, bool(status.st_mode & 0o100)
    if kind != (True, file.size, file.executable):
        return None
    return file.digest if store.digest_of(path, status) == file.digest else None


def bytes_below(path: Path) -> int:
    """The size of all files at `path`, as far as they can be seen: for progress, so nothing is raised."""
    total = 0
    with suppress(DataUnreadable):
        for _, file in files_below(path):
            with suppress(OSError):
                total += os.lstat(file).st_size
    return total


def files_below(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every file at `path` (itself, or those below the folder): its path as a snapshot writes it, and its absolute one."""
    if path.is_dir():
        return _below(os.fsencode(path.absolute()), "")
    return iter([(path.name, os.fsencode(path.absolute()))])


def _below(folder: bytes, below: str) -> Iterator[tuple[str, bytes]]:
    try:
        with os.scandir(folder) as found:
            children = list(found)
    except OSError as problem:
        _raise(problem)
    for child in children:
        name = below + os.fsdecode(child.name)
        if child.is_dir(follow_symlinks=False):  # a link to a folder is no folder of this data set
            yield from _below(child.path, f"{name}/")
        else:
            yield name, child.path


def _raise(problem: OSError) -> NoReturn:
    name = os.fsdecode(problem.filename)
    raise DataUnreadable(f"cannot list {name}: {problem.strerror}", where=name) from problem
