"""Who is told how a sync goes; the shape of the pipeline's report, so that one object serves both. Nothing here prints."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Hears of each step once: that it was cached, or that it started and, if it does not fail, that it finished."""

    def started(self, step: str) -> None: ...

    def cached(self, step: str) -> None: ...

    def finished(self, step: str, seconds: float) -> None: ...

    def note(self, text: str) -> None: ...


class Silence:
    """A progress for those who do not listen."""

    def started(self, step: str) -> None: ...

    def cached(self, step: str) -> None: ...

    def finished(self, step: str, seconds: float) -> None: ...

    def note(self, text: str) -> None: ...
