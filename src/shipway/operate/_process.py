"""Where `shipway up` of this project runs, so that other commands find it."""

from __future__ import annotations

import os

from shipway.kernel.canonical import JsonObject
from shipway.store import Store

CONTROL = "control"  # one state row, key "up"


def note_control(store: Store, *, url: str, tracking: str | None) -> None:
    """Say where this process serves the page and the API."""
    store.put_state(CONTROL, "up", {"url": url, "tracking": tracking, "pid": os.getpid()})


def control_process(store: Store) -> JsonObject | None:
    """What a running `up` said of itself; None when it has ended."""
    row = store.state(CONTROL, "up")
    return row.value if row and _runs(row.value.get("pid")) else None


def tracking_url(store: Store) -> str | None:
    """The address of the MLflow server that a running `up` keeps."""
    found = control_process(store)
    url = found.get("tracking") if found else None
    return str(url) if url else None


def _runs(pid: object) -> bool:
    if not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
