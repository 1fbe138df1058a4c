"""The run plan: all that a run is decided by, as one object: a task of an engine gets its digest and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar, cast

import msgspec

from shipway.kernel.canonical import Json, JsonObject, parse_object
from shipway.kernel.digest import Digest
from shipway.pipeline._request import RunRequest, locked_parameters
from shipway.spec import ModelSpec, Spec, StepSpec
from shipway.store import ObjectUnexpected, Store

_T = TypeVar("_T", ModelSpec, StepSpec)
_TEXTS = ("project", "code", "environment")
_GROUPS = ("data", "parameters", "steps")


@dataclass(frozen=True, slots=True)
class RunPlan:
    """A project's run: what is asked for, with the options of its steps, and the models that are made of it."""

    project: str
    request: RunRequest
    models: Mapping[str, ModelSpec]


def put_run_plan(store: Store, spec: Spec, request: RunRequest) -> Digest:
    """Puts `{"kind":"run-plan","version":1,"project","code","data","environment","parameters","steps","models"}`.

    steps: by name the options that are not their default, of the request; models: those of the spec, likewise, in its order.
    Raises InputMissing (a parameter that cannot be kept).
    """
    steps: dict[str, Json] = {
        name: {key: value for key, value in _without_defaults(option, StepSpec(name=name)).items() if key != "name"}
        for name, option in request.options.items()
    }
    models: list[Json] = [_model_record(model) for model in spec.models.values()]
    return store.put(
        {
            "kind": "run-plan",
            "version": 1,
            "project": spec.project,
            "code": request.code,
            "data": request.data,
            "environment": request.environment,
            "parameters": locked_parameters(request.parameters),
            "steps": {name: option for name, option in steps.items() if option},
            "models": models,
        }
    )


def load_run_plan(store: Store, digest: Digest) -> RunPlan:
    """Raises ObjectMissing, ObjectDamaged, ObjectUnexpected (not of this version, or not made by Shipway)."""
    record = store.get(digest, "run-plan")
    if record.get("version") != 1:
        what = f"{digest} is a run plan of version {record.get('version')}, not 1"
        raise ObjectUnexpected(what, mend="upgrade Shipway")
    models = record.get("models")
    whole = all(isinstance(record.get(name), str) for name in _TEXTS) and isinstance(models, list)
    if not whole or not all(isinstance(record.get(name), Mapping) for name in _GROUPS):
        raise _unexpected(digest, "something is missing")
    data, steps = cast("Mapping[str, str]", record["data"]), cast("Mapping[str, JsonObject]", record["steps"])
    try:
        options = {name: msgspec.convert({**option, "name": name}, StepSpec) for name, option in steps.items()}
        found = [msgspec.convert(model, ModelSpec) for model in cast("list[JsonObject]", models)]
    except (msgspec.ValidationError, TypeError) as problem:
        raise _unexpected(digest, str(problem)) from problem
    request = RunRequest(
        Digest(str(record["code"])),
        {name: Digest(str(value)) for name, value in data.items()},
        Digest(str(record["environment"])),
        cast("Mapping[str, Json]", record["parameters"]),
        options=options,
    )
    return RunPlan(str(record["project"]), request, {model.name: model for model in found})


def _unexpected(digest: Digest, why: str) -> ObjectUnexpected:
    return ObjectUnexpected(f"{digest} is no run plan that this Shipway reads: {why}", mend="make one: shipway step plan")


def _model_record(model: ModelSpec) -> JsonObject:
    return _without_defaults(
        model, ModelSpec(name=model.name, step=model.step, target=model.target), ("name", "step", "target")
    )


def _without_defaults(value: _T, plain: _T, always: tuple[str, ...] = ()) -> dict[str, Json]:
    """The fields that are not as in `plain`, as JSON."""
    said, default = (parse_object(msgspec.json.encode(struct)) for struct in (value, plain))
    return {key: field for key, field in said.items() if key in always or field != default[key]}
