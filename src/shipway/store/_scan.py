"""A folder on disk as its stats show it, before any file is read."""

from __future__ import annotations

import hashlib
import marshal
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from shipway.store._hands import deal_out

Seen = tuple[bytes, int, int, int, int, int]
"""A regular file of a folder: name, the owner's execute bit, inode, size in bytes, mtime and ctime in nanoseconds."""

_WORTH = 1000  # files seen from which on the folders that are left are worth a second process
_FILE, _FOLDER = stat.S_IFREG, stat.S_IFDIR


@dataclass(slots=True)
class Scan:
    """A folder: its regular files and its folders, sorted by name, and the names of what is neither (a link, a pipe).

    path: absolute; below: from the root, with a slash at its end where it is not the root; count, size in bytes: of its files;
    signature: the same as long as no file of this folder has changed, come or gone; says nothing of the folders in it.
    """

    path: bytes
    below: bytes
    folders: list[Scan] = field(default_factory=list)
    others: list[bytes] = field(default_factory=list)
    count: int = 0
    size: int = 0
    signature: str = ""
    packed: bytes = b""

    @property
    def name(self) -> bytes:
        return os.path.basename(self.path)

    @property
    def files(self) -> list[Seen]:
        """Unpacked anew each time: of most folders nobody asks for them."""
        return cast("list[Seen]", marshal.loads(self.packed))  # noqa: S302 - written by this process or a fork of it

    def fill(self) -> list[Scan]:
        """Look at this folder alone; the folders in it, which are not filled yet. Raises OSError with the name."""
        try:
            files, folders = self._look()
        except OSError as problem:
            inside = isinstance(problem.filename, bytes) and not os.path.isabs(problem.filename)
            where = self.path + b"/" + problem.filename if inside else problem.filename
            raise OSError(problem.errno, problem.strerror, where if isinstance(where, bytes) else self.path) from problem
        self.count, self.size = len(files), sum([file[3] for file in files])
        self.packed = marshal.dumps(files, 2)  # quick, and of this version equal for equal values
        self.signature = hashlib.sha256(self.packed).hexdigest()
        self.folders = [Scan(self.path + b"/" + name, self.below + name + b"/") for name in folders]
        return self.folders

    def _look(self) -> tuple[list[Seen], list[bytes]]:
        files: list[Seen] = []
        folders: list[bytes] = []
        look = os.stat
        handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in sorted(os.listdir(self.path)):
                found = look(name, dir_fd=handle, follow_symlinks=False)  # quicker than by its path, or by scandir
                mode = found.st_mode
                if mode & 0o170000 == _FILE:
                    one = (name, mode & 0o100, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
                    files.append(one)
                elif mode & 0o170000 == _FOLDER:
                    folders.append(name)
                else:
                    self.others.append(name)
        finally:
            os.close(handle)
        return files, folders


def seen_of(name: bytes, status: os.stat_result) -> Seen:
    """What a scan would say of a file."""
    return name, status.st_mode & 0o100, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def scan_folder(path: bytes) -> Scan:
    """Look at a folder and all below it, on all cores: one stat a file. Raises OSError with the name of what cannot be listed.

    Nobody knows how many files there are before they were looked at, so what is left after some is shared out.
    """
    root = Scan(path, b"")
    waiting, seen = [root], 0
    while waiting and (seen < _WORTH or len(waiting) < 2):
        one = waiting.pop()
        waiting += reversed(one.fill())
        seen += one.count
    for dealt, said in deal_out(waiting, _packed, _fill_all):
        _unpack_all(dealt, said)
    return root


def _fill_all(scans: Sequence[Scan]) -> None:
    waiting = list(scans)
    while waiting:
        waiting += waiting.pop().fill()


_Packed = tuple[str, int, int, bytes, list[bytes], list[bytes]]  # of one folder, with the names of those in it


def _packed(scans: Sequence[Scan]) -> bytes:
    """All of these and below, for another process: in the order in which _unpack_all asks for them."""
    _fill_all(scans)
    rows: list[_Packed] = []
    waiting = list(scans)
    while waiting:
        one = waiting.pop()
        waiting += one.folders
        rows.append((one.signature, one.count, one.size, one.packed, one.others, [folder.name for folder in one.folders]))
    return marshal.dumps(rows, 2)


def _unpack_all(scans: Sequence[Scan], said: bytes) -> None:
    """What a fork of this process said; what it could not say is looked at here, where it is told why."""
    if not said:
        _fill_all(scans)
        return
    waiting = list(scans)
    for row in cast("list[_Packed]", marshal.loads(said)):  # noqa: S302
        one = waiting.pop()
        one.signature, one.count, one.size, one.packed, one.others, names = row
        one.folders = [Scan(one.path + b"/" + name, one.below + name + b"/") for name in names]
        waiting += one.folders
