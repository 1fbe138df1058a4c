"""Arms that answer in processes of their own, behind an address of this machine that only the live release knows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.operate._group import Group
from shipway.operate._serve import Serving

RETRY_SECONDS = 5.0


class ArmsApart:
    """The groups of the arms of one deployment. What does not start is tried again; until then the live release answers."""

    def __init__(
        self,
        ref: str,
        deployment: Digest,
        arms: Mapping[str, Callable[[], Serving]],
        *,
        log: Path,
        environ: Mapping[str, str],
        report: Callable[[str], None],
    ) -> None:
        self.deployment = deployment
        self.problems: dict[str, str] = {}
        self._ref, self._arms, self._report = ref, dict(arms), report
        self._next: dict[str, float] = {}  # when to try again what did not start
        self._groups = {name: Group(ref, 0, log, environ, {}, listen=False) for name in arms}

    @property
    def urls(self) -> dict[str, str]:
        """Where each answers, or will once it can."""
        return {name: group.url for name, group in self._groups.items()}

    def step(self, stop: threading.Event | None = None) -> bool:
        """Start what is not there and replace what died; whether a problem came or went. Never raises for an arm.

        stop: once it is set, nobody is waited for any more.
        """
        before = dict(self.problems)
        for name, group in self._groups.items():
            if time.monotonic() >= self._next.get(name, 0.0):
                self._step(name, group, stop)
        for name, text in self.problems.items():
            if before.get(name) != text:
                self._report(f"{self._ref}: arm {name} does not answer, and live does instead: {text}")
        return before != self.problems

    def _step(self, name: str, group: Group, stop: threading.Event | None) -> None:
        try:
            if not group.workers:
                group.switch(self._arms[name](), stop)
            elif replaced := group.replace_dead(stop):
                self._report(f"{self._ref}: {replaced} predictor of arm {name} died and was replaced")
            self.problems.pop(name, None)
        except (ShipwayError, OSError) as problem:
            self._next[name] = time.monotonic() + RETRY_SECONDS
            self.problems[name] = problem.what if isinstance(problem, ShipwayError) else str(problem)

    def retire(self) -> None:
        """Ask all to end."""
        for group in self._groups.values():
            group.retire()

    def gone(self) -> bool:
        """Whether all have ended."""
        return not any(group.deployments() for group in self._groups.values())

    def drain(self) -> None:
        """As Group.drain."""
        for group in self._groups.values():
            group.drain()

    def kill(self) -> None:
        """As Group.kill."""
        for group in self._groups.values():
            group.kill()

    def stop(self) -> None:
        """Drain all and wait for it."""
        for group in self._groups.values():
            group.stop()
