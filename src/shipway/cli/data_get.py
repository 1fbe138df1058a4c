"""`shipway data get`: the files of any snapshot in a folder of one's own."""

from __future__ import annotations

from pathlib import Path

import click

from shipway.cli._checkout import bring_files, told
from shipway.cli._data import find_snapshot
from shipway.cli._options import link_option
from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings


@click.command(name="get")
@click.argument("snapshot")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@link_option
@json_option
@click.pass_obj
def command(settings: Settings, snapshot: str, folder: Path | None, link: str, as_json: bool) -> None:
    """Write the files of a snapshot into FOLDER, which holds nothing else: those of data NAME in a release as RELEASE:NAME.

    SNAPSHOT is RELEASE:NAME, NAME, NAME~1, a digest or its first digits. Without FOLDER it is called as the data set,
    below this folder. A get that was killed goes on when it is run again.
    """
    from shipway.kernel.digest import short

    project, out = Project(settings), Output(as_json)
    digest = find_snapshot(project, snapshot)
    name = snapshot.rpartition(":")[2].removeprefix("data/")
    target = settings.directory / (folder or Path(name))
    row = bring_files(project, digest, str(target), name=name, link=link, force=False)
    out.say(f"{snapshot} {short(digest)} in {target}: {told(row)}")
    out.end("got", {"snapshot": snapshot, "folder": str(target), **row}, then="shipway data log")
