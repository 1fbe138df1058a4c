"""A sync by a process that has only so much time: it waits for another sync, and stops by itself before it is stopped."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from shipway.kernel.errors import ShipwayError
from shipway.rag import SyncRunning

if TYPE_CHECKING:
    from shipway.rag import Progress, Synced

MARGIN_SECONDS = 30.0  # a batch at a slow embedder, and the answer that the event shall come again
_LOOK_SECONDS = 1.0  # between two looks whether the other sync has ended


class TimeUp(ShipwayError):
    """A sync that stopped because its process has no more time; what was embedded is kept, and the same call goes on."""

    code = "operate.time-up"
    retry = True


def sync_in_time(
    sync: Callable[[Progress], Synced],
    *,
    what: str,
    left: Callable[[], float],
    report: Progress,
    margin: float = MARGIN_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> Synced:
    """Run a sync as soon as no other is at work on that index. left: seconds until the process is stopped.

    The other one may have listed the source before what this one shall see was there, so its work is not ours. Raises TimeUp,
    SyncRunning, and what the sync raises.
    """
    watch = _Watch(report, what, left, margin)
    while True:
        watch.check()
        try:
            return sync(watch)
        except SyncRunning:
            if left() < margin + _LOOK_SECONDS:
                raise
        sleep(_LOOK_SECONDS)


class _Watch:
    """A progress that ends the sync between two steps, or two batches, once there is too little time for another."""

    def __init__(self, report: Progress, what: str, left: Callable[[], float], margin: float) -> None:
        self._report, self._what, self._left, self._margin = report, what, left, margin

    def check(self) -> None:
        if self._left() < self._margin:
            raise TimeUp(f"the time is up before {self._what} is as its source", mend="call again: what was embedded is kept")

    def started(self, step: str) -> None:
        self._report.started(step)
        self.check()

    def cached(self, step: str) -> None:
        self._report.cached(step)

    def finished(self, step: str, seconds: float) -> None:
        self._report.finished(step, seconds)

    def note(self, text: str) -> None:
        self._report.note(text)
        self.check()
