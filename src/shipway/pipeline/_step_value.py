"""What an engine asks of a step's value: the scalar that a condition compares, how many elements a list has."""

from __future__ import annotations

from dataclasses import dataclass

from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Digest
from shipway.pipeline._items import json_value
from shipway.pipeline._options import MOST_ITEMS
from shipway.pipeline._run import StepsRun
from shipway.store import Store

_LONGEST = 1024  # characters of a text that an engine is told: a condition compares words, and engines limit what they keep


@dataclass(frozen=True, slots=True)
class StepControl:
    """About one step, for the engine that runs it: whether it was skipped, its value when that is a plain scalar, the length
    when it is a list. plan: the run plan that it belongs to; step: None of a task that made the plan.
    """

    plan: Digest
    step: str | None = None
    skipped: bool = False
    value: bool | float | str | None = None
    length: int | None = None

    def to_json(self) -> JsonObject:
        """`{"kind":"step-control","version":1,"plan","step","skipped","value","length","items"}`; items: [0..length-1]."""
        items: list[Json] | None = None if self.length is None else list(range(self.length))
        return {
            "kind": "step-control", "version": 1, "plan": self.plan, "step": self.step, "skipped": self.skipped,
            "value": self.value, "length": self.length, "items": items,
        }  # fmt: skip


def measure_control(store: Store, plan: Digest, step: str, ran: StepsRun) -> StepControl:
    """What an engine is told of a step that a task has run. Raises StepValueUnusable, ObjectMissing, ObjectDamaged."""
    if step in ran.skipped:
        return StepControl(plan, step, skipped=True)
    output = ran.steps[-1].output if ran.steps else None
    for outcome in ran.steps:
        if outcome.name == step:
            output = outcome.output
    if output is None or output.media_type != media.JSON:
        return StepControl(plan, step)
    value = json_value(store, step, output)
    if isinstance(value, list) and len(value) <= MOST_ITEMS:
        return StepControl(plan, step, length=len(value))
    if isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= _LONGEST):
        return StepControl(plan, step, value=value)
    return StepControl(plan, step)
