"""How long a follower waits after a failure: a provider that is down is not asked a whole golden set every second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from shipway.kernel.digest import Digest

FIRST_SECONDS, MOST_SECONDS = 5.0, 300.0
_MOST_ASKED = 3600.0  # what a provider may ask for with Retry-After


class _Failed(NamedTuple):
    target: Digest
    problem: Exception
    wait: float
    until: float


class Patience:
    """What failed at each ref, and until when it is not tried again. clock: seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: dict[str, _Failed] = {}

    @contextmanager
    def trying(self, ref: str, target: Digest) -> Iterator[None]:
        """Raises what failed before while it is too early for this target; another target is tried at once.

        Each failure doubles the wait, from 5 seconds to 5 minutes; a problem that says how long (`retry_after`) is heard.
        """
        before = self._failed.get(ref)
        if before and before.target != target:
            before = None
        if before and self._clock() < before.until:
            raise before.problem.with_traceback(None)
        try:
            yield
        except Exception as problem:
            wait = min(before.wait * 2, MOST_SECONDS) if before else FIRST_SECONDS
            until = self._clock() + max(wait, _asked_for(problem))
            self._failed[ref] = _Failed(target, problem, wait, until)
            raise
        self._failed.pop(ref, None)


def _asked_for(problem: Exception) -> float:
    """Seconds that the one who refused asks for."""
    seconds = getattr(problem, "retry_after", None)
    return min(float(seconds), _MOST_ASKED) if isinstance(seconds, int | float) else 0.0
