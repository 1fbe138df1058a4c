"""`shipway retrain`: a challenger from the data of now, against what is live on the same rows, and a plan for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shipway.cli._output import Output, json_option
from shipway.cli._refs import find_deploy
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.kernel.digest import Digest
    from shipway.monitor import Reading
    from shipway.operate import Measured


@click.command(name="retrain")
@click.argument("deployment", required=False)
@click.option("--why", default="retrain", help="A line for the history.")
@json_option
@click.pass_obj
def command(settings: Settings, deployment: str | None, why: str, as_json: bool) -> None:
    """Make a challenger, compare it with live, and open a plan.

    Runs the pipeline on the data of now, locks a release, measures it as `shipway check` does, compares on the rows that live
    answered, and keeps a plan in the store. Whether live has become stale is a ticket of the monitor `staleness`. Moves a
    deployment only where the policy in force says `retrain: promotes` and its gate passes; elsewhere `shipway apply` does.
    Exits 2 when the data and code of now are those of live: there is no challenger.
    """
    from shipway.cli._desk import plan_of
    from shipway.cli._progress import RunReport
    from shipway.cli._verdicts import say_plan
    from shipway.gate import release_of
    from shipway.kernel.digest import short
    from shipway.operate import check_candidate, keep_staleness, lock_candidate, promote_challenger
    from shipway.pipeline import run_project
    from shipway.release import deploy_ref, keep_plan

    project, out = Project(settings), Output(as_json)
    deploy, hands, spec = find_deploy(project.spec, deployment), project.hands, project.spec
    ref, report = deploy_ref(deploy), RunReport(out)
    run_project(hands, spec, report=report, environ=project.step_environ(), reuse=True, why=why)
    challenger = lock_candidate(hands, spec, deploy, why=why).release
    present = project.store.ref(ref)
    live = release_of(project.store, present.digest) if present else None
    document: dict[str, object] = {
        "ref": ref,
        "challenger": challenger,
        "live": live,
        "checks": [],
        "staleness": None,
        "plan": None,
        "promoted": None,
        "why_not": None,
    }
    if challenger == live:
        out.say(f"release {short(challenger)} is live: data, code and environment are what they were, and so is the model")
        out.end("retrain", document, then=f"shipway watch {deploy.name}")
        raise click.exceptions.Exit(2)
    measured = tuple(check_candidate(hands, spec, deploy, challenger, days=None, report=report))
    reading = keep_staleness(hands, ref, challenger, measured)
    _say(out, challenger, measured, reading)
    plan = plan_of(project, deploy, challenger)
    say_plan(out, plan)
    digest, kept = keep_plan(project.store, project.actor, plan)
    moved, why_not = promote_challenger(hands, plan, kept, why="retrain" if why == "retrain" else f"retrain: {why}")
    out.say(f"promoted: {ref} is at {short(challenger)}" if moved else f"not promoted: {why_not}")
    document["checks"] = [one.check.to_json() for one in measured]
    document |= {"staleness": reading.check.to_json() if reading else None, "plan": digest}
    document |= {"promoted": moved.verdict if moved else None, "why_not": why_not or None}
    out.end("retrain", document, then=f"shipway log {ref}" if moved else f"shipway plan {deploy.name}")


def _say(out: Output, challenger: Digest, measured: Sequence[Measured], reading: Reading | None) -> None:
    """What was measured of the challenger, a line each."""
    from shipway.cli._verdicts import render_check
    from shipway.kernel.digest import short

    out.say(f"challenger {short(challenger)}: {len(measured)} checks, all kept as evidence")
    for one in measured:
        out.say(f"  {one.subject.kind}/{one.subject.name:<10} {render_check(one.check)}")
    if reading is not None:
        out.say(f"  {reading.check.verdict.value:<12} staleness: {reading.check.text}")
