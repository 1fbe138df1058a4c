"""`shipway outcomes`: what has become known of the predictions, and the ways in for files."""

from __future__ import annotations

import click

from shipway.cli._group import CommandGroup
from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings


@click.command(name="outcomes")
@json_option
@click.pass_obj
def alone(settings: Settings, as_json: bool) -> None:
    """Show what became true of the predictions, by name.

    How many rows about how many predictions, in which unit, how many were corrected, how many join no prediction.
    """
    from shipway.monitor import measure_outcome_log
    from shipway.operate import gather

    project, out = Project(settings), Output(as_json)
    gather(project.store)
    found = measure_outcome_log(project.store)
    if not found:
        out.say("no outcome has been recorded")
    for one in found:
        unit = f" {', '.join(one.units)}" if one.units else ""
        counts = f"{one.ids:,} predictions, {one.corrected:,} corrected, {one.repeated:,} sent again, {one.orphans:,} join none"
        out.say(f"  {one.name:<24} {one.rows:,} rows{unit}: {counts}")
    document = {"outcomes": [one.to_json() for one in found]}
    out.end("outcomes", document, then="shipway watch" if found else "shipway outcomes import FILE")


command = CommandGroup(alone, {"import": "outcomes_import"})
