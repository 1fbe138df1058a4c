"""`shipway verify`: whether a release is what it says, byte by byte and statement by statement."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.access import KeyRing
    from shipway.release import Bundle


@click.command(name="verify")
@click.argument("release")
@click.option("--keys", "folder", default=None, type=click.Path(path_type=Path), help="A folder of keys, instead of yours.")
@json_option
@click.pass_obj
def command(settings: Settings, release: str, folder: Path | None, as_json: bool) -> None:
    """Check every byte and every statement of a release or bundle.

    Reads and hashes everything once and names the first thing that is wrong. RELEASE is a folder or a tar that `release
    export` wrote, for which no project is needed, or a digest, its first digits or a ref of the project here. Exits 1 when
    something is wrong.
    """
    from shipway.cli._progress import ByteReport
    from shipway.kernel.digest import short
    from shipway.kernel.errors import ShipwayError
    from shipway.release import check_statements, hash_bundle

    out = Output(as_json)
    try:
        bundle = _open(settings, release)
        with ByteReport("verify", sum(blob.size for blob, _ in bundle.leaves())) as report:
            hashed = hash_bundle(bundle, report=report.bytes)
        said = check_statements(bundle, _keys(settings, folder))
    except ShipwayError as problem:
        out.note(problem.render())
        wrong = {"code": problem.code, "what": problem.what, "where": problem.where, "mend": problem.mend}
        out.end("verify", {"verdict": "fail", "releases": [], "wrong": wrong})
        raise click.exceptions.Exit(1) from None
    out.say(f"{hashed.blobs:,} blobs, {hashed.bytes:,} bytes hashed at {hashed.rate / 1e6:,.0f} MB/s")
    releases = []
    for freight in bundle.freights:
        mine = [one for one in said if one.release == freight.release.digest]
        out.say(f"release {short(freight.release.digest)}: {len(freight.parts)} components, {len(mine)} statements")
        statements = [{"about": s.about, "name": s.name, "key": s.signer, "refused": s.refused} for s in mine]
        releases.append({"release": freight.release.digest, "components": len(freight.parts), "statements": statements})
    refused = next((one for one in said if one.refused), None)
    if refused:
        out.say(f"wrong: the statement {refused.name} about {refused.about}: {refused.refused}")
    document = {"verdict": "fail" if refused else "pass", "releases": releases, "wrong": None}
    out.end("verify", {**document, "blobs": hashed.blobs, "bytes": hashed.bytes, "seconds": hashed.seconds})
    if refused:
        raise click.exceptions.Exit(1)


def _open(settings: Settings, release: str) -> Bundle:
    from shipway.cli._digests import find_release
    from shipway.release import open_bundle, open_stored

    path = settings.directory / release
    if path.exists():
        return open_bundle(path)
    project = Project(settings)
    return open_stored(project.store, find_release(project.store, release))


def _keys(settings: Settings, folder: Path | None) -> KeyRing:
    from shipway.access import open_keys

    return open_keys(settings.directory / folder if folder else settings.keys_folder)[1]
