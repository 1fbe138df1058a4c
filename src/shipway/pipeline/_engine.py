"""A machine elsewhere that runs a plan task by task: what it can be asked, and how a run there is followed from here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.pipeline._report import Report

_FIRST, _MOST = 0.5, 10.0  # seconds between two looks: short while something happens


class EngineUnreachable(ShipwayError):
    """The engine does not answer, or has too much to do, for longer than patience lasts. What runs there goes on."""

    code = "pipeline.engine-unreachable"
    retry = True


class EngineRefused(ShipwayError):
    """The engine answered, and does not do what it was asked. status: the number that it answered with, or AWS's word."""

    code = "pipeline.engine-refused"

    def __init__(self, what: str, *, where: str, mend: str | None = None, status: int | str | None = None) -> None:
        super().__init__(what, where=where, mend=mend)
        self.status = status


class EngineRunFailed(ShipwayError):
    """The run ended there without success."""

    code = "pipeline.engine-run-failed"


class Phase(StrEnum):
    """How far a run is."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class State(StrEnum):
    """How far a step of a run is."""

    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


class StepSeen(NamedTuple):
    """seconds: from its start to its end there, with those of its pod or task."""

    state: State
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class EngineRun:
    """A run as it was seen. steps: by name, an element as `step[0]`; message: the engine's own word, when there is one."""

    phase: Phase
    steps: Mapping[str, StepSeen] = field(default_factory=dict)
    message: str = ""


class Engine(Protocol):
    """Runs a plan that is in the store. All of it may be said again: a run is found by its plan.

    Each raises EngineUnreachable and EngineRefused.
    """

    def submit(self, plan: Digest) -> str: ...  # the run's name: a new run, or one of this plan that has not failed

    def look(self, run: str) -> EngineRun: ...

    def stop(self, plan: Digest) -> str | None: ...  # the run that was stopped, when one was there and had not ended

    def place(self, run: str) -> str: ...  # where a person finds it


def follow(engine: Engine, run: str, report: Report, *, pause: Callable[[float], None]) -> EngineRun:
    """Look until the run has ended; the report hears of each step what it hears of a run on this machine.

    Raises EngineRunFailed with the steps that failed, EngineUnreachable, EngineRefused.
    """
    told: dict[str, State] = {}
    wait = _FIRST
    while True:
        seen = engine.look(run)
        news = [name for name, step in seen.steps.items() if told.get(name) != step.state]
        for name in news:
            _tell(report, name, seen.steps[name], told.get(name))
            told[name] = seen.steps[name].state
        if seen.phase is not Phase.RUNNING:
            break
        wait = _FIRST if news else min(wait * 1.5, _MOST)
        pause(wait)
    if seen.phase is Phase.FAILED:
        failed = [name for name, step in seen.steps.items() if step.state is State.FAILED]
        what = f"the run {run} failed" + (f": {', '.join(failed[:5])}" if failed else "")
        what += f" ({seen.message})" if seen.message else ""
        raise EngineRunFailed(what, where=engine.place(run), mend="read the log there; the same command takes the run up again")
    return seen


def _tell(report: Report, name: str, step: StepSeen, before: State | None) -> None:
    if step.state is State.SKIPPED:
        report.skipped(name)
        return
    if before is None:
        report.started(name)
    if step.state is State.DONE:
        report.finished(name, step.seconds)
