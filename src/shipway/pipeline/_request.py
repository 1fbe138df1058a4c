"""What a run is asked for and what comes of it: plain values, and the pipeline object that a release can lock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shipway.kernel.canonical import Json, JsonObject, canonical_json, parse_object
from shipway.kernel.digest import Descriptor, Digest
from shipway.pipeline._types import Graph, InputKind, InputMissing, Node


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
    """The steps in the order they ran and the pipeline object."""

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


def pipeline_object(entry: str, graph: Graph, parameters: Mapping[str, Json], outcomes: Sequence[StepOutcome]) -> JsonObject:
    """`{"kind":"pipeline","version":1,"entry","parameters","steps"}`: what each step was given and gave, by name."""
    by_name = sorted(outcomes, key=lambda outcome: outcome.name)
    return {
        "kind": "pipeline",
        "version": 1,
        "entry": entry,
        "parameters": parameters,
        "steps": [_step_record(graph.node(outcome.name), outcome) for outcome in by_name],
    }


def _step_record(node: Node, outcome: StepOutcome) -> JsonObject:
    return {
        "name": outcome.name,
        "action": outcome.action,
        "inputs": {name: {given.kind.value: given.value} for name, given in node.inputs.items()},
        "codec": node.step.codec,
        "output": outcome.output.to_json(),
    }


def used_parameters(graph: Graph, parameters: Mapping[str, Json]) -> Mapping[str, Json]:
    """The parameters that a step of the graph takes."""
    taken = {name for node in graph.nodes for name, given in node.inputs.items() if given.kind is InputKind.PARAMETER}
    return {name: value for name, value in parameters.items() if name in taken}
