"""What a run is asked for and what comes of it: plain values, and the pipeline object that a release can lock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from shipway.kernel.canonical import Json, JsonObject, canonical_json, parse_object
from shipway.kernel.digest import Descriptor, Digest
from shipway.pipeline._options import option_record
from shipway.pipeline._types import Graph, InputMissing, Node
from shipway.spec import Condition, Each, StepSpec


@dataclass(frozen=True, slots=True)
class RunRequest:
    """By digest: code, a snapshot for each data set's name, environment.

    wanted: names of steps, all when empty; options: of steps by name.
    """

    code: Digest
    data: Mapping[str, Digest]
    environment: Digest
    parameters: Mapping[str, Json] = field(default_factory=dict)
    wanted: tuple[str, ...] = ()
    options: Mapping[str, StepSpec] = field(default_factory=dict)


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
    """The steps in the order they ran and the pipeline object of all of them (pipeline_behind: of those behind a model).

    skipped: the steps that a condition kept from running, in the same order.
    """

    steps: tuple[StepOutcome, ...]
    pipeline: Digest
    skipped: tuple[str, ...] = ()

    def output(self, step: str) -> Descriptor:
        """The value of a step. Raises InputMissing."""
        for outcome in self.steps:
            if outcome.name == step:
                return outcome.output
        if step in self.skipped:
            raise InputMissing(f"step {step} was skipped", mend="its condition, or that of a step it needs, does not hold")
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
    parameters those that they take. A step has `each` and `when` where it is repeated or has a condition; `skipped` names the
    steps that a condition kept from running, when there are any.
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
    made = [outcome.name for outcome in outcomes]
    skipped: list[Json] = [node.step.name for node in graph.nodes if node.step.name not in made]
    return {**steps_behind(record, made), **({"skipped": sorted(map(str, skipped))} if skipped else {})}


def steps_behind(record: JsonObject, names: Iterable[str]) -> JsonObject:
    """The pipeline object of these steps and of all whose values went into them, out of one that has more. Pure."""
    steps = {str(step["name"]): step for step in cast("Sequence[JsonObject]", record["steps"])}
    waiting, found = list(names), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _asked(steps[name])
    inputs = [given for name in found for given in _named_inputs(steps[name])]
    return {
        **{key: value for key, value in record.items() if key != "skipped"},
        "data": _only(record["data"], {str(given["data"]) for _, given in inputs if "data" in given}),
        "parameters": _only(record["parameters"], {name for name, given in inputs if "parameter" in given}),
        "steps": [steps[name] for name in sorted(found)],
    }


def recorded_options(record: JsonObject) -> dict[str, StepSpec]:
    """The options of a pipeline object's steps, as they decide what a run of it is."""
    found: dict[str, StepSpec] = {}
    for step in cast("Sequence[Mapping[str, JsonObject]]", record["steps"]):
        each = Each(**cast("dict[str, str]", step["each"])) if "each" in step else None
        when = Condition(**cast("dict[str, str]", step["when"])) if "when" in step else None  # type: ignore[arg-type]
        if each or when:
            name = str(step["name"])
            found[name] = StepSpec(name=name, each=each, when=when)
    return found


def _asked(step: JsonObject) -> list[str]:
    """The steps that a step's value comes from: its inputs, and the one that its condition asks."""
    when = cast("Mapping[str, Json] | None", step.get("when"))
    needed = [str(given["step"]) for given in _inputs(step).values() if "step" in given]
    return [*needed, str(when["step"])] if when else needed


def _named_inputs(step: JsonObject) -> list[tuple[str, Mapping[str, Json]]]:
    """The inputs with their names; the list that a step is repeated over has the name of its source."""
    each = cast("Mapping[str, Json] | None", step.get("each")) or {}
    names = {str(each["argument"]): str(each["source"])} if each else {}
    return [(names.get(name, name), given) for name, given in _inputs(step).items()]


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
        **option_record(node.options),
    }
