"""A folder on disk as its stats show it, before any file is read."""

from __future__ import annotations

import hashlib
import marshal
import os
import stat
from dataclasses import dataclass, field

Seen = tuple[bytes, os.stat_result]  # a regular file of a folder: its name, and what is known of it


@dataclass(slots=True)
class Scan:
    """A folder: its regular files and its folders, sorted by name, and what is neither (a link, a pipe).

    path: absolute; below: from the root, with a slash at its end where it is not the root.
    """

    path: bytes
    below: bytes
    files: list[Seen] = field(default_factory=list)
    folders: list[Scan] = field(default_factory=list)
    others: list[Seen] = field(default_factory=list)

    @property
    def name(self) -> bytes:
        return os.path.basename(self.path)

    def signature(self) -> str:
        """The same as long as no file of this folder has changed, come or gone; says nothing of the folders in it."""
        rows = [
            (name, found.st_mode & 0o100, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
            for name, found in self.files
        ]
        return hashlib.sha256(marshal.dumps(rows, 2)).hexdigest()  # quick, and equal for equal values; never read back


def scan_folder(path: bytes, below: bytes = b"") -> Scan:
    """Look at a folder and all below it. Raises OSError with the name of what cannot be listed."""
    found = Scan(path, below)
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in sorted(map(os.fsencode, os.listdir(handle))):
            status = os.stat(name, dir_fd=handle, follow_symlinks=False)  # quicker than by its path, or by scandir
            if stat.S_ISREG(status.st_mode):
                found.files.append((name, status))
            elif stat.S_ISDIR(status.st_mode):
                found.folders.append(scan_folder(path + b"/" + name, below + name + b"/"))
            else:
                found.others.append((name, status))
    except OSError as problem:
        if problem.filename is None or isinstance(problem.filename, int):
            raise OSError(problem.errno, problem.strerror, path) from problem
        if isinstance(problem.filename, bytes) and not os.path.isabs(problem.filename):
            raise OSError(problem.errno, problem.strerror, path + b"/" + problem.filename) from problem
        raise
    finally:
        os.close(handle)
    return found
