"""`shipway release import`: take the releases of a bundle into the store."""

from __future__ import annotations

from pathlib import Path

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings


@click.command(name="import")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--as", "application", default=None, metavar="APPLICATION", help="Otherwise as its verdicts say.")
@click.option("--why", default="", help="A line for the history.")
@json_option
@click.pass_obj
def command(settings: Settings, bundle: Path, application: str | None, why: str, as_json: bool) -> None:
    """Take the releases of a bundle into the store, every digest checked.

    Statements come along and count as far as their keys are trusted here. `release/APPLICATION` then points at the release;
    nothing goes live. A bundle that is damaged or not made as bundles are leaves no name behind.
    """
    from shipway.cli._progress import ByteReport
    from shipway.kernel.digest import short
    from shipway.release import import_bundle, open_bundle

    project, out = Project(settings), Output(as_json)
    opened = open_bundle(settings.directory / bundle)
    with ByteReport("import", sum(blob.size for blob, _ in opened.leaves())) as report:
        done = import_bundle(
            project.store,
            project.keys,
            project.actor,
            opened,
            application=application,
            why=why or f"imported from {bundle.name}",
            report=report.bytes,
        )
    for one in done:
        out.say(f"release {short(one.release)}: {one.statements} statements, {', '.join(one.refs)}")
    out.say(f"  new: {done[0].new_blobs} blobs, {done[0].new_bytes:,} bytes")
    releases = [{"release": one.release, "refs": list(one.refs), "statements": one.statements} for one in done]
    document = {"releases": releases, "new_blobs": done[0].new_blobs, "new_bytes": done[0].new_bytes}
    out.end("import", document, then=f"shipway verify {short(done[-1].release)}")
