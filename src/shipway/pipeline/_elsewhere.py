"""A project's run whose steps an engine runs: submitted, followed, and its models made known here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from shipway.kernel.digest import Digest
from shipway.pipeline._engine import Engine, follow
from shipway.pipeline._hands import Hands
from shipway.pipeline._project import ProjectRun, run_plan, take_request
from shipway.pipeline._report import Report
from shipway.pipeline._run_plan import RunPlan, put_run_plan
from shipway.spec import Spec


class _OnlyWhatRuns:
    """Tells of steps that are run here after all; that the others are cached goes without saying."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.started, self.finished, self.note = report.started, report.finished, report.note

    def cached(self, step: str) -> None: ...

    def skipped(self, step: str) -> None: ...


def run_elsewhere(
    hands: Hands,
    spec: Spec,
    engine: Engine,
    *,
    report: Report,
    environ: Mapping[str, str],
    why: str = "",
    pause: Callable[[float], None] = time.sleep,
) -> tuple[ProjectRun, str]:
    """Snapshot the data, put the run plan, let the engine run it, and make the models as run_project does; with the run's name.

    All its steps are cached then, and one whose bytes are gone is run here. Killed at any moment, it follows the same run
    when it is called again with the same data and code. Raises EngineUnreachable, EngineRefused, EngineRunFailed, and what
    run_project raises.
    """
    started = hands.store.clock.now()
    data, request = take_request(hands, spec, why=why)
    digest = put_run_plan(hands.store, spec, request)
    run = engine.submit(digest)
    report.note(f"run {run}: {engine.place(run)}")
    follow(engine, run, report, pause=pause)
    plan = RunPlan(spec.project, request, spec.models)
    here = _OnlyWhatRuns(report)
    made = run_plan(hands, plan, report=here, environ=environ, why=why, root=spec.root, spec=spec.path, started=started)
    return replace(made, data=data), run


def stop_elsewhere(hands: Hands, spec: Spec, engine: Engine) -> tuple[Digest, str | None]:
    """The plan of the project as it is now, and its run that was stopped, if one was there and had not ended.

    Raises EngineUnreachable, EngineRefused, and what taking snapshots raises.
    """
    _, request = take_request(hands, spec)
    digest = put_run_plan(hands.store, spec, request)
    return digest, engine.stop(digest)
