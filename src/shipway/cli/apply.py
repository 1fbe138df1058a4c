"""`shipway apply`: move a deployment, if its gate allows."""

from __future__ import annotations

import click

from shipway.cli._output import Output, json_option
from shipway.cli._refs import find_deploy
from shipway.cli._settings import Project, Settings


@click.command(name="apply")
@click.argument("deployment", required=False)
@click.option("--release", default=None, metavar="DIGEST", help="A release other than the newest candidate.")
@click.option("--why", default="", help="A line for the history.")
@json_option
@click.pass_obj
def command(settings: Settings, deployment: str | None, release: str | None, why: str, as_json: bool) -> None:
    """Move a deployment to the release, if its gate allows.

    Publishes a changed policy first, as its own move. Exits 1 when the gate refuses, 2 when it cannot decide; the refusal is
    recorded in the history.
    """
    from shipway.cli._digests import find_release
    from shipway.cli._verdicts import gate_document, say_gate
    from shipway.kernel.digest import short
    from shipway.operate import golden_of, keep_prices
    from shipway.release import apply_release

    project, out = Project(settings), Output(as_json)
    deploy = find_deploy(project.spec, deployment)
    chosen = find_release(project.store, release) if release else None
    plan, moved = apply_release(
        project.store,
        project.keys,
        project.actor,
        project.spec,
        deploy,
        release=chosen,
        golden=golden_of(project.store, project.spec),
        prices=keep_prices(project.store, project.spec, deploy),
        why=why,
    )
    say_gate(out, moved.judged)
    was = short(plan.live) if plan.live else "nothing"
    out.say(f"{plan.ref}: {was} -> {short(plan.release)}" if moved.changed else f"{plan.ref}: already at {short(plan.release)}")
    document = {"ref": plan.ref, "from": plan.live, "to": plan.release, "deployment": plan.target, "changed": moved.changed}
    out.end(
        "apply", {**document, "verdict": moved.verdict, "gate": gate_document(moved.judged)}, then=f"shipway log {plan.ref}"
    )
