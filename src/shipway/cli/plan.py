"""`shipway plan`: live against desired, and what the gate would say."""

from __future__ import annotations

import click

from shipway.cli._output import Output, json_option
from shipway.cli._refs import find_deploy
from shipway.cli._settings import Project, Settings


@click.command(name="plan")
@click.argument("deployment", required=False)
@click.option("--release", default=None, metavar="DIGEST", help="A release other than the newest candidate.")
@json_option
@click.pass_obj
def command(settings: Settings, deployment: str | None, release: str | None, as_json: bool) -> None:
    """Show live against desired, and what the gate would say.

    Component by component; nothing moves. A policy that is not published yet is shown as the one that will judge: `apply`
    publishes it first.
    """
    from shipway.cli._digests import find_release
    from shipway.cli._verdicts import next_word, plan_document, say_plan
    from shipway.operate import golden_of, keep_prices
    from shipway.release import make_plan, policy_change

    project, out = Project(settings), Output(as_json)
    deploy = find_deploy(project.spec, deployment)
    chosen = find_release(project.store, release) if release else None
    policy = policy_change(project.store, project.spec, golden=golden_of(project.store, project.spec))
    prices = keep_prices(project.store, project.spec, deploy)
    plan = make_plan(
        project.store, project.keys, project.actor, project.spec, deploy, release=chosen, policy=policy, prices=prices
    )
    say_plan(out, plan)
    out.end("plan", plan_document(plan), then=f"shipway {next_word(plan.judged.judgement)} {deploy.name}")
