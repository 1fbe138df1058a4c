"""The parent's side of the runner: a child in the project's Python that runs steps until it is closed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from shipway.environment._lock import RUNNER
from shipway.environment._step import RunnerDied, StepCall, StepResult, StepTimedOut, result_of
from shipway.environment._uv import EnvironmentFailed
from shipway.environment.boot import ONE_THREAD
from shipway.kernel.canonical import JsonObject, NotCanonical, canonical_json, parse_object
from shipway.kernel.units import Seconds

_GOODBYE = 10.0  # seconds for exit handlers of the user's libraries, as MLflow's that empties its queue
_LAST_LINES = 5


class Runner:
    """Runs steps one after another in one child process: `with Runner(python, environ=os.environ) as runner: runner.run(call)`.

    environ: the child's whole environment; Python's own variables in it are dropped. threads: of numeric libraries, one
    unless asked for more. version: the runner that the environment object names. The child leads its own process group
    and does not outlive the parent, however that ends. Raises EnvironmentFailed for a runner that this Shipway has not.
    """

    def __init__(self, python: Path, *, environ: Mapping[str, str], threads: int = 1, version: str = RUNNER) -> None:
        self._script = check_runner(version)
        self._python, self._environ = python, _child_environ(environ, threads)
        self._last_lines: deque[str] = deque(maxlen=_LAST_LINES)

    def __enter__(self) -> Self:
        self._child = subprocess.Popen(
            [str(self._python), "-s", str(self._script)],  # not -I: it would ignore PYTHONHASHSEED
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self._environ, process_group=0,
        )  # fmt: skip
        self._relay = threading.Thread(target=self._relay_lines, args=(self._child.stderr,), daemon=True)
        self._relay.start()
        return self

    def run(self, call: StepCall, *, timeout: Seconds | None = None) -> StepResult:
        """The step's result; raises StepFailed (the child lives on), RunnerDied and StepTimedOut (it does not)."""
        if timeout is None:
            return result_of(self._ask(call), step=call.function)
        over = threading.Event()
        alarm = threading.Timer(timeout, self._end, (over,))
        alarm.daemon = True
        alarm.start()
        try:
            answer = self._ask(call)
        except RunnerDied as problem:
            if over.is_set():
                raise StepTimedOut(call.function, timeout) from problem
            raise
        finally:
            alarm.cancel()
            alarm.join()
        if over.is_set():  # it answered at the last moment, and its process is gone all the same
            self.close()
            raise StepTimedOut(call.function, timeout)
        return result_of(answer, step=call.function)

    def _end(self, over: threading.Event) -> None:
        over.set()
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)

    def _ask(self, call: StepCall) -> JsonObject:
        stdin, stdout = self._child.stdin, self._child.stdout
        assert stdin is not None
        assert stdout is not None
        request = canonical_json(call.to_json()) + b"\n"
        try:
            stdin.write(request)
            stdin.flush()
            return parse_object(stdout.readline())
        except (OSError, ValueError, NotCanonical) as problem:  # a broken pipe, one closed before, half an answer
            raise self._died(call.function) from problem

    def close(self) -> None:
        """Ends the child: politely between steps, at once in the middle of one."""
        if self._child.stdin is not None and not self._child.stdin.closed:
            with suppress(BrokenPipeError):  # it is dead already
                self._child.stdin.close()
        try:
            self._child.wait(_GOODBYE)
        except subprocess.TimeoutExpired:
            os.killpg(self._child.pid, signal.SIGKILL)  # not reaped yet, so the group is still its own
            self._child.wait()
        self._relay.join(1)
        if self._child.stdout is not None:
            self._child.stdout.close()

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Process id of the child, which is also its process group."""
        return self._child.pid

    def _relay_lines(self, lines: IO[bytes]) -> None:
        with lines:
            for line in lines:
                text = line.decode(errors="replace")
                self._last_lines.append(text.rstrip())
                sys.stderr.write(text)

    def _died(self, step: str) -> RunnerDied:
        self.close()
        code = self._child.returncode
        ending = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return RunnerDied(step, ending, tuple(self._last_lines))


def check_runner(version: str) -> Path:
    """The file of a runner: every one that an environment object ever named is kept. Raises EnvironmentFailed."""
    known = {path.stem: path for path in (Path(__file__).parent / "runner").glob("v*.py")}
    if version not in known:
        raise EnvironmentFailed(
            f"the environment was made for the runner {version}, which this Shipway has not",
            mend=f"use the Shipway that made it, or a later one; this one has {', '.join(sorted(known))}",
        )
    return known[version]


def _child_environ(environ: Mapping[str, str], threads: int) -> dict[str, str]:
    kept = {name: value for name, value in environ.items() if not name.startswith("PYTHON")}
    return {**kept, **dict.fromkeys(ONE_THREAD, str(threads)), "PYTHONHASHSEED": "0", "PYTHONUTF8": "1"}
