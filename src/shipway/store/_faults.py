"""What SQLite and the file system say when they cannot go on, in the store's own errors."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

from shipway.kernel.errors import ShipwayError
from shipway.store._types import CatalogueDamaged, StoreBusy, StoreFull, StoreReadOnly

_BUSY = ("locked", "busy")
_NO_ROOM = ("disk is full", "disk I/O error", "unable to open database file")  # the last two also where a disk is broken
_BROKEN = ("malformed", "not a database", "no such table")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SHUT = (errno.EROFS, errno.EACCES, errno.EPERM)
_RESTORE = "restore catalogue.sqlite from a backup"


def fault_of(problem: BaseException, *, file: Path) -> ShipwayError | None:
    """The error for what sqlite3 raised, as it is or inside one of SQLAlchemy's; None for a fault of ours.

    Only the driver's own words count: around them SQLAlchemy shows the row, and that may say anything.
    """
    raised = getattr(problem, "orig", None) or problem
    if not isinstance(raised, sqlite3.DatabaseError) or isinstance(raised, sqlite3.IntegrityError):
        return None
    said = str(raised)
    if any(words in said for words in _BROKEN):
        return CatalogueDamaged("the catalogue is no whole database any more", where=str(file), mend=_RESTORE)
    if "unable to open" in said and file.parent.is_dir() and not file.exists():
        return CatalogueDamaged("the catalogue is gone", where=str(file), mend=_RESTORE)
    if "readonly" in said or ("unable to open" in said and not os.access(file.parent, os.W_OK)):
        return read_only(file.parent)
    if any(words in said for words in _BUSY):
        return StoreBusy("another process holds the catalogue", where=str(file), mend="wait for it, then run this again")
    if any(words in said for words in _NO_ROOM):
        mend = "free some space and run it again"
        return StoreFull("the catalogue cannot be read or written: the disk is full, or fails", where=str(file), mend=mend)
    return None


def disk_fault(problem: OSError, folder: Path) -> ShipwayError | None:
    """The error for a file below the store's `folder` that could not be written; None when it is about something else."""
    if problem.errno in _FULL:
        return StoreFull("no room left while writing to the store", where=str(folder), mend="free some space and run it again")
    if problem.errno in _SHUT and Path(os.fsdecode(problem.filename or "")).is_relative_to(folder):
        return read_only(folder)
    return None


def read_only(folder: Path) -> StoreReadOnly:
    """The error for a store that this user may not write."""
    mend = "run it as the user who owns the store, or mount the disk to be written"
    return StoreReadOnly("the store cannot be written here", where=str(folder), mend=mend)
