"""`shipway step`: one task of a run that an engine orders: the plan, a step, the models."""

from __future__ import annotations

from dataclasses import replace

import click

from shipway.cli._control import check_control, write_control
from shipway.cli._output import Misused, Output, json_option
from shipway.cli._settings import Project, Settings

_control = click.option(
    "--control", default=None, metavar="WHERE", help="Write for the engine what it decides by: a file, a folder (DIR/), s3://."
)
_plan = click.option("--plan", "digest", required=True, metavar="DIGEST", help="The run plan that the task belongs to.")


@click.group(name="step")
def command() -> None:
    """Tasks of a run plan: make the plan, run a step, make the models."""


@command.command(name="plan")
@click.option("--why", default="", help="A line for the history.")
@_control
@json_option
@click.pass_obj
def plan(settings: Settings, why: str, control: str | None, as_json: bool) -> None:
    """Snapshot the data and put the run plan.

    The plan says all that a run is decided by: code, data, environment, parameters, the options of steps, and the models. Every
    task of the run gets its digest. Nothing is run.
    """
    from shipway.pipeline import StepControl, put_run_plan, take_request

    check_control(control)
    project, out = Project(settings), Output(as_json)
    data, request = take_request(project.hands, project.spec, why=why)
    digest = put_run_plan(project.store, project.spec, request)
    if control:
        write_control(StepControl(digest), control, directory=settings.directory)
    for taken in data:
        out.say(f"data/{taken.name:<12} {taken.snapshot.digest}")
    out.say(f"run plan {digest}")
    document = {"plan": digest, "data": [{"name": taken.name, "digest": taken.snapshot.digest} for taken in data]}
    out.end("step-plan", document, then=f"shipway step models --plan {digest}")


@command.command(name="run")
@click.argument("steps", nargs=-1, required=True)
@_plan
@click.option("--item", type=click.IntRange(min=0), default=None, metavar="N", help="One element of a repeated step, from 0.")
@_control
@json_option
@click.pass_obj
def run(settings: Settings, steps: tuple[str, ...], digest: str, item: int | None, control: str | None, as_json: bool) -> None:
    """Run steps of a plan, one after another, in one process.

    Finds what they need by the action cache, and makes it where its bytes are gone; records what it makes. The time limit of
    a step holds; trying again is the engine's work. Needs no shipway.yaml: the plan says it all. A repeated step without
    --item puts the values of its elements together.
    """
    from shipway.cli._progress import RunReport
    from shipway.kernel.digest import parse_digest
    from shipway.pipeline import measure_control, run_steps
    from shipway.spec import StepSpec

    if item is not None and len(steps) != 1:
        raise Misused("--item is of one step", mend="shipway step run STEP --item N --plan DIGEST")
    check_control(control)
    project, out = Project(settings), Output(as_json)
    loaded = project.use_plan(parse_digest(digest))
    options = {  # trying again is the engine's
        name: StepSpec(name=name, timeout=option.timeout, each=option.each, when=option.when)
        for name, option in loaded.request.options.items()
    }
    request = replace(loaded.request, wanted=steps, options=options)
    environ, report = project.step_environ(), RunReport(out)
    ran = run_steps(project.store, request, item=item, cache=project.cache, report=report, environ=environ)
    told = measure_control(project.store, parse_digest(digest), steps[-1], ran)
    if control:
        write_control(told, control, directory=settings.directory)
    for step in ran.steps:
        out.say(f"{step.name:<17} {step.output.digest}")
    for name in ran.skipped:
        out.say(f"{name:<17} skipped")
    made = [{"name": s.name, "cached": s.cached, "seconds": s.seconds, "output": s.output.digest} for s in ran.steps]
    document = {"plan": digest, "steps": made, "skipped": list(ran.skipped), "control": told.to_json()}
    out.end("step-run", document, then=f"shipway step models --plan {digest}")


@command.command(name="models")
@_plan
@click.option("--why", default="", help="A line for the history.")
@json_option
@click.pass_obj
def models(settings: Settings, digest: str, why: str, as_json: bool) -> None:
    """Make the models of a plan whose steps have run, and move their refs: the last task of a run.

    A step that has not run is run. A model of a skipped step is not made. Needs no shipway.yaml.
    """
    from shipway.cli._progress import RunReport
    from shipway.kernel.digest import parse_digest
    from shipway.pipeline import run_plan

    project, out = Project(settings), Output(as_json)
    loaded = project.use_plan(parse_digest(digest))
    ran = run_plan(project.hands, loaded, report=RunReport(out), environ=project.step_environ(), why=why)
    for name, made in ran.models.items():
        out.say(f"model/{name:<11} {made.model}  {made.rows:,} held-out rows")
    for name, step in ran.not_made.items():
        out.say(f"model/{name:<11} not made: step {step} was skipped")
    document = {
        "plan": digest,
        "models": {
            name: {"digest": made.model, "profile": made.profile, "rows": made.rows} for name, made in ran.models.items()
        },
        "skipped": list(ran.result.skipped),
        "not_made": dict(ran.not_made),
        "pipeline": ran.result.pipeline,
    }
    out.end("step-models", document, then="shipway release")
