"""`shipway release`: lock all that determines an answer."""

from __future__ import annotations

import click

from shipway.cli._group import CommandGroup
from shipway.cli._output import Output, json_option
from shipway.cli._refs import find_deploy
from shipway.cli._settings import Project, Settings


@click.command(name="release")
@click.argument("deployment", required=False)
@click.option("--why", default="", help="A line for the history.")
@json_option
@click.pass_obj
def alone(settings: Settings, deployment: str | None, why: str, as_json: bool) -> None:
    """Lock all that determines an answer into one release.

    Takes the models that the component refs name, with the data, code and environment that made them; of an application that
    answers a prompt, the prompt as its file is, its index and its provider. The same components give the same digest, whoever
    makes the release and whenever.
    """
    from shipway.kernel.digest import short
    from shipway.operate import lock_candidate

    project, out = Project(settings), Output(as_json)
    deploy = find_deploy(project.spec, deployment)
    candidate = lock_candidate(project.hands, project.spec, deploy, why=why)
    out.say(f"release {short(candidate.release)} of {deploy.application}: {len(candidate.components)} components")
    for component in candidate.components:
        out.say(f"  {component.kind:<12} {component.name:<12} {short(component.digest)}")
    for note in candidate.notes:
        out.note(f"note: {note}")
    components = [{"kind": c.kind, "name": c.name, "digest": c.digest} for c in candidate.components]
    document = {"release": candidate.release, "ref": candidate.ref, "components": components, "notes": list(candidate.notes)}
    out.end("release", document, then=f"shipway plan {deploy.name}")


command = CommandGroup(
    alone,
    {
        "list": "release_list",
        "show": "release_show",
        "export": "release_export",
        "import": "release_import",
        "push": "release_push",
        "pull": "release_pull",
        "revoke": "release_revoke",
        "bom": "release_bom",
        "card": "release_card",
        "sign": "release_sign",
    },
)
