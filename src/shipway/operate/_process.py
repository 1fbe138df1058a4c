"""Where `shipway up` of this project runs, so that other commands find it."""

from __future__ import annotations

import os
import urllib.request

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


def refuse_second(store: Store) -> None:
    """Raises ControlRunning when an `up` of this project answers already."""
    found = control_process(store)
    if found is None:
        return
    url = str(found["url"])
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=2) as answer:  # noqa: S310 - our own loopback address
            answers = answer.status == 200
    except OSError:
        answers = False  # its process id was given to another program since
    if answers:
        raise ControlRunning(
            f"shipway up of project {store.project} runs already, process {found['pid']}",
            where=url,
            mend="open it, or end it first",
        )


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
