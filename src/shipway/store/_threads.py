"""Threads that do one thing after the other for a large file.

Those of concurrent.futures do the same and import logging first, which the first byte of the file would wait for; and what they
do around each piece of work is a third of a percent of an MD5, which everything waits for.
"""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")


class Later(Generic[T]):
    """What a thread will have done."""

    def __init__(self, do: Callable[[], T]) -> None:
        self._do, self._done = do, SimpleQueue[tuple[T | None, BaseException | None]]()

    def run(self) -> None:
        try:
            self._done.put((self._do(), None))
        except BaseException as problem:  # whoever waits for it is told
            self._done.put((None, problem))

    def result(self) -> T:
        """Waits for it, once. Raises what it raised."""
        given, problem = self._done.get()
        if problem is not None:
            raise problem
        return given  # type: ignore[return-value]  # without a problem it is what was made


class Threads:
    """So many threads until the end of the block, which waits for what they do; after an error what nobody began is left.

    Whoever is told to end, by Ctrl-C, waits for nothing: a file of a terabyte would take an hour. What a thread then still does
    goes with the process, as if that had been killed.
    """

    def __init__(self, count: int) -> None:
        self._todo = SimpleQueue[Later[object] | None]()
        self._threads = [Thread(target=self._work, daemon=True) for _ in range(count)]

    def begin(self, do: Callable[[], T]) -> Later[T]:
        later = Later(do)
        self._todo.put(later)  # type: ignore[arg-type]  # Later is only read here
        return later

    def _work(self) -> None:
        while later := self._todo.get():
            later.run()
            del later  # and what it holds: the next may be long in coming

    def __enter__(self) -> Threads:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _problem: object, _where: TracebackType | None) -> None:
        try:
            while kind:
                self._todo.get_nowait()
        except Empty:
            pass
        for _ in self._threads:
            self._todo.put(None)
        if kind and not issubclass(kind, Exception):
            return
        for thread in self._threads:
            thread.join()
