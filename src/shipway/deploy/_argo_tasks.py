"""The tasks of the DAG: one for a step or a group, two for a repeated step, one for many steps of the same kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from shipway.deploy._argo_pod import (
    PLAN,
    Limits,
    element_template,
    limits_of,
    step_template,
    steps_template,
)
from shipway.deploy._argo_when import when_expression
from shipway.deploy._errors import CannotExpress
from shipway.deploy._names import label_names
from shipway.deploy._subject import MODELS, Subject, Task
from shipway.deploy._subject import PLAN as FIRST
from shipway.deploy._units import Unit
from shipway.kernel.canonical import Json, JsonObject

TARGET = "argo"
_LONGEST = 57  # with our endings a name of Kubernetes, and of a label
# words of the language that `depends` is read in
_WORDS = frozenset({"and", "contains", "else", "false", "if", "in", "let", "matches", "nil", "not", "or", "true"})


@dataclass(slots=True)
class Drawn:
    """What has been drawn so far. home: the task after which a unit is done; tellers: that tells a step's value."""

    subject: Subject
    names: Mapping[str, str]
    asked: frozenset[str]
    tasks: list[JsonObject] = field(default_factory=list)
    templates: dict[str, JsonObject] = field(default_factory=dict)
    home: dict[str, str] = field(default_factory=dict)
    tellers: dict[str, str] = field(default_factory=dict)

    def template(self, made: JsonObject) -> str:
        name = str(made["name"])
        self.templates.setdefault(name, made)
        return name


def task_names(units: Sequence[Unit]) -> dict[str, str]:
    """The task of each unit, of the elements of a repeated one (`NAME each`), and of what tells a step of a group
    (`STEP told`). Raises CannotExpress, NamesCollide.
    """
    asked = asked_steps(units)
    each = [f"{unit.name} each" for unit in units if _repeated(unit)]
    told = [f"{task.name} told" for unit in units for task in unit.tasks[:-1] if task.name in asked]
    names = label_names(
        (*(unit.name for unit in units), *each, *told), target=TARGET, what="step", longest=_LONGEST, taken=(MODELS, FIRST)
    )
    for name, label in names.items():
        if label in _WORDS:
            raise CannotExpress(f"{TARGET} cannot say that something comes after {name}", mend=f"rename {name}")
    return names


def asked_steps(units: Iterable[Unit]) -> frozenset[str]:
    """The steps whose values decide whether tasks are started, or how many."""
    found: set[str] = set()
    for unit in units:
        found |= {condition.step for condition in unit.conditions}
        found |= {task.list_of for task in unit.tasks if task.list_of}
    return frozenset(found)


def draw_unit(drawn: Drawn, unit: Unit) -> None:
    """A step whose value is asked for is always started, for outputs of a task that Argo skips cannot be read; where its
    conditions do not hold it says so itself.
    """
    last = unit.tasks[-1]
    tells = last.name in drawn.asked
    label, limits = drawn.names[unit.name], limits_of(unit, tells=tells)
    after, condition = homes_before(drawn, unit), when(drawn, unit)
    if _repeated(unit):
        after = _draw_elements(drawn, last, limits_of(unit), after, condition)
        limits = Limits(retries=unit.retries, memory=unit.memory, tells=tells)  # puts together what is there
    if len(unit.tasks) == 1:
        task = task_of(label, drawn.template(step_template(drawn.subject, limits)), step=last.name)
    else:
        steps = [task.name for task in unit.tasks]
        task = task_of(label, drawn.template(steps_template(drawn.subject, f"group-{label}", steps, limits)))
    drawn.tasks.append({**task, **after_all(after), **({} if tells else condition)})
    drawn.home[unit.name] = label
    if tells:
        drawn.tellers[last.name] = label
    for one in unit.tasks[:-1]:
        if one.name in drawn.asked:
            _draw_teller(drawn, one, label)


def _draw_elements(drawn: Drawn, task: Task, limits: Limits, after: dict[str, None], condition: JsonObject) -> dict[str, None]:
    """A pod for each element, before the task that puts them together."""
    label = drawn.names[f"{task.name} each"]
    over: JsonObject = {"withSequence": {"count": task.elements}}
    if task.list_of:
        teller = drawn.tellers[task.list_of]
        over = {"withParam": f"{{{{tasks.{teller}.outputs.parameters.items}}}}"}
        after |= {teller: None}
    made = task_of(label, drawn.template(element_template(drawn.subject, limits)), step=task.name, item="{{item}}")
    drawn.tasks.append({**made, **after_all(after), **condition, **over})
    return {**after, label: None}


def _draw_teller(drawn: Drawn, task: Task, after: str) -> None:
    """A group tells of its last step; of another one that is asked for, a small task that finds it made."""
    label = drawn.names[f"{task.name} told"]
    template = drawn.template(step_template(drawn.subject, Limits(tells=True)))
    drawn.tasks.append({**task_of(label, template, step=task.name), **after_all({after: None})})
    drawn.tellers[task.name] = label


def when(drawn: Drawn, unit: Unit) -> JsonObject:
    """What has to hold for a unit, unless it tells something; empty where there is nothing."""
    if not unit.conditions:
        return {}
    return {"when": when_expression(unit.conditions, drawn.tellers, target=TARGET)}


def draw_items(drawn: Drawn, name: str, limits: Limits, units: Sequence[Unit], condition: JsonObject) -> None:
    """One task for steps that are asked for the same, each an item."""
    after = {home: None for unit in units for home in homes_before(drawn, unit)}
    task = task_of(name, drawn.template(step_template(drawn.subject, limits)), step="{{item}}")
    drawn.tasks.append({**task, **after_all(after), **condition, "withItems": [unit.tasks[0].name for unit in units]})
    drawn.home |= {unit.name: name for unit in units}


def draw_row(drawn: Drawn, name: str, limits: Limits, units: Sequence[Unit]) -> None:
    """One pod for steps of several levels, one after another."""
    inside = {unit.name for unit in units}
    after = {drawn.home[need]: None for unit in units for need in unit.needs if need not in inside}
    template = steps_template(drawn.subject, name, [unit.tasks[0].name for unit in units], limits)
    drawn.tasks.append({**task_of(name, drawn.template(template)), **after_all(after)})
    drawn.home |= {unit.name: name for unit in units}


def homes_before(drawn: Drawn, unit: Unit) -> dict[str, None]:
    """The tasks that a unit comes after: what it needs, and what tells of its conditions where that is a task of its own."""
    after = dict.fromkeys(drawn.home[need] for need in unit.needs)
    if unit.conditions:
        homes = set(drawn.home.values())
        tellers = (drawn.tellers[condition.step] for condition in unit.conditions)
        after |= dict.fromkeys(teller for teller in tellers if teller not in homes)
    return after


def _repeated(unit: Unit) -> bool:
    return len(unit.tasks) == 1 and unit.tasks[0].repeated


def task_of(name: str, template: str, **given: str) -> JsonObject:
    parameters: list[Json] = [{"name": key, "value": value} for key, value in {"plan": PLAN, **given}.items()]
    return {"name": name, "template": template, "arguments": {"parameters": parameters}}


def after_all(tasks: Iterable[str]) -> JsonObject:
    """A task comes after others that succeeded or were skipped, which is what a bare name says to Argo."""
    said = " && ".join(tasks)
    return {"depends": said} if said else {}
