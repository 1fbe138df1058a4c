"""`shipway run`: from data and code to models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shipway.cli._output import Misused, Output, json_option
from shipway.cli._settings import Project, Settings
from shipway.kernel.digest import short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.kernel.canonical import Json
    from shipway.pipeline import DataTaken, ProjectRun


@click.command(name="run")
@click.option("--again", is_flag=True, help="Run every step and make every model, also those that are cached.")
@click.option(
    "--on",
    "engine",
    type=click.Choice(["argo", "stepfunctions"]),
    metavar="ENGINE",
    help="Where the steps run: argo, stepfunctions; this machine.",
)
@click.option("--stop", is_flag=True, help="With --on: stop the run there of the project as it is now.")
@click.option("--why", default="", help="A line for the history.")
@json_option
@click.pass_obj
def command(settings: Settings, again: bool, engine: str | None, stop: bool, why: str, as_json: bool) -> None:
    """Snapshot the data, run the pipeline, make the models.

    Steps whose source, inputs, parameters and environment are as before are not run again. A model is made only after a
    fresh process reproduced its golden rows. With --on an engine runs the steps, a pod or task each; the run goes on there
    when this command is interrupted, and the same command follows it again.
    """
    from shipway.cli._engines import open_engine
    from shipway.cli._lineage_out import told_to_catalogue
    from shipway.cli._progress import RunReport
    from shipway.pipeline import ProjectIncomplete, run_elsewhere, run_project

    if (again and engine) or (stop and not engine):
        raise Misused("--again is of a run on this machine, --stop of one elsewhere", mend="shipway run --on argo --stop")
    project, out = Project(settings), Output(as_json)
    if project.spec.pipeline is None and project.spec.prompts:
        what = "this project answers prompts and has no pipeline: there is nothing to run"
        raise ProjectIncomplete(what, where=str(project.spec.path), mend="shipway rag sync, shipway eval, then shipway release")
    if stop and engine:
        _stop(project, out, engine)
        return
    report, environ, there = RunReport(out), project.step_environ(), None  # there: the run's name
    is_stages = (project.spec.pipeline or "").endswith((".yaml", ".yml"))
    if is_stages and "SHELL" in settings.environ:
        environ["SHELL"] = settings.environ["SHELL"]  # DVC runs the commands of its stages in the person's own
    with told_to_catalogue(project, out):
        if engine:
            hands, spec = project.hands, project.spec
            run, there = run_elsewhere(hands, spec, open_engine(project, engine), report=report, environ=environ, why=why)
        else:
            run = run_project(project.hands, project.spec, report=report, environ=environ, reuse=not again, why=why)
    _say_data(out, run.data)
    models = _say_models(out, project, run)
    steps = [{"name": s.name, "cached": s.cached, "seconds": s.seconds, "output": s.output.digest} for s in run.result.steps]
    data = [{"name": t.name, "digest": t.snapshot.digest, "read": t.snapshot.read, "bytes": t.snapshot.bytes} for t in run.data]
    document: dict[str, object] = {
        "data": data,
        "steps": steps,
        "models": models,
        "pipeline": run.result.pipeline,
        "python": str(run.python) if run.python else None,
        "skipped": [*run.result.skipped],
        "not_made": {**run.not_made},
    }
    if there:
        document |= {"on": {"engine": engine, "run": there}}
    out.end("run", document, then="shipway data export" if is_stages else "shipway release")


def _say_data(out: Output, data: Sequence[DataTaken]) -> None:
    for taken in data:
        snapshot = taken.snapshot
        sizes = f"{snapshot.files:,} files, {snapshot.bytes:,} bytes, {snapshot.read:,} read"
        out.say(f"data/{taken.name:<12} {short(snapshot.digest)}  {sizes}")


def _say_models(out: Output, project: Project, run: ProjectRun) -> dict[str, Json]:
    """What the document says of each model, after a person has been told."""
    from shipway.pipeline import measure_evaluation

    models: dict[str, Json] = {}
    for name, made in run.models.items():
        out.say(f"model/{name:<11} {short(made.model)}  {made.rows:,} held-out rows")
        metrics = measure_evaluation(project.store, made.scores)
        for metric in metrics:
            out.say(f"  {metric.name:<18} {metric.value:.4f} [{metric.low:.4f}, {metric.high:.4f}]  n={metric.n:,}")
        models[name] = {
            "digest": made.model,
            "profile": made.profile,
            "rows": made.rows,
            "metrics": [{"name": m.name, "value": m.value, "low": m.low, "high": m.high, "n": m.n} for m in metrics],
        }
    for name, step in run.not_made.items():
        out.say(f"model/{name:<11} not made: step {step} was skipped")
    return models


def _stop(project: Project, out: Output, engine: str) -> None:
    from shipway.cli._engines import open_engine
    from shipway.pipeline import stop_elsewhere

    plan, stopped = stop_elsewhere(project.hands, project.spec, open_engine(project, engine))
    out.say(f"run {stopped} is told to stop" if stopped else "no run of the project as it is now is going on there")
    out.end("run-stopped", {"plan": plan, "run": stopped}, then=f"shipway run --on {engine}")
