"""A project's run: data snapshots, environment and code become objects, the pipeline runs, models and their refs follow."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from shipway.data import BROUGHT
from shipway.environment import environment_object, parse_lock
from shipway.gate import attest, move_ref
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject
from shipway.kernel.clock import instant, parse_instant
from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.pipeline._code import code_object
from shipway.pipeline._environment import open_environment
from shipway.pipeline._hands import Hands
from shipway.pipeline._provenance import Made, provenance
from shipway.pipeline._read import read_pipeline
from shipway.pipeline._report import Report
from shipway.pipeline._request import RunRequest, RunResult
from shipway.pipeline._run import pipeline_behind, run_pipeline
from shipway.pipeline._run_plan import RunPlan
from shipway.pipeline._taken import DataTaken, snapshot_data
from shipway.spec import EnvironmentSpec, ModelSpec, Spec
from shipway.store import Edge, Store, while_working

if TYPE_CHECKING:
    from shipway.pipeline._made import ModelMade

RAN = "ran"  # state rows: when a run last made a model, by its name; the same again moves no ref
MADE = "made"  # state rows: what made a model, by the model's digest


class ProjectIncomplete(ShipwayError):
    """The spec lacks something that a run needs, or names a file that is not there."""

    code = "pipeline.project-incomplete"


@dataclass(frozen=True, slots=True)
class ProjectRun:
    """What a run took and made; `python` is that of the project's environment, None where no process of it was started.

    not_made: models of which a step was skipped, with that step.
    """

    data: tuple[DataTaken, ...]
    result: RunResult
    models: Mapping[str, ModelMade]
    environment: Digest | None
    python: Path | None
    not_made: Mapping[str, str] = field(default_factory=dict)


def put_environment(store: Store, spec: Spec) -> Digest:
    """The environment object of the spec's lock. Raises ProjectIncomplete, LockUnpinned."""
    environment = spec.environment or EnvironmentSpec()
    try:
        lock = (spec.root / environment.lock).read_bytes()
    except OSError as problem:
        raise ProjectIncomplete(
            f"cannot read {environment.lock}: {problem.strerror}",
            where=str(spec.path),
            mend="make it with: shipway lock",
        ) from problem
    parse_lock(lock)
    return store.put(environment_object(lock=store.put_bytes(lock, media.TEXT), python=environment.python or "3.11"))


@while_working
def run_project(
    hands: Hands, spec: Spec, *, report: Report, environ: Mapping[str, str], reuse: bool = True, why: str = ""
) -> ProjectRun:
    """Snapshot every data set, run the pipeline, make every model and move its ref.

    Raises ProjectIncomplete, PipelineMalformed, StepFailed, and what taking snapshots and making models raises.
    """
    if is_dvc(spec):
        from shipway.pipeline.dvc import run_dvc_project

        return run_dvc_project(hands, spec, report=report, environ=environ, reuse=reuse, why=why)
    started = hands.store.clock.now()
    data, request = take_request(hands, spec, why=why)
    plan = RunPlan(spec.project, request, spec.models)
    run = run_plan(
        hands, plan, report=report, environ=environ, reuse=reuse, why=why, root=spec.root, spec=spec.path, started=started
    )
    return replace(run, data=data)


def is_dvc(spec: Spec) -> bool:
    """Whether the pipeline of a project is a dvc.yaml."""
    return spec.pipeline is not None and spec.pipeline.endswith((".yaml", ".yml"))


@while_working
def take_request(hands: Hands, spec: Spec, *, why: str = "") -> tuple[tuple[DataTaken, ...], RunRequest]:
    """Snapshot every data set and put code and environment: what a run of the project now is asked for.

    Raises ProjectIncomplete, PipelineMalformed, and what taking snapshots raises.
    """
    if spec.pipeline is None:
        raise ProjectIncomplete("the spec names no pipeline", where=str(spec.path), mend="pipeline: FILE.py")
    if is_dvc(spec):
        read_pipeline(spec.root, spec.pipeline)  # says that stages run here alone
    data = tuple(snapshot_data(hands, spec, item, why=why) for item in spec.data.values())
    environment = put_environment(hands.store, spec)
    code = code_object(hands.store, spec.root, spec.pipeline)
    digests = {taken.name: taken.snapshot.digest for taken in data}
    return data, RunRequest(code, digests, environment, spec.parameters, options=spec.steps)


@while_working
def run_plan(
    hands: Hands,
    plan: RunPlan,
    *,
    report: Report,
    environ: Mapping[str, str],
    reuse: bool = True,
    why: str = "",
    root: Path | None = None,
    spec: Path | None = None,
    started: datetime | None = None,
) -> ProjectRun:
    """Run what of a plan is not cached, make every model that is not made yet and move its ref; a model of a skipped step is
    not made.

    root: the project's folder, whose commit the provenance tells; spec: where the models are declared; started: when what is
    told as one run began. Raises StepFailed, and what running steps and making models raises.
    """
    started, request = started or hands.store.clock.now(), plan.request
    result = run_pipeline(hands.store, request, cache=hands.cache, report=report, environ=environ, reuse=reuse)
    kept = {name: _skipped_step(model, result) for name, model in plan.models.items()}
    left = {name: step for name, step in kept.items() if step}
    plan = replace(plan, models={name: model for name, model in plan.models.items() if name not in left})
    python = open_environment(hands.store, request.environment, cache=hands.cache, report=report.note)
    models = _make_models(
        hands,
        plan,
        result,
        python=python,
        report=report,
        reuse=reuse,
        started=started,
        why=why,
        root=root,
        where=str(spec) if spec else None,
    )
    return ProjectRun((), result, models, request.environment, python, left)


def _skipped_step(model: ModelSpec, result: RunResult) -> str | None:
    """The skipped step without which there is no model."""
    return next((step for step in (model.step, model.reference) if step in result.skipped), None)


def _make_models(
    hands: Hands,
    plan: RunPlan,
    result: RunResult,
    *,
    python: Path,
    report: Report,
    reuse: bool,
    started: datetime,
    why: str,
    root: Path | None,
    where: str | None,
) -> dict[str, ModelMade]:
    from shipway.pipeline._functions import FunctionNames
    from shipway.pipeline._model import make_model
    from shipway.pipeline._origins import bases_first, find_origins

    made: dict[str, ModelMade] = {}
    for model in bases_first(plan.models, where=where):
        name = model.name
        known = {f"model/{other}": one.model for other, one in made.items()}
        known |= {f"data/{data}": digest for data, digest in plan.request.data.items()}
        origins = find_origins(hands.store, model, known)
        made[name] = make_model(
            hands.store,
            result,
            model,
            python=python,
            cache=hands.cache,
            report=report,
            origins=origins,
            environment=plan.request.environment if reuse else None,
            code=plan.request.code,
            names=FunctionNames(model.before, model.after, model.own),
            onnx=model.onnx,
            allow_pickle=model.allow_pickle,
        )
        _record(hands, plan, result, made[name], name=name, started=started, root=root)
        move_ref(hands.store, hands.keys, hands.actor, ref=f"model/{name}", target=made[name].model, why=why)
        hands.store.put_state(RAN, name, {"version": 1, "at": instant(hands.store.clock.now())})
    return made


def last_run(store: Store, model: str) -> datetime | None:
    """When a run last made this model, the same one again too; None before the first."""
    moved = [record.at for record in store.history(f"model/{model}", limit=1)]
    ran = store.state(RAN, model)
    return max([*moved, *([parse_instant(str(ran.value["at"]))] if ran else [])], default=None)


def _record(
    hands: Hands, plan: RunPlan, result: RunResult, made: ModelMade, *, name: str, started: datetime, root: Path | None
) -> None:
    """What made the model, for a release to lock; and provenance, when anything ran."""
    store, request, model = hands.store, plan.request, plan.models[name]
    pipeline = pipeline_behind(store, result, (model.step, model.reference))
    record = store.get(pipeline, "pipeline")
    value: JsonObject = {
        "name": name,
        "code": request.code,
        "environment": request.environment,
        "pipeline": pipeline,
        "profile": made.profile,
        "scores": made.scores.to_json(),
        "data": record["data"],
    }
    known = store.state(MADE, made.model)
    if known is None or known.value != value:
        store.add_edges([Edge(pipeline, made.model, "pipeline")])
        store.put_state(MADE, made.model, value)
    if known is None or not all(step.cached for step in result.steps):
        commit, dirty = _commit(root) if root else (None, None)
        run = Made(
            plan.project, pipeline, record, hands.actor.name, socket.gethostname(), store.ids.new(),
            started, store.clock.now(), made.profile, made.scores, commit, dirty,
            _trees(store, cast("Mapping[str, str]", record["data"])),
        )  # fmt: skip
        kind = media.PROVENANCE_PREDICATE
        attest(store, hands.signer, subject=made.model, name=name, predicate_type=kind, predicate=provenance(run), label="run")


def _trees(store: Store, data: Mapping[str, str]) -> dict[str, str]:
    """Of data in place the bytes that were brought: whoever rebuilds elsewhere brings them again, and can compare."""
    rows = {name: store.state(BROUGHT, digest) for name, digest in data.items()}
    return {name: str(row.value["root"]) for name, row in rows.items() if row}


def _commit(root: Path) -> tuple[str | None, bool | None]:
    """The Git commit that the project's folder is at, and whether it differs from it; nothing outside a checkout."""
    commit, dirty = (_git(root, *words) for words in (("rev-parse", "HEAD"), ("status", "--porcelain", "--", ".")))
    return (commit, bool(dirty)) if commit else (None, None)


def _git(root: Path, *words: str) -> str:
    try:
        asked = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""
