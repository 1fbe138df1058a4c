"""The history of an execution, read as steps. Which state runs which steps is in the machine's own definition. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from shipway.kernel.canonical import Json, JsonObject
from shipway.pipeline._engine import State, StepSeen

_SKIPPED, _FAILED = " skipped", " failed"  # ends of the names of states that only say what became of a step
_OUTCOMES = {
    "TaskSucceeded": State.DONE,
    "TaskScheduled": State.RUNNING,  # another attempt
    **dict.fromkeys(("TaskFailed", "TaskTimedOut", "TaskStartFailed", "TaskSubmitFailed"), State.FAILED),
}


class Event(NamedTuple):
    """name: of the state that is entered; element: the number of the one that is begun; at: seconds."""

    id: int
    before: int
    kind: str
    at: float
    name: str = ""
    element: int | None = None


class Task(NamedTuple):
    """The steps that a state runs, `step run STEP...`. each: one element of the only one."""

    steps: tuple[str, ...]
    each: bool


@dataclass(slots=True)
class _Visit:
    """A state on its way: tried until it succeeds or is given up."""

    task: Task
    index: int | None
    began: float
    ended: float | None = None
    state: State = State.RUNNING

    def seen(self, *, over: bool) -> StepSeen:
        if self.ended is None and not (over and self.state is State.FAILED):
            return StepSeen(State.RUNNING)
        return StepSeen(self.state, max(0.0, (self.ended or self.began) - self.began))


def tasks_of(machine: Json) -> dict[str, Task]:
    """By the name of their state, in branches and repetitions as well."""
    return dict(_tasks(machine))


def steps_of(tasks: Mapping[str, Task], events: Iterable[Event], *, over: bool) -> dict[str, StepSeen]:
    """Steps in the order in which they began, an element as `step[0]`. over: the execution has ended.

    What puts elements together is not told of, unless it failed or was skipped.
    """
    repeated = {step for task in tasks.values() if task.each for step in task.steps}
    visits: dict[int, _Visit] = {}  # by the event that began it, and every event that came of that
    index: dict[int, int | None] = {}
    seen: dict[str, StepSeen | _Visit] = {}
    for event in sorted(events):
        inherited = None if event.kind.startswith("MapState") else index.get(event.before)
        index[event.id] = event.element if event.kind == "MapIterationStarted" else inherited
        for name, state in _said(tasks, event):
            seen[name] = StepSeen(state)
        task = tasks.get(event.name) if event.kind == "TaskStateEntered" else None
        if task:
            visits[event.id] = _Visit(task, index[event.id], event.at)
            seen |= dict.fromkeys(_names(task, index[event.id]), visits[event.id])
        elif (visit := visits.get(event.before)) and not event.kind.endswith("StateEntered"):
            visits[event.id] = visit
            visit.state = _OUTCOMES.get(event.kind, visit.state)
            visit.ended = event.at if event.kind == "TaskStateExited" else visit.ended
    shown = {name: one.seen(over=over) if isinstance(one, _Visit) else one for name, one in seen.items()}
    told = (State.FAILED, State.SKIPPED)
    return {name: step for name, step in shown.items() if name not in repeated or step.state in told}


def _said(tasks: Mapping[str, Task], event: Event) -> Iterator[tuple[str, State]]:
    """What states say that run nothing: `fit skipped`, `fit failed`."""
    for kind, end, state in (("PassStateEntered", _SKIPPED, State.SKIPPED), ("FailStateEntered", _FAILED, State.FAILED)):
        task = tasks.get(event.name.removesuffix(end)) if event.kind == kind and event.name.endswith(end) else None
        if task and not task.each:
            yield from ((step, state) for step in task.steps)


def _names(task: Task, index: int | None) -> tuple[str, ...]:
    return tuple(f"{step}[{index}]" for step in task.steps) if task.each else task.steps


def _tasks(value: Json) -> Iterator[tuple[str, Task]]:
    if isinstance(value, list):
        for one in value:
            yield from _tasks(one)
    elif isinstance(value, Mapping):
        for name, one in value.items():
            if isinstance(one, Mapping) and one.get("Type") == "Task" and (task := _task(one)):
                yield name, task
            else:
                yield from _tasks(one)


def _task(state: JsonObject) -> Task | None:
    """None for a state that runs no steps. Its words are in an intrinsic function, `States.Array('step', ...)`."""
    words = re.findall(r"'([^']*)'", _command(state.get("Parameters")))
    if words[:2] != ["step", "run"] or "--plan" not in words:
        return None
    ends = next(number for number, word in enumerate(words) if word.startswith("--"))
    return Task(tuple(words[2:ends]), "--item" in words)


def _command(value: Json) -> str:
    if isinstance(value, list):
        return next(filter(None, map(_command, value)), "")
    if not isinstance(value, Mapping):
        return ""
    text = value.get("Command.$")
    return text if isinstance(text, str) else next(filter(None, map(_command, value.values())), "")
