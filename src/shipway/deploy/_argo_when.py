"""Conditions as Argo evaluates them: an expression over outputs of a task, so that no value is ever pasted into one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from shipway.deploy._errors import CannotExpress
from shipway.spec import Condition

_EXACT = 2**53  # whole numbers beyond it are not told apart by Argo's floats
_KINDS = {bool: "boolean", int: "number", float: "number", str: "text"}


def when_expression(conditions: Sequence[Condition], tellers: Mapping[str, str], *, target: str) -> str:
    """Whether a task is started at all. tellers: the task that tells a step's value, by the step.

    True whenever the conditions hold, and for a value that is none to compare: the task then says what is wrong. It asks
    the conditions again by itself, with the types that the values really have. Raises CannotExpress.
    """
    parts = [_holds(condition, tellers[condition.step], target) for condition in conditions]
    return "{{=" + (parts[0] if len(parts) == 1 else " && ".join(f"({part})" for part in parts)) + "}}"


def _holds(condition: Condition, teller: str, target: str) -> str:
    kind, value = (f"tasks['{teller}'].outputs.parameters.{name}" for name in ("kind", "value"))
    literal = condition.literal
    operator = "==" if condition.operator == "!=" else condition.operator
    compared = f"asFloat({value})" if _KINDS[type(literal)] == "number" else value
    test = f"{kind} == '{_KINDS[type(literal)]}' && {compared} {operator} {_literal(condition, target)}"
    if condition.operator == "!=":
        return f"{kind} != 'skipped' && !({test})"
    return f"{kind} == 'other' || {test}"


def _literal(condition: Condition, target: str) -> str:
    literal = condition.literal
    if isinstance(literal, bool):
        return "'true'" if literal else "'false'"
    if isinstance(literal, str):
        if "{{" in literal or "}}" in literal:
            what = f"{target} takes the braces in `when: {condition.text}` for its own"
            raise CannotExpress(what, mend=f"compare {condition.step} with a text without them")
        return json.dumps(literal, ensure_ascii=False)
    if abs(literal) >= _EXACT:
        what = f"{target} compares floats, and `when: {condition.text}` is beyond what they tell apart"
        raise CannotExpress(what, mend=f"compare {condition.step} with a smaller number, or a text")
    return json.dumps(float(literal))
