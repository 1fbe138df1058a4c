"""The tables of a team's logs are those of all its machines: each shares what it has compacted, through the bucket."""

from __future__ import annotations

from shipway.monitor._beside import BESIDE
from shipway.monitor._compact import STREAMS
from shipway.monitor._lock import exclusive
from shipway.monitor._merge import settle_merges
from shipway.monitor._tables import sync_folder, table_folder
from shipway.store import Shared, Store


def share_logs(store: Store) -> Shared:
    """Bring our tables to the team's bucket and the others' here, where objects are in one. Of several at once one does it.

    Killable and idempotent. Raises ObjectsDown, ObjectsRefused, ObjectDamaged: what came before it stays.
    """
    sent = fetched = 0
    with exclusive(store.log_folder("predictions").parent / "share.lock", wait=False) as free:
        for stream in (*STREAMS, *BESIDE, "gaps") if free else ():
            folder = table_folder(store, stream)
            if store.objects.bucket is not None:  # merged before it came to one: the others have no list of what replaces what
                settle_merges(store, stream)
            done = store.share(stream, folder, suffix=".parquet")
            sent, fetched = sent + done.sent, fetched + done.fetched
            if done.fetched:
                sync_folder(folder)
    return Shared(sent, fetched)
