"""`shipway plan`: live against desired, and what the gate would say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipway.cli._arms import arm_option, asked_arms
from shipway.cli._output import Output, json_option
from shipway.cli._refs import find_deploy
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.kernel.canonical import JsonObject
    from shipway.release import Plan


@click.command(name="plan")
@click.argument("deployment", required=False)
@click.option("--release", default=None, metavar="DIGEST", help="A release other than the newest candidate.")
@arm_option
@click.option("-o", "--out", "file", default=None, metavar="FILE", help="Keep the plan, for `shipway apply FILE`.")
@json_option
@click.pass_obj
def command(
    settings: Settings,
    deployment: str | None,
    release: str | None,
    arms: tuple[str, ...],
    file: str | None,
    as_json: bool,
) -> None:
    """Show live against desired, and what the gate would say.

    Component by component; nothing moves. A policy that is not published yet is shown as the one that will judge: `apply`
    publishes it first. With -o the plan itself is kept: `apply FILE` does exactly that, or refuses because it is stale.
    """
    from shipway.cli._desk import plan_of
    from shipway.cli._digests import find_release
    from shipway.cli._verdicts import next_word, say_plan
    from shipway.release import plan_document

    project, out = Project(settings), Output(as_json)
    deploy = find_deploy(project.spec, deployment)
    chosen = find_release(project.store, release) if release is not None else None
    plan = plan_of(project, deploy, chosen, asked_arms(project.store, deploy, arms))
    say_plan(out, plan)
    _say_lock_outs(project, out, plan)
    kept = _keep(project, out, plan, settings.directory / file) if file is not None else {"plan": None, "file": None}
    word = next_word(plan.judged.judgement)
    named = file if file and word == "apply" else deploy.name
    out.end("plan", {**plan_document(plan), **kept}, then=f"shipway {word} {named}")


def _say_lock_outs(project: Project, out: Output, plan: Plan) -> None:
    """What in the policy that `apply` would publish first nobody could meet."""
    from shipway.gate import load_policy, locks_out

    if plan.policy_change:
        policy, refs = load_policy(project.store, plan.policy_change), [ref.name for ref in project.store.refs()]
        for line in locks_out(policy, project.keys, refs, project.store.clock.now()):
            out.say(f"the new policy would lock everybody out, and apply refuses it: {line}")


def _keep(project: Project, out: Output, plan: Plan, path: Path) -> JsonObject:
    """Keep the plan in the store and in a file, which is there whole or not at all."""
    from shipway.cli._files import write_whole
    from shipway.release import keep_plan

    digest, data = keep_plan(project.store, project.actor, plan)
    write_whole(path, data)
    out.say(f"plan {digest} is in {path.name}")
    return {"plan": digest, "file": str(path)}
