"""What has changed in a folder since its snapshot: the answer to `data status`, typed all day.

No polars, no numpy, no SQLAlchemy here, and no file is read that the stat cache knows.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from shipway.data._errors import DataUnreadable
from shipway.data._snapshot import check_exists, snapshot_files
from shipway.kernel.digest import Digest
from shipway.store import Store, TreeFile


@dataclass(frozen=True, slots=True)
class Status:
    """Paths below the folder, sorted; a file that moved is removed at one path and added at another."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether a snapshot taken now would have the same digest."""
        return not (self.added or self.removed or self.changed)


def measure_status(store: Store, digest: Digest | None, path: Path) -> Status:
    """Compare the files at `path` with a snapshot; without one everything is added.

    A file is read only when its size is the same and the stat cache does not know it; what was read is remembered.
    Raises DataMissing, DataUnreadable, and as snapshot_files.
    """
    check_exists(path)
    then = {file.path: file for file in snapshot_files(store, digest)} if digest else {}
    now = dict(files_below(path))
    try:
        same = {name for name in then.keys() & now.keys() if _is_same(store, now[name], then[name])}
    except OSError as problem:
        raise DataUnreadable(
            f"cannot read {os.fsdecode(problem.filename or path)}: {problem.strerror}", where=str(path)
        ) from problem
    finally:
        store.save_digests()
    return Status(
        added=tuple(sorted(now.keys() - then.keys())),
        removed=tuple(sorted(then.keys() - now.keys())),
        changed=tuple(sorted((then.keys() & now.keys()) - same)),
        unchanged=tuple(sorted(same)),
    )


def _is_same(store: Store, path: bytes, file: TreeFile) -> bool:
    status = os.lstat(path)
    if not stat.S_ISREG(status.st_mode) or (status.st_size, bool(status.st_mode & 0o100)) != (
        file.size,
        file.executable,
    ):
        return False
    return store.digest_of(path, status) == file.digest


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
