"""`shipway rollback`: return to what was live before."""

from __future__ import annotations

import click

from shipway.cli._output import Output, json_option
from shipway.cli._refs import find_deploy
from shipway.cli._settings import Project, Settings


@click.command(name="rollback")
@click.argument("deployment", required=False)
@click.option("--to", "release", default=None, metavar="DIGEST", help="A release that was live, other than the one before.")
@click.option("--why", default="", help="A line for the history.")
@json_option
@click.pass_obj
def command(settings: Settings, deployment: str | None, release: str | None, why: str, as_json: bool) -> None:
    """Return a deployment to what was live before.

    Needs permission and intact bytes, nothing else: no approval, no fresh evidence, and with a whole ref such as
    deploy/delay@prod not even a readable shipway.yaml. Scale and monitors stay as they are now.
    """
    from shipway.cli._digests import find_release
    from shipway.gate import release_of
    from shipway.kernel.digest import short
    from shipway.release import deploy_ref, roll_back

    project, out = Project(settings), Output(as_json)
    project.use_store_alone()
    whole = deployment is not None and deployment.startswith("deploy/")
    ref = deployment if deployment and whole else deploy_ref(find_deploy(project.spec, deployment))
    chosen = find_release(project.store, release) if release is not None else None
    moved = roll_back(project.store, project.keys, project.actor, ref, release=chosen, why=why)
    source = release_of(project.store, moved.source) if moved.source else None
    target = release_of(project.store, moved.target)
    out.say(f"{ref}: {short(source or '')} -> {short(target or '')}")
    document = {"ref": ref, "from": source, "to": target, "deployment": moved.target, "verdict": moved.verdict}
    out.end("rollback", document, then=f"shipway log {ref}")
