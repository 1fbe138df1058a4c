"""The child that runs steps, made when a step first needs it and anew when one has ended it; attempts and their limit."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from shipway.environment import Runner, RunnerDied, StepCall, StepFailed, StepResult, StepTimedOut, check_runner
from shipway.kernel.digest import Digest
from shipway.kernel.units import Seconds
from shipway.pipeline._environment import open_environment
from shipway.pipeline._interrupt import hear_interrupts
from shipway.pipeline._report import Report
from shipway.spec import StepSpec
from shipway.store import Store


class Child:
    """The one child of a run in the project's Python. Raises EnvironmentFailed for a runner that this Shipway has not."""

    def __init__(
        self,
        store: Store,
        environment: Digest,
        *,
        cache: Path,
        environ: Mapping[str, str],
        report: Report,
        stack: ExitStack,
    ) -> None:
        self._store, self._record = store, store.get(environment, "environment")
        self._digest, self._cache, self._environ, self._report, self._stack = environment, cache, environ, report, stack
        self._runner: Runner | None = None
        check_runner(self.version)

    @property
    def version(self) -> str:
        """The version of the runner that the environment names."""
        return str(self._record["runner"])

    def run(self, call: StepCall, options: StepSpec | None = None) -> StepResult:
        """The result of the first attempt that succeeds, each within the step's timeout.

        Raises StepFailed, RunnerDied or StepTimedOut, as the last attempt ended; EnvironmentFailed.
        """
        attempts, timeout = (options.retries + 1, options.timeout) if options else (1, None)
        for attempt in range(1, attempts):
            try:
                return self._attempt(call, timeout=timeout, number=attempt)
            except (StepFailed, RunnerDied, StepTimedOut) as problem:
                self._report.note(f"{call.function}: attempt {attempt} of {attempts} failed: {problem.what}")
        return self._attempt(call, timeout=timeout, number=attempts)

    def _attempt(self, call: StepCall, *, timeout: Seconds | None, number: int) -> StepResult:
        hear_interrupts()
        call = replace(call, directory=call.directory / str(number))  # what a failed attempt wrote is no part of a value
        try:
            return self._running().run(call, timeout=timeout)
        except (RunnerDied, StepTimedOut):
            self._runner = None
            raise

    def _running(self) -> Runner:
        if self._runner is None:
            python = open_environment(self._store, self._digest, cache=self._cache, report=self._report.note)
            self._runner = self._stack.enter_context(Runner(python, environ=self._environ, version=self.version))
        return self._runner
