"""`shipway comment`: sign a remark about something that wants to move."""

from __future__ import annotations

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings
from shipway.cli._waiting import find_asked


@click.command(name="comment")
@click.argument("what")
@click.argument("text")
@json_option
@click.pass_obj
def command(settings: Settings, what: str, text: str, as_json: bool) -> None:
    """Sign a remark about something that wants to move.

    It stands beside approvals and rejections, and no gate counts it.

    WHAT is the ref of a component, for what its gate refused last, or a digest, sha256: and at least its first four digits.
    """
    from shipway.kernel.digest import short
    from shipway.release import comment_on

    project, out = Project(settings), Output(as_json)
    ref, target = find_asked(project, what)
    envelope = comment_on(project.store, project.signer, project.actor, ref=ref, target=target, text=text)
    out.say(f"commented on {short(target)} for {ref} as {project.actor.name}")
    document = {"ref": ref, "digest": target, "by": project.actor.name, "text": text, "evidence": envelope}
    out.end("comment", document, then=f"shipway log {ref}")
