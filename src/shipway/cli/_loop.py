"""The control loop of `up` in a thread of its own, and its end, which comes whatever the loop is at."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.operate import Supervisor

END_SECONDS = 120.0  # what a gateway takes to drain, then what an arm beside a predictor takes, and as much again for the logs


class ControlLoop:
    """Keeps the predictors of a project, with a store of its own, until `end`.

    note: told one line for every change; port: of the first predictor; serving: whether there are any.
    """

    def __init__(self, settings: Settings, note: Callable[[str], None], *, port: int, serving: bool) -> None:
        self._settings, self._note, self._port, self._serving = settings, note, port, serving
        self._supervisor: Supervisor | None = None
        self._thread: threading.Thread | None = None

    def start(self, stop: threading.Event) -> None:
        """Turn until told to stop; what ends the loop sets `stop`."""
        self._thread = threading.Thread(target=self._run, args=(stop,), name="control", daemon=True)
        self._thread.start()

    def end(self, seconds: float = END_SECONDS) -> None:
        """Once told to stop: predictors finish what they have, also while the loop is at something else. After some seconds
        they are killed, and the loop is left.
        """
        assert self._thread is not None
        if self._supervisor:
            self._supervisor.drain()
        self._thread.join(seconds)
        if self._thread.is_alive():
            self._note(f"the control loop did not end within {seconds:g} s: predictors that still run are killed")
            if self._supervisor:
                self._supervisor.kill()

    def _run(self, stop: threading.Event) -> None:
        from shipway.cli._serving import predictor_environ
        from shipway.operate import Control, make_supervisor

        project = Project(self._settings)
        self._supervisor = make_supervisor(
            project.store,
            cache=project.cache,
            environ=predictor_environ(self._settings.environ),
            report=self._note,
            port=self._port,
            only=None if self._serving else "",  # no ref has that name
            secrets=self._settings.environ,
        )
        try:
            Control(project.store, project.signer, self._supervisor, self._note).run(stop)
        except BaseException as problem:
            self._note(f"the control loop ended: {type(problem).__name__}: {problem}")
            raise
        finally:
            stop.set()
            project.store.close()
