"""Processes that load models: a fork for each question, of a process that has imported the libraries before.

`describe` and `score` are asked of two, which differ in their hashes and seeds as two machines do: a model whose answers hang
on them is found out.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from shipway.environment import overlay_command
from shipway.environment.boot import ONE_THREAD
from shipway.pipeline._interrupt import hear_interrupts

_kept: dict[tuple[str, ...], _Forks] = {}
_lock = threading.Lock()
_GOODBYE = 2.0  # seconds for a process that answers no more to have ended


def ask_fork(python: Path, overlay: Path, format: str, arguments: Sequence[str], *, stdout: Path, stderr: Path) -> int:
    """How `python -m shipway.models ARGUMENTS` ended, as subprocess has it. format: of the model, whose library comes first."""
    environ = _environ()
    question = {
        "arguments": list(arguments),
        "stdout": str(stdout.absolute()),
        "stderr": str(stderr.absolute()),
        "directory": os.getcwd(),
        "environ": environ,
    }
    return _forks(python, overlay, format, arguments[0]).ask(json.dumps(question).encode() + b"\n", stderr)


def expect_question(python: Path, overlay: Path, format: str, command: str) -> None:
    """Import the libraries beside other work: `ask_fork` is about to be called with this command."""
    _forks(python, overlay, format, command).start()


def _environ() -> dict[str, str]:
    return {**dict.fromkeys(ONE_THREAD, "1"), **os.environ}


def _forks(python: Path, overlay: Path, format: str, command: str) -> _Forks:
    environ = _environ()
    key = (str(python), str(overlay), format, command, *(environ[name] for name in ONE_THREAD))
    imported = [format] if sys.platform == "linux" else []  # elsewhere not every library may be used in a fork
    with _lock:
        return _kept.setdefault(key, _Forks(overlay_command(python, overlay, "shipway.models.forks", *imported)))


class _Forks:
    """One process that forks, started when it is asked; it ends by itself when it is not."""

    def __init__(self, command: list[str]) -> None:
        self._command, self._alone = command, threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None

    def start(self) -> None:
        with self._alone:
            self._started()

    def ask(self, line: bytes, errors: Path) -> int:
        """The code of the answer; of a process that ends without one its own, its words are in `errors` then."""
        code = 0
        with self._alone:
            try:
                for _ in range(2):  # it may have ended at the very moment, since nobody had asked
                    if said := self._exchange(line):
                        return int(json.loads(said)["code"])
                    code = self._ended(errors)
            except BaseException:
                self.end()  # an interrupt: nobody waits for the answer any more
                raise
        return code

    def _exchange(self, line: bytes) -> bytes:
        """The answer; empty where the process ended without one."""
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        hear_interrupts()
        try:
            process.stdin.write(line)
            process.stdin.flush()
            return process.stdout.readline()
        except OSError:
            return b""

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, process_group=0
            )
        return self._process

    def _ended(self, errors: Path) -> int:
        process, words = self._process, self._errors
        assert process is not None
        assert words is not None
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GOODBYE)
        words.seek(0)
        errors.write_bytes(words.read())
        self.end()
        return int(process.returncode)

    def end(self) -> None:
        """At once, with the fork that answers."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # nobody else has its number as long as a fork lives
        process.wait()
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            with suppress(OSError):  # what was not written goes nowhere
                stream.close()
        if self._errors:
            self._errors.close()


@atexit.register
def _end_all() -> None:
    for forks in _kept.values():
        forks.end()
