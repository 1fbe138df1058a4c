"""The room that copies of a bucket's objects may take: beyond it those go that were used longest ago.

When a copy was last used is its time of modification. What was used within a day stays, whatever the bound: a path that was
handed out may be opened later.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_KEPT = 86_400.0  # seconds since its last use for which a copy stays
_NOTED = 600.0  # a use is noted this often; every use would be a write
_LOOKED = 3600.0  # all copies of a machine are looked at this often, and whenever a twentieth of the bound has come
_ROOM = 0.9  # of the bound, once copies had to go: not each new one makes another go


class _Copy(NamedTuple):
    used: float
    size: int
    path: Path


class Room:
    """Keeps the copies of all buckets below one folder within a bound of bytes; None: they stay."""

    def __init__(self, folder: Path, bound: int | None) -> None:
        self._folder, self._bound, self._came = folder, bound, 0

    def used(self, path: Path) -> None:
        """Note that a copy is used now."""
        with suppress(OSError):  # gone meanwhile, or another user's
            if time.time() - path.stat().st_mtime > _NOTED:
                os.utime(path)

    def received(self, size: int) -> None:
        """Another copy has come; look at all of them when it is time to."""
        self._came += size
        if self._bound is None or not (self._came > self._bound // 20 or self._is_long_ago()):
            return
        self._came = 0
        with suppress(OSError):  # a disk that may only be read: then nothing comes either
            (self._folder / "looked").touch()
            make_room(self._folder, self._bound, now=time.time())

    def _is_long_ago(self) -> bool:
        try:
            return time.time() - (self._folder / "looked").stat().st_mtime > _LOOKED
        except OSError:
            return True


def make_room(folder: Path, bound: int, *, now: float) -> int:
    """Remove the copies that were used longest ago until the rest fits; how many bytes went. Several may do it at once."""
    copies = sorted(_copies(folder))
    excess, gone = sum(copy.size for copy in copies) - bound, 0
    if excess <= 0:
        return 0
    excess += int(bound * (1 - _ROOM))
    for copy in copies:
        if gone >= excess or now - copy.used < _KEPT:
            break
        with suppress(OSError):
            if copy.path.stat().st_mtime == copy.used:  # nobody has used it since we looked
                copy.path.with_name(f"{copy.path.name}.tag").unlink(missing_ok=True)
                copy.path.unlink()
                gone += copy.size
    return gone


def _copies(folder: Path) -> Iterator[_Copy]:
    """Files with the name of an object; what else lies there is not ours to remove."""
    for path in folder.glob("*/[0-9a-f][0-9a-f]/*"):
        if len(path.name) == 62 and set(path.name) <= set("0123456789abcdef"):
            with suppress(OSError):
                status = path.lstat()
                if stat.S_ISREG(status.st_mode):
                    yield _Copy(status.st_mtime, status.st_size, path)
