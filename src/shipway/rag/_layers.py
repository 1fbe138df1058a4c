"""Layers that may be slow or down: each call has a time limit, and a breaker leaves out a layer that keeps failing.

A call that is too slow goes on in its thread, whose answer nobody waits for; the threads are few and are no reason for the
process to stay.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, NamedTuple, TypeVar

Result = TypeVar("Result")
_THREADS = 32  # at once; when all of them hang the layers count as too slow, which they are


class Span(NamedTuple):
    """One layer of a retrieval or answer: seconds from its beginning, how long, and `ok`, `timeout`, `error` or `skipped`."""

    layer: str
    start: float
    took: float
    status: str


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that each layer may take, the failures in a row that open its breaker, the seconds until it is tried again."""

    embed: float = 2.0
    dense: float = 2.0
    text: float = 2.0
    members: float = 2.0
    failures: int = 3
    pause: float = 10.0


class Breaker:
    """Closed while calls go well; open after failures in a row; after a pause one call at a time is let through to try."""

    def __init__(self, failures: int, pause: float) -> None:
        self._most, self._pause = failures, pause
        self._failed, self._until, self._trying = 0, 0.0, False
        self._lock = threading.Lock()

    def allows(self, now: float) -> bool:
        """Whether a call may be made; whoever is told yes reports how it went."""
        with self._lock:
            if self._failed < self._most:
                return True
            if self._trying or now < self._until:
                return False
            self._trying = True
            return True

    def report(self, ok: bool, now: float) -> None:
        """How a call went that was allowed."""
        with self._lock:
            self._trying = False
            self._failed = 0 if ok else self._failed + 1
            if self._failed >= self._most:
                self._until = now + self._pause

    @property
    def open(self) -> bool:
        with self._lock:
            return self._failed >= self._most


class Layer(Generic[Result]):
    """One call of a layer that has been begun; `result` waits for it and says how it went."""

    def __init__(
        self, name: str, breaker: Breaker, limit: float, call: Callable[[], Result], *, clock: Callable[[], float], zero: float
    ) -> None:
        self._name, self._breaker, self._limit, self._clock, self._zero = name, breaker, limit, clock, zero
        self._started = clock()
        self.problem: BaseException | None = None
        self._ended: float | None = None

        def timed() -> Result:
            try:
                return call()
            finally:
                self._ended = clock()

        self._future = _THREADS_OF_ALL.submit(timed) if breaker.allows(self._started) else None

    def result(self) -> tuple[Result | None, Span]:
        """The answer, or None when there is none; the span says why."""
        if self._future is None:
            return None, Span(self._name, self._started - self._zero, 0.0, "skipped")
        answer, status = self._wait(self._future)
        now = self._clock()
        self._breaker.report(status == "ok", now)
        ended = now if self._ended is None else self._ended
        return answer, Span(self._name, self._started - self._zero, ended - self._started, status)

    def _wait(self, future: Future[Result]) -> tuple[Result | None, str]:
        try:
            return future.result(max(0.0, self._limit - (self._clock() - self._started))), "ok"
        except TimeoutError as problem:
            self.problem = problem
            return None, "timeout" if not future.done() else "error"
        except Exception as problem:  # whatever a layer raises, the other layers still answer
            self.problem = problem
            return None, "error"


class _Threads:
    """Daemon threads that take calls; made when no other is idle."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._lock = threading.Lock()
        self._asked = self._all = 0  # calls that are not over yet, and threads

    def submit(self, call: Callable[[], Result]) -> Future[Result]:
        """Begin a call, or queue it when every thread is held."""
        future: Future[Result] = Future()
        with self._lock:
            self._asked += 1
            if self._asked > self._all and self._all < _THREADS:
                self._all += 1
                threading.Thread(target=self._work, name="retrieval", daemon=True).start()
        self._calls.put(lambda: _run(future, call))
        return future

    def _work(self) -> None:
        while True:
            self._calls.get()()
            with self._lock:
                self._asked -= 1


def _run(future: Future[Result], call: Callable[[], Result]) -> None:
    try:
        future.set_result(call())
    except BaseException as problem:  # the one who waits hears of it
        future.set_exception(problem)


_THREADS_OF_ALL = _Threads()
