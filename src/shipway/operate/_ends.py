"""Why processes of a group ended, and how many of them may within a minute before no more are started."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Iterable

DEATHS = 10  # a worker a minute; what dies more often is started, fails its first requests and dies
_WINDOW_SECONDS = 60.0
_REASONS = {75: "a call of the model took too long", 76: "it held more memory than it may"}  # exit codes of a predictor


def reason(code: int | None) -> str:
    """
    >>> reason(-9), reason(76), reason(3)
    ('SIGKILL', 'it held more memory than it may', 'exit code 3')
    """
    if code is not None and code < 0:
        return signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return _REASONS.get(code or 0, f"exit code {code}")


def reasons(codes: Iterable[int | None]) -> str:
    """Each once, in the order in which they came."""
    return ", ".join(dict.fromkeys(map(reason, codes)))


class Deaths:
    """Of one group. Times are of one monotonic clock."""

    def __init__(self) -> None:
        self.total = 0
        self._times: deque[float] = deque()

    def add(self, number: int, now: float) -> None:
        self.total += number
        self._times.extend([now] * number)

    def too_many(self, workers: int, now: float) -> bool:
        """Whether the last minute has seen more than that many workers may have."""
        while self._times and self._times[0] <= now - _WINDOW_SECONDS:
            self._times.popleft()
        return len(self._times) >= DEATHS * workers
