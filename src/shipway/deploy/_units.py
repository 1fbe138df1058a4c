"""What an engine starts at once: a step, or the steps of one group; and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from shipway.deploy._errors import CannotExpress
from shipway.deploy._subject import Task
from shipway.kernel.units import Seconds
from shipway.spec import Condition

START_SECONDS = 600  # to get a machine, pull the image and open the environment: a step's own limit is to strike first


@dataclass(frozen=True, slots=True)
class Unit:
    """Steps that run one after another in one pod or task, in that order. needs: the units that it comes after.

    conditions: what has to hold for any of it to run, those of the steps that it needs first.
    """

    name: str
    tasks: tuple[Task, ...]
    needs: tuple[str, ...]
    conditions: tuple[Condition, ...]

    @property
    def retries(self) -> int:
        return max(task.options.retries for task in self.tasks)

    @property
    def timeout(self) -> Seconds | None:
        """Of all of them together; None when one has none."""
        limits = [task.options.timeout for task in self.tasks]
        return None if None in limits else Seconds(sum(limit for limit in limits if limit))

    @property
    def cpu(self) -> float | None:
        return max((task.options.cpu for task in self.tasks if task.options.cpu), default=None)

    @property
    def memory(self) -> int | None:
        return max((task.options.memory for task in self.tasks if task.options.memory), default=None)


def units_of(tasks: Sequence[Task], *, target: str) -> tuple[Unit, ...]:
    """The units, each after those it needs. Raises CannotExpress for groups that would wait for each other."""
    homes = {task.name: task.options.group or task.name for task in tasks}
    members: dict[str, list[Task]] = {}
    for task in tasks:
        members.setdefault(homes[task.name], []).append(task)
    needs = {
        name: tuple(dict.fromkeys(homes[need] for task in group for need in task.needs if homes[need] != name))
        for name, group in members.items()
    }
    try:
        order = list(TopologicalSorter(needs).static_order())
    except CycleError as problem:
        circle = ", ".join(dict.fromkeys(problem.args[1]))
        what = f"{target} cannot run a group in one go: {circle} would wait for each other"
        raise CannotExpress(what, mend="take the step between them into the group, or out of it") from problem
    conditions = _conditions(tasks)
    shared = {
        # of a group only what all its steps share can keep it from starting; each step still asks by itself
        name: tuple(
            condition
            for condition in conditions[group[0].name]
            if homes[condition.step] != name and all(condition in conditions[task.name] for task in group)
        )
        for name, group in members.items()
    }
    return tuple(Unit(name, tuple(members[name]), needs[name], shared[name]) for name in order)


def _conditions(tasks: Sequence[Task]) -> dict[str, dict[Condition, None]]:
    """Of each step all that has to hold: what the steps that it needs ask, then what it asks itself."""
    found: dict[str, dict[Condition, None]] = {}
    for task in tasks:
        found[task.name] = {condition: None for need in task.needs for condition in found[need]}
        if task.options.when:
            found[task.name][task.options.when] = None
    return found


def levels_of(units: Sequence[Unit]) -> list[list[Unit]]:
    """Units that may run at once, level by level: each one level after the last of those it needs."""
    depth: dict[str, int] = {}
    for unit in units:
        depth[unit.name] = 1 + max((depth[need] for need in unit.needs), default=-1)
    return [[unit for unit in units if depth[unit.name] == level] for level in range(max(depth.values(), default=-1) + 1)]
