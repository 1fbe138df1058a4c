"""The slow rounds of `shipway up`: following, and what surrounds deployments that answer prompts. Each may take minutes, so
they have a thread of their own beside the control loop, which keeps processes as the refs say.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial

from shipway.kernel.errors import ShipwayError
from shipway.operate._asking import World
from shipway.operate._follow import follow
from shipway.operate._surroundings import watch_surroundings
from shipway.pipeline import Hands, Silence
from shipway.spec import Spec

FOLLOW_SECONDS = 1.0
LOOK_SECONDS = 5.0


class Rounds:
    """One thread's loop over one project, with hands (and a store) of its own. spec: read anew each time, None when it cannot
    be read: then deployments go by what they hold themselves.
    """

    def __init__(
        self,
        hands: Hands,
        *,
        environ: Mapping[str, str],
        spec: Callable[[], Spec | None],
        world: Callable[[Spec], World],
        report: Callable[[str], None],
    ) -> None:
        self._hands, self._environ, self._spec, self._world, self._report = hands, environ, spec, world, report
        self._next = {"follow": 0.0, "surroundings": 0.0}
        self._told: dict[str, str] = {}

    def run(self, stop: threading.Event) -> None:
        """Turn until told to stop; a turn that is at work is finished first, or ended with the process."""
        while not stop.is_set():
            self.turn()
            stop.wait(0.2)

    def turn(self) -> None:
        """One look at everything that is due."""
        self._due("follow", FOLLOW_SECONDS, self._follow)
        self._due("surroundings", LOOK_SECONDS, self._look)

    def _follow(self, ref: str) -> None:
        store = self._hands.store
        if not store.get(store.resolve(ref), "deployment")["follow"]:
            return
        spec = self._spec()
        world = partial(self._world, spec) if spec else None
        done = follow(self._hands, ref, world=world, environ=self._environ, report=Silence())
        if done:
            how = "moved" if done.moved else f"refused: {'; '.join(done.judgement.missing) or done.judgement.verdict}"
            self._report(f"{ref} follows to {done.release[7:19]}: {how}")

    def _look(self, ref: str) -> None:
        store = self._hands.store
        if store.get(store.resolve(ref), "deployment")["target"] == "gateway":
            watch_surroundings(self._hands, ref, environ=self._environ, spec=self._spec())

    def _due(self, name: str, every: float, work: Callable[[str], None]) -> None:
        if time.monotonic() < self._next[name]:
            return
        self._guard(name, lambda: self._each(name, work))  # a store that cannot be read for a moment ends nothing
        self._next[name] = time.monotonic() + every

    def _each(self, name: str, work: Callable[[str], None]) -> None:
        for ref in self._hands.store.refs("deploy/"):
            self._guard(f"{name} {ref.name}", lambda: work(ref.name))  # noqa: B023 - called at once

    def _guard(self, name: str, work: Callable[[], object]) -> None:
        """A fault of one deployment is told once and tried again; the others go on."""
        try:
            work()
        except Exception as problem:
            said = problem.what if isinstance(problem, ShipwayError) else f"{type(problem).__name__}: {problem}"
            if self._told.get(name) != said:
                self._told[name] = said
                self._report(f"{name}: {said}")
        else:
            self._told.pop(name, None)
