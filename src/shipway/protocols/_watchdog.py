"""A model that hangs or grows: seen by a thread of the predictor's process, which then ends so that another takes its place.

A call on the batcher's thread is given up and the loop, which is free, answers whoever waits. A call in the loop itself gets an
exception from a signal; where no Python runs that could take it, the process ends. A model that keeps even this thread from
running is ended by one of C that the interpreter has for tracebacks.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from shipway.kernel.errors import ShipwayError
from shipway.protocols._memory import resident_bytes
from shipway.serve import Batcher, ModelHung, Work

HUNG, GREW = 75, 76  # exit codes: a call of the model took too long, the process held too much memory
WORK_SECONDS = 60.0  # between two records of what this process has done
_LOOK_SECONDS = 1.0
_GRACE_SECONDS = 2.0  # for Python code in the loop to take the exception
_logger = logging.getLogger(__name__)


class MemoryTooSmall(ShipwayError):
    """The model alone takes more memory than the deployment allows: a worker would be replaced for ever."""

    code = "protocols.memory-too-small"


class Watchdog:
    """Watches the batchers of this process from `start`, in the main thread, to `close`. memory: bytes, None for any.

    leave: lets the process drain; called in any thread. exit_code: what it should end with then, None as long as all is well.
    """

    def __init__(
        self,
        batchers: Sequence[Batcher],
        *,
        seconds: float,
        memory: int | None,
        leave: Callable[[], None],
        cpu_price: float | None = None,
    ) -> None:
        self.exit_code: int | None = None
        self._batchers, self._seconds, self._memory, self._leave = tuple(batchers), seconds, memory, leave
        self._work = Work([batcher.predictor for batcher in batchers])
        self._cpu_price, self._next = cpu_price, time.monotonic() + WORK_SECONDS
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        for batcher in batchers:
            batcher.on_hang = self._hung

    def start(self) -> None:
        signal.signal(signal.SIGUSR1, self._interrupt)
        self._rearm()
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        faulthandler.cancel_dump_traceback_later()

    def _run(self) -> None:
        while not self._stop.wait(min(_LOOK_SECONDS, self._seconds / 4)):
            self._rearm()
            if time.monotonic() >= self._next:
                self._next = time.monotonic() + WORK_SECONDS
                self.record_work()
            for batcher in self._batchers:
                since = batcher.predictor.since
                if since and time.perf_counter() - since > self._seconds:
                    self._end_call(batcher, since)
            if self._memory is not None and self.exit_code is None and (held := resident_bytes()) > self._memory:
                _logger.error("this process holds %d MiB of %d MiB: it is replaced", held >> 20, self._memory >> 20)
                self.exit_code = GREW
                self._leave()

    def record_work(self) -> None:
        """Into the logs: what this process has done and what it took."""
        self._work.record(time.process_time(), self._cpu_price)

    def _rearm(self) -> None:
        """The thread of C ends this process unless it is told again in time."""
        faulthandler.dump_traceback_later(self._seconds + 10, exit=True, file=sys.__stderr__ or sys.stderr)

    def _end_call(self, batcher: Batcher, since: float) -> None:
        if self.exit_code != HUNG:
            _logger.error("a call of the model runs for more than %g s: this process is replaced", self._seconds)
            self.exit_code = HUNG
        if batcher.give_up_soon():
            return
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        self._stop.wait(_GRACE_SECONDS)
        if batcher.predictor.since == since:
            for log in {one.predictor.log for one in self._batchers if one.predictor.log}:
                with suppress(OSError):  # a full disk: what is lost is counted
                    log.close()
            os._exit(HUNG)

    def _interrupt(self, *_: object) -> None:
        """In the main thread: into the model's call, where one runs there."""
        if any(batcher.predictor.since and not batcher.busy for batcher in self._batchers):
            raise ModelHung

    def _hung(self) -> None:
        self.exit_code = HUNG
        self._leave()


def check_memory(limit: int | None) -> None:
    """Raises MemoryTooSmall when this process holds more than that already."""
    held = resident_bytes()
    if limit is not None and held > limit:
        mend = f"`limits: {{memory: {(held * 3 // 2 >> 20) + 1}Mi}}` or more"
        raise MemoryTooSmall(f"the model takes {held >> 20} MiB, its limit is {limit >> 20} MiB", mend=mend)
