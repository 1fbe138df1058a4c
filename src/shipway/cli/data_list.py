"""`shipway data list`: which data sets there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.release import DataSet


@click.command(name="list")
@json_option
@click.pass_obj
def command(settings: Settings, as_json: bool) -> None:
    """List the data sets: what stands at data/NAME, how large it is, since when and by whom, what waits at its gate."""
    from shipway.release import list_data

    project, out = Project(settings), Output(as_json)
    rows = list_data(project.store, tuple(project.outline.data))
    for row in rows:
        out.say(_line(row))
    waiting = next((row.name for row in rows if row.waits), None)
    newest = next((row.name for row in rows if row.digest), None)
    then = f"shipway data review {waiting}" if waiting else f"shipway data log {newest}" if newest else "shipway data snapshot"
    out.end("data-sets", {"data": [row.to_json() for row in rows]}, then=then)


def _line(row: DataSet) -> str:
    from shipway.kernel.digest import short

    waits = f"  {short(row.waits)} waits" if row.waits else ""
    if not row.digest or not row.when:
        return f"{row.name:<16} no snapshot yet{waits}"
    here = row.files is not None and row.bytes is not None
    sizes = f"{row.files:,} files, {row.bytes:,} bytes" if here else "not in the store"
    beside = f"  also {', '.join(f'@{branch}' for branch in row.branches)}" if row.branches else ""
    moved = f"{row.when:%Y-%m-%d %H:%M}  {sizes}  {row.who}  {row.why}".rstrip()
    return f"{row.name:<16} {short(row.digest)}  {moved}{beside}{waits}"
