"""`shipway data tag`: a name that stays of a data set."""

from __future__ import annotations

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings


@click.command(name="tag")
@click.argument("name")
@click.argument("label", metavar="TAG")
@click.option("--at", default=None, metavar="SNAPSHOT", help="Another snapshot than data/NAME points at.")
@click.option("--why", default="", help="A line for the history.")
@json_option
@click.pass_obj
def command(settings: Settings, name: str, label: str, at: str | None, why: str, as_json: bool) -> None:
    """Give a snapshot a name that stays: data/NAME@TAG is never moved again."""
    from shipway.cli._data import find_snapshot
    from shipway.kernel.digest import short
    from shipway.pipeline import branch_data

    project, out = Project(settings), Output(as_json)
    target = find_snapshot(project, at or name)
    ref = branch_data(project.hands, name=name, label=label, target=target, tag=True, why=why)
    out.say(f"{ref} {short(target)}")
    out.end("data-tagged", {"ref": ref, "digest": target}, then=f"shipway data checkout {name} --at {name}@{label}")
