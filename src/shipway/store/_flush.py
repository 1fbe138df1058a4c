"""Everything that was written to one file system brought to its disk by one call, where the kernel tells whether it failed."""

from __future__ import annotations

import os
from functools import cache

_TELLS = (5, 8)  # Linux, from which on syncfs tells of errors
# linux/magic.h; elsewhere (FUSE, NFS, overlays) the call may do less than an fsync of each file
_SURE = frozenset({0xEF53, 0x58465342, 0x9123683E, 0xF2F52010, 0x01021994})  # ext2 to ext4, xfs, btrfs, f2fs, tmpfs


def open_disk(folder: str) -> int:
    """A handle for flush_disk, to be had before anything is written: it is told what goes wrong from then on. -1: cannot."""
    if not hasattr(os, "O_DIRECTORY") or _release() < _TELLS:
        return -1
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    if _kind(handle) in _SURE:
        return handle
    os.close(handle)
    return -1


def flush_disk(handle: int) -> None:
    """All that was written to the file system of a handle is on its disk, names too. Raises OSError."""
    import ctypes

    if ctypes.CDLL(None, use_errno=True).syncfs(handle):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _kind(handle: int) -> int:
    import ctypes

    buffer = ctypes.create_string_buffer(256)  # more than a statfs of any platform; the first word says the kind
    if ctypes.CDLL(None).fstatfs(handle, buffer):
        return 0
    return int.from_bytes(buffer.raw[: ctypes.sizeof(ctypes.c_long)], "little") & 0xFFFFFFFF


@cache
def _release() -> tuple[int, int]:
    major, _, rest = os.uname().release.partition(".")
    minor = rest.partition(".")[0]
    return (int(major), int(minor)) if os.uname().sysname == "Linux" and major.isdecimal() and minor.isdecimal() else (0, 0)
