"""What a run is asked for and what comes of it: plain values, and the pipeline object that a release can lock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from shipway.kernel.canonical import Json, JsonObject, canonical_json, parse_object
from shipway.kernel.digest import Descriptor, Digest
from shipway.pipeline._types import Graph, InputMissing, Node


@dataclass(frozen=True, slots=True)
class RunRequest:
    """By digest: code, a snapshot for each data set's name, environment. wanted: names of steps, all when empty."""

    code: Digest
    data: Mapping[str, Digest]
    environment: Digest
    parameters: Mapping[str, Json] = field(default_factory=dict)
    wanted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """A step's value; seconds are those of the run that made it, also when it is cached."""

    name: str
    action: Digest
    output: Descriptor
    cached: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class RunResult:
    """The steps in the order they ran and the pipeline object of all of them (pipeline_behind: of those behind a model)."""

    steps: tuple[StepOutcome, ...]
    pipeline: Digest

    def output(self, step: str) -> Descriptor:
        """The value of a step. Raises InputMissing."""
        for outcome in self.steps:
            if outcome.name == step:
                return outcome.output
        raise InputMissing(f"the run has no step {step}", mend=f"it has: {', '.join(outcome.name for outcome in self.steps)}")


def locked_parameters(parameters: Mapping[str, Json]) -> Mapping[str, Json]:
    """The parameters as a record gives them back, so that what runs is locked. Raises InputMissing, NotCanonical."""
    locked = parse_object(canonical_json(parameters))
    for name, value in parameters.items():
        if locked[name] != value:
            raise InputMissing(f"the parameter {name} holds a whole number beyond 2^53", mend="give it as text")
    return locked


def pipeline_object(entry: str, graph: Graph, request: RunRequest, outcomes: Sequence[StepOutcome]) -> JsonObject:
    """What was run, on what, and what each step gave; the object alone is enough to run it again.

    `{"kind":"pipeline","version":1,"entry","code","environment","data","parameters","steps"}`: steps by name, of data and
    parameters those that they take.
    """
    record: JsonObject = {
        "kind": "pipeline",
        "version": 1,
        "entry": entry,
        "code": request.code,
        "environment": request.environment,
        "data": request.data,
        "parameters": request.parameters,
        "steps": [_step_record(graph.node(outcome.name), outcome) for outcome in outcomes],
    }
    return steps_behind(record, [outcome.name for outcome in outcomes])


def steps_behind(record: JsonObject, names: Iterable[str]) -> JsonObject:
    """The pipeline object of these steps and of all whose values went into them, out of one that has more. Pure."""
    steps = {str(step["name"]): step for step in cast("Sequence[JsonObject]", record["steps"])}
    waiting, found = list(names), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [str(given["step"]) for given in _inputs(steps[name]).values() if "step" in given]
    inputs = [given for name in found for given in _inputs(steps[name]).items()]
    return {
        **record,
        "data": _only(record["data"], {str(given["data"]) for _, given in inputs if "data" in given}),
        "parameters": _only(record["parameters"], {name for name, given in inputs if "parameter" in given}),
        "steps": [steps[name] for name in sorted(found)],
    }


def _inputs(step: JsonObject) -> Mapping[str, Mapping[str, Json]]:
    return cast("Mapping[str, Mapping[str, Json]]", step["inputs"])


def _only(record: Json, names: set[str]) -> dict[str, Json]:
    return {name: value for name, value in cast("JsonObject", record).items() if name in names}


def _step_record(node: Node, outcome: StepOutcome) -> JsonObject:
    return {
        "name": outcome.name,
        "action": outcome.action,
        "inputs": {name: {given.kind.value: given.value} for name, given in node.inputs.items()},
        "codec": node.step.codec,
        "output": outcome.output.to_json(),
    }
