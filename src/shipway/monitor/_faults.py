"""Objects that logs speak of and the store no longer has: what concerns them waits, everything else goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from shipway.kernel.errors import ShipwayError


@contextmanager
def past_unreadable() -> Iterator[None]:
    """Ends the block, not the caller, when an object in it is missing or damaged; what may work later is raised."""
    try:
        yield
    except ShipwayError as problem:
        if problem.retry:
            raise
