"""Requests that a shadow is asked besides: a queue of their own, in which nobody who waits for an answer ever stands.

What asking costs the event loop is bounded by a share of its time, and what waits by a number of rows; what is beyond either is
dropped and counted.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from shipway.kernel.errors import ShipwayError
from shipway.serve._request import Request

QUEUE_ROWS = 10_000
PART = 0.1  # of the event loop's time, at most, for shadows
_SAVED_SECONDS = 0.05  # that may be spent at once after a quiet time
_AT_ONCE = 8  # requests under way; the process that answers joins them to batches


class Told(Protocol):
    """What is asked without anybody waiting. Returns the seconds that it kept the event loop; raises ShipwayError."""

    async def tell(self, request: Request) -> float: ...


class Shadow:
    """Asks in the background. answered, failed, dropped: requests so far."""

    def __init__(
        self, told: Told, *, queue_rows: int = QUEUE_ROWS, part: float = PART, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self.answered = self.failed = self.dropped = 0
        self._told, self._limit, self._part, self._timer = told, queue_rows, part, timer
        self._queue: deque[tuple[Request, int]] = deque()
        self._rows = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._saved, self._at = _SAVED_SECONDS, timer()

    def ask(self, request: Request) -> None:
        """Have it asked soon, or never; at once back."""
        rows = len(next(iter(request.columns.values()), ()))
        if self._rows + rows > self._limit:
            self.dropped += 1
            return
        self._queue.append((request, rows))
        self._rows += rows
        if len(self._tasks) < _AT_ONCE:
            task = asyncio.get_running_loop().create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        while self._queue:
            if (owed := self._owed()) > 0:
                await asyncio.sleep(owed)
                continue
            request, rows = self._queue.popleft()
            self._rows -= rows
            try:
                self._saved -= await self._told.tell(request)
                self.answered += 1
            except ShipwayError:
                self.failed += 1

    def _owed(self) -> float:
        """For how many seconds it has to wait, having spent more than its part."""
        now = self._timer()
        self._saved = min(_SAVED_SECONDS, self._saved + self._part * (now - self._at))
        self._at = now
        return -self._saved / self._part if self._saved < 0 else 0.0
