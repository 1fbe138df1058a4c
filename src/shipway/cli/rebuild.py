"""`shipway rebuild`: make a release again."""

from __future__ import annotations

from pathlib import Path

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings


@click.command(name="rebuild")
@click.argument("release")
@click.option("--in", "folder", required=True, type=click.Path(path_type=Path), help="A new folder.")
@json_option
@click.pass_obj
def command(settings: Settings, release: str, folder: Path, as_json: bool) -> None:
    """Make a release again in a new folder and say how equal it came out.

    Restores code, data and environment from the store, reading and hashing every byte, runs the pipeline without any
    cache, and prints the strongest equality that holds: bytes, predictions on the golden rows, metrics within
    tolerance, or DIFFERENT with the first thing that differs. RELEASE is a digest, its first digits, or a ref. The proof
    is kept as evidence. Exits 1 when DIFFERENT.
    """
    from shipway.cli._digests import find_release
    from shipway.cli._progress import RunReport
    from shipway.kernel.digest import short
    from shipway.release import Equality, attest_rebuild, rebuild_release

    project, out = Project(settings), Output(as_json)
    chosen = find_release(project.store, release)
    target = settings.directory / folder
    rebuilt = rebuild_release(project.store, chosen, target, cache=project.cache, report=RunReport(out))
    envelope = attest_rebuild(project.store, project.signer, rebuilt)
    out.say(f"release {short(chosen)} rebuilt in {folder}: {rebuilt.equality.value}")
    if rebuilt.different:
        out.say(f"  first difference: {rebuilt.different}")
    document = {
        "release": chosen,
        "equality": rebuilt.equality.value,
        "model": rebuilt.model,
        "different": rebuilt.different,
        "evidence": envelope,
    }
    out.end("rebuild", document, then="shipway log")
    if rebuilt.equality is Equality.DIFFERENT:
        raise click.exceptions.Exit(1)
