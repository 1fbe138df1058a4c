"""`shipway reject`: sign that something must not move."""

from __future__ import annotations

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings
from shipway.cli._waiting import find_asked


@click.command(name="reject")
@click.argument("what")
@click.option("--why", required=True, metavar="REASON", help="What is wrong with it; it stays in the history.")
@json_option
@click.pass_obj
def command(settings: Settings, what: str, why: str, as_json: bool) -> None:
    """Sign that something must not move, alone or inside a release.

    That stands until you approve it.

    WHAT is the ref of a component, for what its gate refused last, or a digest, sha256: and at least its first four digits, of
    what stands at a ref or wanted to.
    """
    from shipway.kernel.digest import short
    from shipway.release import reject_object

    project, out = Project(settings), Output(as_json)
    ref, target = find_asked(project, what)
    envelope = reject_object(project.store, project.signer, project.actor, ref=ref, target=target, why=why)
    out.say(f"rejected {short(target)} for {ref} as {project.actor.name}")
    document = {"ref": ref, "digest": target, "by": project.actor.name, "why": why, "evidence": envelope}
    out.end("rejection", document, then=f"shipway log {ref}")
