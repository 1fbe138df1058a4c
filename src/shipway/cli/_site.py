"""The site of `shipway up`, and what it needs to listen."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from socket import socket
from typing import TYPE_CHECKING

from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from shipway.cli._retraining import Retraining
    from shipway.monitor import OutcomeLog
    from shipway.store import Store
    from shipway.web import Counters, Receivers


def make_site(
    settings: Settings,
    store: Store,
    *,
    links: Mapping[str, str],
    outcomes: OutcomeLog,
    names: Collection[str],
    counters: Counters,
    receivers: Receivers,
    retraining: Retraining,
) -> Starlette:
    """The page and the API.

    The store is found once: editing shipway.yaml while it runs neither breaks the page nor shows another project.
    """
    from shipway.cli._desk import open_desk
    from shipway.web import make_app

    return make_app(
        store.again,
        links=links,
        endpoints=lambda: _endpoints(store.again()),
        record_outcomes=outcomes.record,
        rate_review=lambda key, value: _rate(settings, key, value),
        desk=open_desk(settings, store, retraining),
        hosts=names,
        counters=counters,
        receivers=receivers,
    )


_ANSWER_SECONDS = 5  # for what is being answered when this ends; whoever is slower is hung up on
_CLOSE_SECONDS = 10.0  # for all of it; the thread is left behind then


class Listening:
    """An application under uvicorn in a thread; when it ends, so does everything else. most: connections at a time."""

    def __init__(self, app: Starlette, listener: socket, stop: threading.Event, *, most: int | None = None) -> None:
        import uvicorn

        settings = uvicorn.Config(
            app, log_level="warning", access_log=False, limit_concurrency=most, timeout_graceful_shutdown=_ANSWER_SECONDS
        )
        self._server = uvicorn.Server(settings)
        self._listener, self._stop = listener, stop
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    def __enter__(self) -> Listening:
        self._thread.start()
        return self

    def __exit__(self, *_problem: object) -> None:
        self._server.should_exit = True
        self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._listener])
        finally:
            self._stop.set()


def _rate(settings: Settings, key: str, value: int | str) -> None:
    """A person's rating, by whoever has started `up`: nobody else reaches a page on loopback."""
    from shipway.operate import rate_review

    project = Project(settings)
    try:
        rate_review(project.hands, key, value)
    finally:
        project.store.close()


def _endpoints(store: Store) -> dict[str, str]:
    """Where each deployment's predictor answers."""
    from shipway.operate import ENDPOINT

    try:
        return {row.key: str(row.value["url"]) for row in store.states(ENDPOINT) if row.value.get("url")}
    finally:
        store.close()
