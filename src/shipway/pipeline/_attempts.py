"""What engines have in common: patience with one that is busy, and the names of the runs of a plan."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from shipway.kernel.digest import Digest
from shipway.pipeline._engine import EngineRefused, EngineUnreachable, Phase

MOST_ATTEMPTS = 20
_LONGEST = 30.0  # seconds between two questions, unless more is asked for

_T = TypeVar("_T")


class Away(Exception):
    """An engine is busy or not there, and may be asked again. wait: the seconds that it asks for."""

    def __init__(self, problem: str, *, wait: float = 0.0) -> None:
        super().__init__(problem)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Patience:
    """For how many seconds one thing is asked again and again."""

    seconds: float = 300.0
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep

    def ask(self, once: Callable[[], _T], *, who: str, where: str, mend: str) -> _T:
        """What once gives, which is tried again while it raises Away. Raises EngineUnreachable when patience is at its end."""
        until, wait = self.clock() + self.seconds, 1.0
        while True:
            try:
                return once()
            except Away as away:
                wait_for = max(wait, away.wait)
                if self.clock() + wait_for > until:
                    what = f"{who} gave no answer in {self.seconds:.0f} s, the last time: {away}"
                    raise EngineUnreachable(what, where=where, mend=mend) from away
            self.pause(wait_for)
            wait = min(wait * 2, _LONGEST)


def retry_after(header: str) -> float:
    """Seconds that a busy server asks for; a date is not heard."""
    return float(header) if re.fullmatch(r"[0-9]{1,6}", header) else 0.0


def one_line(text: str) -> str:
    """What an engine says, fit for a terminal."""
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", text)[:300].strip()


def run_names(first: str, plan: Digest) -> Iterator[str]:
    """The names that runs of a plan have, one after another; first: what each begins with."""
    name = f"{first}-{plan.removeprefix('sha256:')[:12]}"
    yield name
    yield from (f"{name}-{number}" for number in range(2, MOST_ATTEMPTS + 1))


def submit_once(
    names: Iterator[str], create: Callable[[str], bool], phase: Callable[[str], Phase], *, place: Callable[[str], str]
) -> str:
    """The run that was made, or is there and has not failed. create: whether there was none of that name.

    Raises EngineRefused when as many as there are names have failed.
    """
    run = ""
    for run in names:
        if create(run) or phase(run) is not Phase.FAILED:
            return run
    what = f"{MOST_ATTEMPTS} runs of this plan have failed"
    raise EngineRefused(what, where=place(run), mend="read their logs; delete them there to try again")


def running(names: Iterator[str], phase: Callable[[str], Phase | None]) -> str | None:
    """The newest run, unless it has ended. phase: None where there is no run of that name."""
    newest = None
    for run in names:
        seen = phase(run)
        if seen is None:
            break
        newest = run if seen is Phase.RUNNING else None
    return newest
