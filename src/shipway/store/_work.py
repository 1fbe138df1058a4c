"""Who works with a store's objects: many at once, or one alone who removes some of them.

A lock on one file of the folder, which the kernel forgets with the process that held it. What is put and not yet named by a
row, and what is read while it is copied, is safe from removal as long as somebody works.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from shipway.store._types import StoreBusy

_LOCK = "objects.lock"
_PAUSE = 0.05  # seconds between two tries
_PATIENCE = 60.0  # seconds that work waits for a removal, which takes far less
_ALONE_PATIENCE = 5.0  # seconds that a removal waits for work: a run may take hours, so its owner is asked to come again

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Working(Protocol):
    """A store, or who has one."""

    def working(self) -> AbstractContextManager[None]: ...


_W = TypeVar("_W", bound=Working)


def while_working(do: Callable[Concatenate[_W, _P], _R]) -> Callable[Concatenate[_W, _P], _R]:
    """For a function whose first argument is a store: it runs inside of that store's `working()`."""

    @wraps(do)
    def run(store: _W, /, *given: _P.args, **named: _P.kwargs) -> _R:
        with store.working():
            return do(store, *given, **named)

    return run


class Work:
    """One handle's part in the work with a folder. Not for use by two threads."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._handle, self._depth = folder, -1, 0

    def begin(self) -> None:
        """Work from now until `end`, for what a row will soon name. Raises StoreBusy."""
        if self._handle < 0:
            self._take(alone=False)

    def end(self) -> None:
        """What was begun has its row; inside of a `shared` or `alone` nothing ends."""
        if not self._depth and self._handle >= 0:
            handle, self._handle = self._handle, -1
            os.close(handle)

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Work until the end of the block, which may stand in another. Raises StoreBusy."""
        self.begin()
        yield from self._held()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else works until the end of the block. Raises StoreBusy."""
        self.end()
        if self._handle >= 0:
            raise StoreBusy("this process works with the store itself", where=str(self._folder))
        self._take(alone=True)
        yield from self._held()

    def _held(self) -> Iterator[None]:
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            self.end()

    def _take(self, *, alone: bool) -> None:
        try:
            handle = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:  # a store that may only be read, or none yet: who may not write here removes nothing either
            if alone:
                raise
            return
        try:
            _wait(lambda: _lock(handle, alone=alone), _ALONE_PATIENCE if alone else _PATIENCE)
        except BaseException as problem:
            os.close(handle)
            if isinstance(problem, BlockingIOError):
                raise _busy(self._folder, alone=alone) from None
            raise
        self._handle = handle


def _lock(handle: int, *, alone: bool) -> None:
    try:
        fcntl.flock(handle, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # a file system without locks: there nothing is ever removed
        if alone:
            raise


def _wait(attempt: Callable[[], None], seconds: float) -> None:
    """Until the attempt is not blocked. Raises BlockingIOError after so many seconds."""
    until = time.monotonic() + seconds
    while True:
        try:
            return attempt()
        except BlockingIOError:
            if time.monotonic() >= until:
                raise
            time.sleep(_PAUSE)


def _busy(folder: Path, *, alone: bool) -> StoreBusy:
    if alone:
        what, mend = "somebody works with the objects: a snapshot, a run, a push", "wait for its end, then run this again"
    else:
        what, mend = "objects are being removed", "wait for its end, then run this again"
    return StoreBusy(what, where=str(folder), mend=mend)
