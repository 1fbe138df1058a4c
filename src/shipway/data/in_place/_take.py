"""A snapshot of data in place: one look, and no byte of them."""

from __future__ import annotations

from shipway.data._listing import put_in_place
from shipway.data._snapshot import Snapshot
from shipway.data.in_place._source import Source
from shipway.store import Store, while_working


@while_working
def take_in_place(store: Store, source: Source, *, name: str) -> Snapshot:
    """Keep what is there as a snapshot; `read` is 0. Raises DataEmpty, DataUnreadable, and what Source.look raises."""
    found = source.look()
    return Snapshot(put_in_place(store, found, name=name).digest, len(found.entries), found.bytes, 0)
