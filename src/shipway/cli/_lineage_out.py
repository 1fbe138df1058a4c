"""Where lineage goes when the user has said so: OPENLINEAGE_URL, as OpenLineage's own clients read it. Otherwise nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from shipway.cli._output import Output
from shipway.cli._settings import Project

if TYPE_CHECKING:
    from datetime import datetime

    from shipway.release import Receiver, Run


def receiver_of(environ: Mapping[str, str], url: str | None = None) -> Receiver | None:
    """Who is to get the events; None when nobody is named."""
    from shipway.release import LINEAGE_ENDPOINT, Receiver

    url = url or environ.get("OPENLINEAGE_URL")
    if not url or environ.get("OPENLINEAGE_DISABLED", "").lower() == "true":
        return None
    endpoint = environ.get("OPENLINEAGE_ENDPOINT") or LINEAGE_ENDPOINT
    return Receiver(url, endpoint, environ.get("OPENLINEAGE_API_KEY", ""))


@contextmanager
def told_to_catalogue(project: Project, out: Output) -> Iterator[None]:
    """Tells a catalogue of the runs that are recorded inside, and of the failure that leaves it; nothing unless one is named.

    What goes wrong on the way is a remark: no run fails because somebody else's catalogue is down.
    """
    receiver = receiver_of(project.settings.environ)
    if receiver is None:
        yield
        return
    from shipway.release import recorded_runs

    started = project.store.clock.now()
    try:
        yield
    except Exception as problem:
        _tell(project, out, receiver, _failed(project, started, problem))
        raise
    _tell(project, out, receiver, recorded_runs(project.store, project.keys, since=started))


def _failed(project: Project, started: datetime, problem: Exception) -> list[Run]:
    from shipway.kernel.errors import ShipwayError
    from shipway.release import Run, Used, run_uuid

    said = problem.what if isinstance(problem, ShipwayError) else f"{type(problem).__name__}: {problem}"
    now = project.store.clock.now()
    refs = {f"data/{name}": project.store.ref(f"data/{name}") for name in project.spec.data}
    inputs = tuple(Used(name, ref.digest if ref else None) for name, ref in refs.items())
    ids = project.store.ids
    return [Run(run_uuid(ids.new()), f"model/{name}", started, now, inputs, problem=said) for name in project.spec.models]


def _tell(project: Project, out: Output, receiver: Receiver, runs: list[Run]) -> None:
    from shipway.kernel.errors import ShipwayError
    from shipway.release import run_events, send_events

    try:
        sent = send_events(receiver, run_events(project.store, runs))
    except ShipwayError as problem:
        out.note(f"note: lineage was not sent to {problem.where or receiver.url}: {problem.what}")
        return
    if sent:
        out.note(f"lineage: {sent} events sent")
