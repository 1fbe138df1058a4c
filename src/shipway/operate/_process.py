"""Where `shipway up` of this project runs, so that other commands find it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from shipway.kernel.canonical import JsonObject
from shipway.kernel.errors import ShipwayError
from shipway.store import Store


class ControlRunning(ShipwayError):
    """A second control plane of one project would start every predictor twice."""

    code = "operate.control-running"


CONTROL = "control"  # one state row, key "up"


def note_control(store: Store, *, url: str, tracking: str | None) -> None:
    """Say where this process serves the page and the API."""
    store.put_state(CONTROL, "up", {"url": url, "tracking": tracking, "pid": os.getpid()})


def forget_control(store: Store) -> None:
    """Take back what note_control said."""
    store.delete_state(CONTROL, "up")


def control_process(store: Store) -> JsonObject | None:
    """What a running `up` said of itself; None when it has ended."""
    row = store.state(CONTROL, "up")
    return row.value if row and _runs(row.value.get("pid")) else None


@contextmanager
def hold_control(store: Store, *, alone: bool) -> Iterator[None]:
    """Be the one `up` of a project (alone), or one `serve` among several, until the end of the block.

    The lock is the kernel's: it ends with the process, however that ends. Raises ControlRunning.
    """
    path = store.root / f"{store.project}.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            found = control_process(store)
            where = str(found["url"]) if found else str(path)
            what = f"shipway up or serve of project {store.project} runs already"
            raise ControlRunning(what, where=where, mend="use that one, or end it first") from None
        yield
    finally:
        os.close(handle)


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
