"""A project whose pipeline is dvc.yaml: data snapshots, stages, and the newest run remembered for who writes dvc.lock."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from shipway.kernel.digest import Digest
from shipway.pipeline._environment import open_environment
from shipway.pipeline._hands import Hands
from shipway.pipeline._project import ProjectIncomplete, ProjectRun, put_environment
from shipway.pipeline._report import Report
from shipway.pipeline._request import RunResult, StepOutcome
from shipway.pipeline._taken import snapshot_data
from shipway.pipeline.dvc._code import put_code
from shipway.pipeline.dvc._known import known_outs
from shipway.pipeline.dvc._order import order_stages
from shipway.pipeline.dvc._record import LATEST, StageRun, load_runs, stages_object
from shipway.pipeline.dvc._run import Ground, run_stages
from shipway.pipeline.dvc._stages import read_stages
from shipway.spec import Spec
from shipway.store import Store


def run_dvc_project(
    hands: Hands, spec: Spec, *, report: Report, environ: Mapping[str, str], reuse: bool = True, why: str = ""
) -> ProjectRun:
    """Snapshot every data set and run the stages. A project without a lock runs them in whatever the PATH has, as DVC does.

    Raises ProjectIncomplete (models, which are made of steps in Python), DvcMalformed, DvcMissing, DvcUnsupported, StageFailed.
    """
    entry, store, root = str(spec.pipeline), hands.store, spec.root
    if spec.models or spec.steps or spec.parameters:
        what = f"models:, steps: and parameters: are for a pipeline in Python, and this one is {entry}"
        raise ProjectIncomplete(what, where=str(spec.path), mend="parameters are in params.yaml; a model is an out of a stage")
    with store.working():
        stages = order_stages(read_stages(root, entry))
        data = tuple(snapshot_data(hands, spec, item, why=why) for item in spec.data.values())
        environment = _environment(store, spec)
        made = [out.path for stage in stages for out in stage.outs]
        below = [os.path.relpath(root / item.path, root) for item in spec.data.values()]
        code = put_code(store, root, entry, without=[*made, *below])

        @cache
        def python() -> Path | None:
            return open_environment(store, environment, cache=hands.cache, report=report.note) if environment else None

        ground = Ground(root, code, environment, python, environ, environ.get("SHELL") or "/bin/sh", hands.cache)
        runs = run_stages(store, stages, ground, known=known_outs(root, entry, stages), report=report, reuse=reuse)
        digest = store.put(stages_object(store, entry, runs, code=code, environment=environment))
        store.put_state(LATEST, entry, {"run": digest})
    outcomes = tuple(StepOutcome(run.stage.name, run.action, run.output, run.cached, run.seconds) for run in runs)
    return ProjectRun(
        data, RunResult(outcomes, digest), {}, environment, python() if any(not run.cached for run in runs) else None
    )


def newest_runs(store: Store, entry: str) -> list[StageRun]:
    """The stages of the newest run of a dvc.yaml; none before the first. Raises ObjectMissing, ObjectDamaged."""
    row = store.state(LATEST, entry)
    return load_runs(store, Digest(str(row.value["run"]))) if row else []


def _environment(store: Store, spec: Spec) -> Digest | None:
    if spec.environment is None and not (spec.root / "requirements.lock").is_file():
        return None
    return put_environment(store, spec)
