"""Many small files put as objects: with as few calls of the system as there can be, on all cores."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from shipway.store._hands import share_out

_FAILED = b"\xff" * 56  # in place of the digest's 32 bytes, the size's 8 and those of the MD5, zero where it is not asked for

Result = tuple[str, int, str]  # hexadecimal digits, size in bytes, hexadecimal MD5


class FileMoved(Exception):
    """A file that changed while it was read, or that has to be looked at by who knows more."""


class SmallFiles:
    """Puts one file after the other below a folder of objects. prefix: begins the names of drafts, nobody else's."""

    def __init__(self, below: str, prefix: str, *, md5: bool) -> None:
        self._below, self._prefix, self._md5, self._count = below, prefix, md5, 0
        self._masked = bool(_umask() & 0o444)

    def put(self, source: bytes) -> Result:
        """Raises OSError, and FileMoved for what changed meanwhile or is there already and differs."""
        data = _read(source)
        digits = hashlib.sha256(data).hexdigest()
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest() if self._md5 else "0" * 32
        final = f"{self._below}/{digits[:2]}/{digits[2:]}"
        if os.access(final, os.F_OK):
            if not _holds(final, data):
                raise FileMoved
            return digits, len(data), md5
        self._count += 1
        draft = f"{self._prefix}{self._count}"
        out = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
        try:
            if os.write(out, data) != len(data):
                raise FileMoved  # the disk is nearly full; whoever comes next is told so
            if self._masked:
                os.fchmod(out, 0o444)
            os.close(out)
            out = -1
            _rename(draft, final)
        except BaseException:
            if out >= 0:
                os.close(out)
            with suppress(OSError):
                os.unlink(draft)
            raise
        return digits, len(data), md5


def put_small(
    below: str, prefix: str, sources: Sequence[bytes], *, tell: Callable[[int], None], md5: bool
) -> list[Result | None]:
    """What became of each file, in order; None: it could not be put, and who puts it by itself is told why.

    tell: as of share_out.
    """

    def work(hand: int, share: Sequence[bytes]) -> Iterator[bytes]:
        files = SmallFiles(below, f"{prefix}{hand}-", md5=md5)
        for source in share:
            try:
                digits, size, summed = files.put(source)
                yield bytes.fromhex(digits) + size.to_bytes(8, "little") + bytes.fromhex(summed)
            except (OSError, FileMoved):
                yield _FAILED

    said = share_out(sources, work, size=len(_FAILED), tell=tell)
    return [
        (one[:32].hex(), int.from_bytes(one[32:40], "little"), one[40:].hex()) if one and one != _FAILED else None
        for one in said
    ]


def _read(source: bytes) -> bytes:
    handle = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        before = os.fstat(handle)
        data = os.read(handle, before.st_size + 1)
        after = os.fstat(handle)
    finally:
        os.close(handle)
    if len(data) != before.st_size or (before.st_mtime_ns, before.st_ctime_ns) != (after.st_mtime_ns, after.st_ctime_ns):
        raise FileMoved
    return data


def _holds(path: str, data: bytes) -> bool:
    try:
        status = os.lstat(path)
        if status.st_size != len(data) or status.st_mode & 0o777 != 0o444 or os.path.islink(path):
            return False
        with open(path, "rb", buffering=0) as file:
            return file.read(len(data) + 1) == data
    except OSError:
        return False


def _rename(draft: str, final: str) -> None:
    try:
        os.rename(draft, final)
    except FileNotFoundError:  # the first object whose digits begin so
        os.makedirs(os.path.dirname(final), exist_ok=True)
        os.rename(draft, final)


def _umask() -> int:
    """Of this process; to ask the kernel for it would change it for a moment, under other threads."""
    with suppress(OSError, ValueError), open("/proc/self/status", "rb") as status:
        for line in status:
            if line.startswith(b"Umask:"):
                return int(line.split()[1], 8)
    return 0o777
