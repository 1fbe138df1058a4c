"""Immutable bytes under their own digest, as files: written atomically, read verified.

A file appears under its final name only when whole. Bytes reach the disk before a commit of the catalogue names them
(`sync`), so a ref never points at an object that a power cut can take away.
"""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from shipway.kernel.digest import Digest, digest_bytes, parse_digest
from shipway.store._types import FileUnreadable, ObjectDamaged, ObjectMissing, StoreFull

_CHUNK = 1 << 20  # reads of 1 MiB: hashing then dominates the system calls
_MANY = 64  # above this many new files one sync of the disk is cheaper than one each


class Objects:
    """The objects below one folder: `<root>/<2 hex>/<62 hex>`, mode 0444."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._unsynced: list[Path] = []

    def path(self, digest: Digest) -> Path:
        """Where the object is, whether it exists or not."""
        name = parse_digest(digest).removeprefix("sha256:")
        return self.root / name[:2] / name[2:]

    def has(self, digest: Digest) -> bool:
        return self.path(digest).is_file()

    def put(self, data: bytes) -> Digest:
        """Keep these bytes; putting twice is no error. Raises StoreFull."""
        digest = digest_bytes(data)
        if not self.has(digest):

            def fill(out: int) -> tuple[Digest, int]:
                _write_all(out, data)
                return digest, len(data)

            self._write(fill)
        return digest

    def put_file(self, source: Path, *, report: Callable[[int], None] | None = None) -> tuple[Digest, int]:
        """Keep a copy of a file, read once: digest and size in bytes. Raises FileUnreadable, StoreFull."""
        return self._write(lambda out: _copy(source, out, report))

    def get(self, digest: Digest) -> bytes:
        """The bytes, verified. Raises ObjectMissing, ObjectDamaged."""
        path = self.path(digest)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise ObjectMissing(f"no object {digest}", where=str(self.root), mend="restore it from a backup") from None
        found = digest_bytes(data)
        if found != digest:
            raise damaged(path, digest, found)
        return data

    def verify(self, digest: Digest) -> Path:
        """The path of the object after reading and hashing all of it. Raises ObjectMissing, ObjectDamaged."""
        path = self.path(digest)
        try:
            found = hash_file(path)
        except FileNotFoundError:
            raise ObjectMissing(f"no object {digest}", where=str(self.root), mend="restore it from a backup") from None
        if found != digest:
            raise damaged(path, digest, found)
        return path

    def sync(self) -> None:
        """Bring what was written since the last call to the disk."""
        paths, self._unsynced = self._unsynced, []
        if len(paths) > _MANY:
            os.sync()
            return
        for path in paths:
            _fsync(path)
        for folder in {path.parent for path in paths}:
            _fsync(folder)

    def _write(self, fill: Callable[[int], tuple[Digest, int]]) -> tuple[Digest, int]:
        """Run `fill` on a temporary file and rename it to the digest that it returns."""
        self.root.mkdir(parents=True, exist_ok=True)
        temporary = ""
        try:
            handle, temporary = tempfile.mkstemp(prefix="tmp-", dir=self.root)
            try:
                digest, size = fill(handle)
                os.fchmod(handle, 0o444)
            finally:
                os.close(handle)
            final = self.path(digest)
            final.parent.mkdir(exist_ok=True)
            os.replace(temporary, final)
        except OSError as problem:
            _discard(temporary)
            if problem.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise StoreFull(
                    "no room left while writing an object", where=str(self.root), mend="free some space and run it again"
                ) from problem
            raise
        except BaseException:
            _discard(temporary)
            raise
        self._unsynced.append(final)
        return digest, size


def damaged(path: Path, expected: Digest, found: Digest, *, name: str | None = None) -> ObjectDamaged:
    """The error for bytes that are not what their name says; `name` is the user's own name for the file."""
    what = f"{name} is damaged" if name else "an object is damaged"
    return ObjectDamaged(
        f"{what}: its content is {found}, not {expected}",
        where=str(path),
        mend="restore this file from a backup or take the snapshot again",
    )


def hash_file(path: Path) -> Digest:
    """The digest of a file's content, read in chunks."""
    hasher = hashlib.sha256()
    with path.open("rb", buffering=0) as source:
        while chunk := source.read(_CHUNK):
            hasher.update(chunk)
    return Digest("sha256:" + hasher.hexdigest())


def _write_all(out: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(out, view) :]


def _copy(source: Path, out: int, report: Callable[[int], None] | None) -> tuple[Digest, int]:
    """Hash and copy in one pass; a file that changes meanwhile is refused."""
    hasher, size = hashlib.sha256(), 0
    try:
        handle = source.open("rb", buffering=0)
    except OSError as problem:
        raise FileUnreadable(f"cannot read {source.name}: {problem.strerror}", where=str(source)) from problem
    with handle:
        before = os.fstat(handle.fileno())
        while chunk := handle.read(_CHUNK):
            hasher.update(chunk)
            _write_all(out, chunk)
            size += len(chunk)
            if report:
                report(len(chunk))
        after = os.fstat(handle.fileno())
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        raise FileUnreadable(
            f"{source.name} changed while it was read", where=str(source), mend="run it again when it is still"
        )
    return Digest("sha256:" + hasher.hexdigest()), size


def _discard(temporary: str) -> None:
    if temporary:
        Path(temporary).unlink(missing_ok=True)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
