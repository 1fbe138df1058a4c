"""One file of the store brought into a folder: shared where the file system can, else copied."""

from __future__ import annotations

import errno
import os
from _thread import get_ident  # of threading, which a checkout needs for nothing else
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from shipway.store import NO_CLONES, clone_into

_PIECE = 8 << 20  # bytes between two reports of a large file
_SMALL = 1 << 17  # bytes up to which one read and one write are the quickest copy


class Way(StrEnum):
    """How bytes come into a folder. AUTO: shared blocks where the file system has them, else a copy."""

    AUTO = "auto"
    REFLINK = "reflink"
    HARDLINK = "hardlink"
    COPY = "copy"


class Bringer:
    """Puts objects under names, each whole or not at all. staging: a folder of the same file system, for what is not whole.

    way: what was asked for; AUTO settles at the first file. A hard link is the object itself: read-only, and whoever writes
    through it damages the store. So it is made only when asked for, and never of an executable, whose mode is another.
    """

    def __init__(self, way: Way, staging: Path) -> None:
        self.way, self._staging = way, os.fspath(staging)

    def bring(self, source: str, target: str, *, executable: bool, report: Callable[[int], None] | None = None) -> Way:
        """How it came. Replaces a file at the target. Raises OSError; EOPNOTSUPP where the file system cannot do as asked."""
        if self.way is Way.HARDLINK and not executable and self._hardlinked(source, target):
            return Way.HARDLINK
        draft = self._draft()
        try:
            done = self._fill(source, draft, mode=0o777 if executable else 0o666, report=report)
            os.replace(draft, target)
        except BaseException:
            _discard(draft)
            raise
        return done

    def _hardlinked(self, source: str, target: str) -> bool:
        """Not where the object has all the names that it can have (65,000 on ext4)."""
        try:
            try:
                os.link(source, target)
            except FileExistsError:
                draft = self._draft()
                os.link(source, draft)
                os.replace(draft, target)
                _discard(draft)  # a rename does nothing where both are one file already
        except OSError as problem:
            if problem.errno != errno.EMLINK:
                raise
            return False
        return True

    def _draft(self) -> str:
        """One a thread; a second file is begun when the first has its name."""
        return f"{self._staging}/{get_ident():x}"

    def _fill(self, source: str, draft: str, *, mode: int, report: Callable[[int], None] | None) -> Way:
        given = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        try:
            out = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            try:
                if self._cloned(given, out):
                    return Way.REFLINK
                _copy(given, out, report)
                return Way.COPY
            finally:
                os.close(out)
        finally:
            os.close(given)

    def _cloned(self, given: int, out: int) -> bool:
        if self.way not in (Way.AUTO, Way.REFLINK):
            return False
        try:
            clone_into(out, given)
        except OSError as problem:
            if problem.errno not in NO_CLONES or self.way is Way.REFLINK:
                raise
            self.way = Way.COPY  # the answer is the file system's, so it holds for all
            return False
        return True


def _discard(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def _copy(given: int, out: int, report: Callable[[int], None] | None) -> None:
    status = os.fstat(given)
    size = status.st_size
    if size <= _SMALL:
        data = os.read(given, size + 1)
        while data:
            data = data[os.write(out, data) :]
    elif status.st_blocks * 512 < size and hasattr(os, "SEEK_DATA"):
        _copy_sparse(given, out, size, report)
    else:
        _copy_all(given, out, size, report)


def _copy_sparse(given: int, out: int, size: int, report: Callable[[int], None] | None) -> None:
    """As _copy_all, without the holes."""
    place = 0
    while place < size:
        try:
            begin = os.lseek(given, place, os.SEEK_DATA)
        except OSError as problem:
            if problem.errno != errno.ENXIO:
                raise
            begin = size  # a hole up to the end
        if report:
            report(begin - place)
        place = begin if begin == size else os.lseek(given, begin, os.SEEK_HOLE)
        for handle in (given, out):
            os.lseek(handle, begin, os.SEEK_SET)
        _copy_all(given, out, place - begin, report)
    os.ftruncate(out, size)


def _copy_all(given: int, out: int, size: int, report: Callable[[int], None] | None) -> None:
    """So many bytes, from where both files are."""
    left = size
    with suppress(AttributeError):
        left = _copy_inside(given, out, size, report)
    if left:
        _copy_outside(given, out, left)


def _copy_outside(given: int, out: int, left: int) -> None:
    while left:
        data = os.read(given, min(left, _PIECE))
        if not data:
            raise _shorter()
        left -= len(data)
        while data:
            data = data[os.write(out, data) :]


def _shorter() -> OSError:
    return OSError(errno.EIO, "the object became shorter while it was copied")


def _copy_inside(given: int, out: int, size: int, report: Callable[[int], None] | None) -> int:
    """Copy inside the kernel; how many bytes it would not do: all of them, between file systems that cannot."""
    left = size
    while left:
        try:
            done = os.copy_file_range(given, out, min(left, _PIECE))
        except OSError as problem:
            if problem.errno not in NO_CLONES or left < size:
                raise
            return left
        if not done:
            raise _shorter()
        left -= done
        if report:
            report(done)
    return 0
