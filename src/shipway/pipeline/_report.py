"""Who is told how a run goes. Nothing here prints."""

from __future__ import annotations

from typing import Protocol


class Report(Protocol):
    """Hears of each step once: that it was cached or skipped, or that it started and, if it does not fail, that it finished.

    An element of a repeated step is `step[0]`.
    """

    def started(self, step: str) -> None: ...

    def cached(self, step: str) -> None: ...

    def skipped(self, step: str) -> None: ...  # its condition does not hold, or it needs a step that was skipped

    def finished(self, step: str, seconds: float) -> None: ...

    def note(self, text: str) -> None: ...  # one line about something that takes its time, as making the environment


class Silence:
    """A report for those who do not listen."""

    def started(self, step: str) -> None: ...

    def cached(self, step: str) -> None: ...

    def skipped(self, step: str) -> None: ...

    def finished(self, step: str, seconds: float) -> None: ...

    def note(self, text: str) -> None: ...
