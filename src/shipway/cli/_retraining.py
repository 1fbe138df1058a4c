"""One `shipway retrain` at a time, a process of its own: a page starts it, looks at it, and it ends with `up` at the latest."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING

from shipway.cli._settings import Settings

if TYPE_CHECKING:
    from shipway.kernel.canonical import JsonObject
    from shipway.web import Retrained

_LINES = 400  # of what it says that are kept
_PATIENCE = 5.0  # seconds in which it may end what it is at, steps in their own processes among it


class Retraining:
    """The retrains that this server has started; closing it ends the one that runs. Threads may call it."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._alone = settings, threading.Lock()
        self._runs: dict[str, _Run] = {}

    def __enter__(self) -> Retraining:
        return self

    def __exit__(self, *_problem: object) -> None:
        with self._alone:
            for run in self._runs.values():
                run.end()

    def start(self, ref: str, *, who: str, why: str) -> None:
        """Begin one and return. Raises RetrainRunning while one runs, of whatever deployment."""
        from shipway.web import RetrainRunning

        with self._alone:
            running = self._running()
            if running:
                what = f"{running} is being retrained, and one at a time is"
                raise RetrainRunning(what, where=ref, mend="wait until it has ended: its page says how far it is")
            self._runs[ref] = _Run(self._settings, ref, who, why)

    def running(self) -> str:
        """The ref of the one that runs; empty when none does."""
        with self._alone:
            return self._running()

    def look(self, ref: str) -> Retrained | None:
        """The newest of a ref."""
        with self._alone:
            run = self._runs.get(ref)
        return run.look() if run else None

    def _running(self) -> str:
        return next((ref for ref, run in self._runs.items() if run.ended is None), "")


class _Run:
    """One process and what it has said."""

    def __init__(self, settings: Settings, ref: str, who: str, why: str) -> None:
        self._ref, self._who, self._why, self._since = ref, who, why, datetime.now(UTC)
        self._lines: deque[str] = deque(maxlen=_LINES)
        self._document: JsonObject | None = None
        self._code: int | None = None
        self.ended: datetime | None = None
        self._out: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the process has ended
        # a group of its own: Ctrl-C at the terminal of `up` is for `up`, which ends it in order
        self._child = subprocess.Popen(
            [sys.executable, "-m", "shipway", "retrain", ref, f"--why={why}", "--json"],
            cwd=settings.directory,
            env=dict(settings.environ),
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=subprocess.PIPE,
            process_group=0,
        )
        self._reader = threading.Thread(target=self._read, name=f"retrain {ref}", daemon=True)
        self._reader.start()

    def look(self) -> Retrained:
        from shipway.web import Retrained

        said = tuple(self._lines)
        return Retrained(self._ref, self._who, self._why, self._since, said, self.ended, self._code, self._document)

    def end(self) -> None:
        """End it as Ctrl-C would, and without mercy where that takes too long."""
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGINT)
            self._reader.join(_PATIENCE)
        if self._child.poll() is None:
            self._child.kill()
        self._reader.join(_PATIENCE)

    def _read(self) -> None:
        stream = self._child.stderr
        assert stream is not None
        with stream:
            for line in stream:
                self._lines.append(line.decode(errors="replace").rstrip()[:500])
        self._code = self._child.wait()
        with self._out, suppress(ValueError):
            self._out.seek(0)
            self._document = json.loads(self._out.read())
        self.ended = datetime.now(UTC)
