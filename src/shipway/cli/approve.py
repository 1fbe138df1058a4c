"""`shipway approve`: sign that a release may go live."""

from __future__ import annotations

import click

from shipway.cli._output import Output, json_option
from shipway.cli._refs import find_deploy
from shipway.cli._settings import Project, Settings


@click.command(name="approve")
@click.argument("deployment", required=False)
@click.option("--release", default=None, metavar="DIGEST", help="A release other than the newest candidate.")
@click.option("--why", default="", help="What you looked at.")
@json_option
@click.pass_obj
def command(settings: Settings, deployment: str | None, release: str | None, why: str, as_json: bool) -> None:
    """Sign that a release may go live. The approval binds to its digest: one changed byte needs another one."""
    from shipway.cli._digests import find_release
    from shipway.kernel.digest import short
    from shipway.release import approve_release, candidate_of

    project, out = Project(settings), Output(as_json)
    deploy = find_deploy(project.spec, deployment)
    chosen = find_release(project.store, release) if release else candidate_of(project.store, deploy)
    envelope = approve_release(project.store, project.signer, project.actor, deploy.application, chosen, why=why)
    out.say(f"approved release {short(chosen)} of {deploy.application} as {project.actor.name}")
    document = {"release": chosen, "approver": project.actor.name, "evidence": envelope}
    out.end("approval", document, then=f"shipway apply {deploy.name}")
