"""The first component of a release that came out otherwise, named and shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Descriptor, Digest, short
from shipway.pipeline import ModelMade, RunResult, describe_difference
from shipway.release._describe import describe_change
from shipway.release._described import Look, printable
from shipway.release._manifest import Component, find_component
from shipway.store import Store

_LINES = 12  # of detail


@dataclass(frozen=True, slots=True)
class Difference:
    """kind: `environment`, `step`, `model`, `profile` or `provider`; what: in one line; lines: what it looks like."""

    kind: str
    name: str
    what: str
    lines: tuple[str, ...] = ()

    def to_json(self) -> JsonObject:
        return {"kind": self.kind, "name": self.name, "what": self.what, "lines": list(self.lines)}


def first_difference(
    store: Store,
    fresh: Store,
    components: tuple[Component, ...],
    environment: Digest,
    result: RunResult,
    made: ModelMade,
) -> Difference | None:
    """In the order in which one follows from the other: environment, steps as they ran, model, profile. None: all is equal."""
    locked = find_component(components, "environment").digest
    if environment != locked:
        return _environment(fresh, locked, environment)
    model, profile = find_component(components, "model"), find_component(components, "profile")
    if step := _step(store, fresh, components, result):
        return step
    if made.model != model.digest:
        return _object(fresh, model, made.model)
    return _object(fresh, profile, made.profile) if made.profile != profile.digest else None


def _environment(fresh: Store, before: Digest, after: Digest) -> Difference:
    told = describe_change(Look(fresh, lines=_LINES), "environment", before, after)
    what = f"environment {short(before)} was replaced by {short(after)}: {told.words}"
    return Difference("environment", "", what, (*told.words.split(", "), *told.lines))


def _object(fresh: Store, component: Component, after: Digest) -> Difference:
    """Of a model or a profile that the steps' equal values gave: another Shipway made it."""
    told = describe_change(Look(fresh, lines=_LINES), component.kind, component.digest, after, name=component.name)
    what = f"{component.kind} {short(component.digest)} came out as {short(after)}"
    return Difference(component.kind, component.name, what, (told.words, *told.lines))


def _step(store: Store, fresh: Store, components: tuple[Component, ...], result: RunResult) -> Difference | None:
    """The first step whose value came out otherwise: those behind the model alone were run."""
    record = store.get(find_component(components, "pipeline").digest, "pipeline")
    steps = cast("list[Mapping[str, Json]]", record["steps"])
    before = {str(step["name"]): Descriptor.from_json(step["output"]) for step in steps}
    for outcome in result.steps:
        old, new = before.get(outcome.name), outcome.output
        if old is None:
            return Difference("step", outcome.name, f"step {outcome.name} made {short(new.digest)}, not anything")
        if old.digest != new.digest:
            what = f"step {outcome.name} made {short(new.digest)}, not {short(old.digest)}"
            lines = describe_difference(store, old, fresh, new)
            return Difference("step", outcome.name, what, tuple(printable(line) for line in lines))
    return None
