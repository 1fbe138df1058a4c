"""`shipway data merge`: what was done at one branch of a data set, in another."""

from __future__ import annotations

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings


@click.command(name="merge")
@click.argument("name")
@click.argument("label", metavar="BRANCH")
@click.option("--into", default=None, metavar="BRANCH", help="Another branch to merge into than data/NAME.")
@click.option("--ours", multiple=True, metavar="PATH", help="At this path or folder keep what is there; `.` for all.")
@click.option("--theirs", multiple=True, metavar="PATH", help="At this path or folder take what BRANCH has; `.` for all.")
@click.option("--why", default="", help="A line for the history.")
@json_option
@click.pass_obj
def command(
    settings: Settings,
    name: str,
    label: str,
    into: str | None,
    ours: tuple[str, ...],
    theirs: tuple[str, ...],
    why: str,
    as_json: bool,
) -> None:
    """Merge a branch of a data set by path, without reading a file. Exits 1 and moves nothing where both changed a path.

    A path that only one side changed since their last common snapshot is as that side has it. The ref moves through its gate.
    """
    from shipway.cli._output import Misused
    from shipway.data import Side
    from shipway.kernel.digest import short
    from shipway.pipeline import merge_data

    project, out = Project(settings), Output(as_json)
    if twice := sorted(set(ours) & set(theirs)):
        raise Misused(f"{twice[0]} is to be both ours and theirs", mend="say one of them")
    choices = dict.fromkeys(ours, Side.OURS) | dict.fromkeys(theirs, Side.THEIRS)
    done = merge_data(project.hands, name=name, label=label, into=into, choices=choices, why=why)
    for one in done.conflicts:
        words = ["added" if one.base is None else "changed" if digest else "removed" for digest in (one.ours, one.theirs)]
        out.say(f"  conflict {one.path}  ours: {words[0]}, theirs: {words[1]}")
    if done.target:
        out.say(f"{done.ref} {short(done.target)}{' as it was' if done.target == done.ours else ''}")
    rows = [{"path": one.path, "base": one.base, "ours": one.ours, "theirs": one.theirs} for one in done.conflicts]
    value = {"ref": done.ref, "base": done.base, "ours": done.ours, "theirs": done.theirs, "digest": done.target}
    short_ref = done.ref.removeprefix("data/")
    then = f"shipway data checkout {name} --at {short_ref}"
    if done.conflicts:
        then = f"shipway data merge {name} {label} --theirs PATH --ours PATH"
    out.end("data-merged", {**value, "conflicts": rows}, then=then)
    if done.conflicts:
        raise click.exceptions.Exit(1)
