"""The slow rounds of `shipway up`: following, and what surrounds deployments that answer prompts. Each may take minutes, so
each has a thread of its own beside the control loop, which keeps processes as the refs say: a monitor does not wait for an
evaluation.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial

from shipway.kernel.errors import ShipwayError
from shipway.operate._asking import World
from shipway.operate._follow import follow
from shipway.operate._patience import Patience
from shipway.operate._requests import watch_calls
from shipway.operate._service import watch_service
from shipway.operate._surroundings import watch_surroundings
from shipway.pipeline import Hands, Silence
from shipway.spec import Spec
from shipway.store import Store

FOLLOW_SECONDS = 1.0
LOOK_SECONDS = 5.0
SERVICE_SECONDS = 60.0  # windows of an hour say nothing new sooner


class Round:
    """Work that is done for every deployment again and again, in one thread with a store of its own."""

    def __init__(
        self, name: str, store: Store, work: Callable[[str], None], *, every: float, report: Callable[[str], None]
    ) -> None:
        self._name, self._store, self._work, self._every, self._report = name, store, work, every, report
        self._told: dict[str, str] = {}

    def run(self, stop: threading.Event) -> None:
        """Turn until told to stop; a turn that is at work is finished first, or ended with the process."""
        due = 0.0
        while not stop.is_set():
            if time.monotonic() >= due:
                self.turn()
                due = time.monotonic() + self._every
            stop.wait(0.2)

    def turn(self) -> None:
        """The work for every deployment."""
        self._guard(self._name, self._each)  # a store that cannot be read for a moment ends nothing

    def _each(self) -> None:
        for ref in self._store.refs("deploy/"):
            self._guard(f"{self._name} {ref.name}", partial(self._work, ref.name))

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


def follow_round(
    hands: Hands,
    *,
    environ: Mapping[str, str],
    spec: Callable[[], Spec | None],
    world: Callable[[Spec], World],
    report: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> Round:
    """Brings deployments after what they follow. spec: read anew each time, None when it cannot be read: deployments then go
    by what they hold themselves; clock: of the waits after failures.
    """
    store, patience = hands.store, Patience(clock)

    def work(ref: str) -> None:
        if not store.get(store.resolve(ref), "deployment")["follow"]:
            return
        found = spec()
        known = partial(world, found) if found else None
        done = follow(hands, ref, world=known, environ=environ, report=Silence(), patience=patience)
        if done:
            how = "moved" if done.moved else f"refused: {'; '.join(done.judgement.missing) or done.judgement.verdict}"
            report(f"{ref} follows to {done.release[7:19]}: {how}")

    return Round("follow", store, work, every=FOLLOW_SECONDS, report=report)


def look_round(
    hands: Hands,
    *,
    environ: Mapping[str, str],
    spec: Callable[[], Spec | None],
    report: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> Round:
    """Looks at documents, costs and providers of gateways, and once a minute at the requests of every deployment. As above."""
    store, looked = hands.store, dict[str, float]()

    def work(ref: str) -> None:
        gateway, due = store.get(store.resolve(ref), "deployment")["target"] == "gateway", _due(ref)
        if due:
            (watch_calls if gateway else watch_service)(hands, ref)
        if gateway:
            watch_surroundings(hands, ref, environ=environ, spec=spec())

    def _due(ref: str) -> bool:
        due = clock() - looked.get(ref, -SERVICE_SECONDS) >= SERVICE_SECONDS
        looked.update({ref: clock()} if due else {})
        return due

    return Round("surroundings", store, work, every=LOOK_SECONDS, report=report)
