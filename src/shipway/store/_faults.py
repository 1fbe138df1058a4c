"""What SQLite says when it cannot go on, in the store's own errors."""

from __future__ import annotations

from shipway.kernel.errors import ShipwayError
from shipway.store._types import StoreBusy, StoreFull

_BUSY = ("locked", "busy")
_NO_ROOM = ("disk is full", "disk I/O error", "unable to open database file")  # the last two also where a disk is broken


def fault_of(problem: Exception, *, where: str) -> ShipwayError | None:
    """The error for a message of the catalogue's driver; None for one that is a fault of ours."""
    said = str(problem)
    if any(word in said for word in _BUSY):
        return StoreBusy("another process holds the catalogue", where=where, mend="wait for it, then run this again")
    if any(word in said for word in _NO_ROOM):
        mend = "free some space and run it again"
        return StoreFull("the catalogue cannot be read or written: the disk is full, or fails", where=where, mend=mend)
    return None
