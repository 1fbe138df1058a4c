"""The `steps:` section: how a step of the pipeline is run, over what it is repeated, and whether it is run at all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Literal, cast

import msgspec

from shipway.kernel.canonical import Json
from shipway.kernel.units import Seconds, UnitMalformed, parse_bytes
from shipway.spec._fields import count, duration, fields, group, number, text
from shipway.spec._names import name_of, step_name
from shipway.spec._node import Node

Operator = Literal["==", "!=", "<", "<=", ">", ">="]

_CONDITION = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\s*(==|!=|<=|>=|<|>)\s*(.+))?")
_CONDITION_FORM = "as in `good`, `auc >= 0.7` or `verdict == pass`"
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
MOST_RETRIES = 20


class Each(msgspec.Struct, frozen=True, kw_only=True):
    """The argument that gets one element at a time, and the step or parameter whose list has the elements."""

    argument: str
    source: str


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """A comparison of a step's plain value with a literal: true, false, a number or a text."""

    step: str
    operator: Operator
    literal: bool | int | float | str

    @property
    def text(self) -> str:
        """As a person writes it.

        >>> Condition(step="auc", operator=">=", literal=0.7).text, Condition(step="good", operator="==", literal=True).text
        ('auc >= 0.7', 'good')
        """
        if self.operator == "==" and self.literal is True:
            return self.step
        shown = str(self.literal).lower() if isinstance(self.literal, bool) else str(self.literal)
        return f"{self.step} {self.operator} {shown}"

    def holds(self, value: Json) -> bool:
        """Whether the value meets it; values of two kinds are never equal and never in order.

        >>> Condition(step="auc", operator=">=", literal=0.7).holds(0.71)
        True
        """
        literal = self.literal
        alike = _kind(value) == _kind(literal)
        if self.operator in ("==", "!="):
            return (alike and value == literal) == (self.operator == "==")
        if not alike or isinstance(literal, bool):
            return False
        left, right = cast("float", value), cast("float", literal)
        return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[self.operator]


class StepSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How a step is run. retries: after the first attempt; timeout of one attempt; cpu in cores, memory in bytes, gpu whole.

    group: steps of one group run in one pod or task; each: one element at a time; when: only if this holds. Of these only
    `each` changes what a step is given; nothing else of it is in the action's key.
    """

    name: str
    retries: int = 0
    timeout: Seconds | None = None
    cpu: float | None = None
    memory: int | None = None
    gpu: int = 0
    group: str | None = None
    each: Each | None = None
    when: Condition | None = None


def read_step(key: Node, node: Node) -> StepSpec:
    """The options of one step. Raises SpecMalformed."""
    name = step_name(key, "a step")
    what = f"step {name}"
    entries = fields(node, ("retries", "timeout", "cpu", "memory", "gpu", "group", "each", "when"), what)
    step = StepSpec(
        name=name,
        retries=_read_retries(entries["retries"], what) if "retries" in entries else 0,
        timeout=_positive(entries["timeout"], what) if "timeout" in entries else None,
        cpu=read_cpu(entries["cpu"], what) if "cpu" in entries else None,
        memory=read_memory(entries["memory"], what) if "memory" in entries else None,
        gpu=count(entries["gpu"], f"gpu of {what}") if "gpu" in entries else 0,
        group=name_of(entries["group"], f"the group of {what}") if "group" in entries else None,
        each=_read_each(entries["each"], what) if "each" in entries else None,
        when=_read_condition(entries["when"], what) if "when" in entries else None,
    )
    if step.group and step.each:
        mend = "take it out of the group: each element is a pod or task of its own"
        raise entries["group"].fail(f"{what} is repeated and in a group", mend=mend)
    if name in (step.each.source if step.each else None, step.when.step if step.when else None):
        raise key.fail(f"{what} would wait for itself", mend="name another step")
    return step


def _read_retries(node: Node, what: str) -> int:
    retries = count(node, f"retries of {what}")
    if retries > MOST_RETRIES:
        raise node.fail(
            f"{what} is tried {retries + 1} times", mend=f"at most {MOST_RETRIES} retries: what fails so often is broken"
        )
    return retries


def _positive(node: Node, what: str) -> Seconds:
    timeout = duration(node, f"timeout of {what}")
    if timeout < 1:
        raise node.fail(f"timeout of {what} is {node.shown()}", mend="a second or more, as in 30m")
    return timeout


def read_cpu(node: Node, what: str) -> float:
    """Cores."""
    cpu = float(number(node, f"cpu of {what}"))
    if not 0.01 <= cpu <= 1024:
        raise node.fail(f"cpu of {what} is {node.shown()}", mend="cores, as in 0.5 or 2")
    return cpu


def read_memory(node: Node, what: str) -> int:
    """Bytes of a text such as `4Gi`."""
    with suppress(UnitMalformed):
        if not isinstance(node.value, list | dict):
            return parse_bytes(node.raw)
    raise node.fail(f"memory of {what} is not {node.shown()}", mend="as in 512Mi or 4Gi")


def _read_each(node: Node, what: str) -> Each:
    entries = group(node, f"each of {what}")
    if len(entries) != 1:
        raise node.fail(f"each of {what} is one `ARGUMENT: LIST`, not {node.shown()}", mend="as in {month: months}")
    ((argument, source),) = entries.items()
    step_name(node.keys[argument], f"the argument that {what} is repeated over")
    return Each(argument=argument, source=step_name(source, f"the list that {what} is repeated over"))


def _read_condition(node: Node, what: str) -> Condition:
    match = _CONDITION.fullmatch(text(node, f"when of {what}").strip())
    if match is None:
        raise node.fail(f"when of {what} is not {node.shown()}", mend=_CONDITION_FORM)
    operator, literal = cast("Operator", match[2] or "=="), _literal(match[3]) if match[2] else True
    if operator not in ("==", "!=") and isinstance(literal, bool):
        raise node.fail(f"when of {what} puts true and false in order", mend=_CONDITION_FORM)
    return Condition(step=match[1], operator=operator, literal=literal)


def _literal(raw: str) -> bool | int | float | str:
    raw = raw.strip()
    if raw in ("true", "false"):
        return raw == "true"
    if match := _NUMBER.fullmatch(raw):
        return float(raw) if match[1] or match[2] else int(raw)
    return raw[1:-1] if len(raw) >= 2 and raw[0] == raw[-1] and raw[0] in "'\"" else raw


def _kind(value: Json) -> str:
    """bool is no number here, and a whole number is a number."""
    return "boolean" if isinstance(value, bool) else "number" if isinstance(value, int | float) else type(value).__name__


def check_steps(steps: Mapping[str, StepSpec], node: Node, *, pipeline: bool) -> None:
    """Raises SpecMalformed when there is no pipeline that has steps. Whether it has these is known when its file is read."""
    if steps and not pipeline:
        raise node.fail("the spec has steps and no pipeline", mend="pipeline: FILE.py")
