"""`shipway run`: from data and code to models."""

from __future__ import annotations

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings


@click.command(name="run")
@click.option("--again", is_flag=True, help="Run every step, also those whose results are cached.")
@click.option("--why", default="", help="A line for the history.")
@json_option
@click.pass_obj
def command(settings: Settings, again: bool, why: str, as_json: bool) -> None:
    """Snapshot the data, run the pipeline, make the models.

    Steps whose source, inputs, parameters and environment are as before are not run again. A model is made only after a
    fresh process reproduced its golden rows.
    """
    from shipway.cli._lineage_out import told_to_catalogue
    from shipway.cli._progress import RunReport
    from shipway.kernel.digest import short
    from shipway.pipeline import ProjectIncomplete, measure_evaluation, run_project

    project, out = Project(settings), Output(as_json)
    if project.spec.pipeline is None and project.spec.prompts:
        what = "this project answers prompts and has no pipeline: there is nothing to run"
        raise ProjectIncomplete(what, where=str(project.spec.path), mend="shipway rag sync, shipway eval, then shipway release")
    report = RunReport(out)
    with told_to_catalogue(project, out):
        run = run_project(project.hands, project.spec, report=report, environ=project.step_environ(), reuse=not again, why=why)
    for taken in run.data:
        snapshot = taken.snapshot
        sizes = f"{snapshot.files:,} files, {snapshot.bytes:,} bytes, {snapshot.read:,} read"
        out.say(f"data/{taken.name:<12} {short(snapshot.digest)}  {sizes}")
    models = {}
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
    steps = [{"name": s.name, "cached": s.cached, "seconds": s.seconds, "output": s.output.digest} for s in run.result.steps]
    data = [{"name": t.name, "digest": t.snapshot.digest, "read": t.snapshot.read, "bytes": t.snapshot.bytes} for t in run.data]
    document = {"data": data, "steps": steps, "models": models, "pipeline": run.result.pipeline, "python": str(run.python)}
    document |= {"skipped": list(run.result.skipped), "not_made": dict(run.not_made)}
    out.end("run", document, then="shipway release")
