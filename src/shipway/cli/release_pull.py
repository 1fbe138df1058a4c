"""`shipway release pull`: a release from a registry."""

from __future__ import annotations

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings


@click.command(name="pull")
@click.argument("target")
@click.option("--as", "application", default=None, metavar="APPLICATION", help="Otherwise as its verdicts say.")
@click.option("--plain-http", is_flag=True, help="HTTP without TLS, also to another machine.")
@click.option("--why", default="", help="A line for the history.")
@json_option
@click.pass_obj
def command(settings: Settings, target: str, application: str | None, plain_http: bool, why: str, as_json: bool) -> None:
    """Take a release from a registry into the store, every digest checked.

    TARGET is REGISTRY/NAME:TAG, or REGISTRY/NAME@DIGEST. What the store has does not travel. As with `release import`,
    statements count as far as their keys are trusted here, `release/APPLICATION` points at it, and nothing goes live.
    """
    from shipway.cli._progress import ByteReport
    from shipway.kernel.digest import short
    from shipway.release import Registry, find_credentials, name_freight, parse_target, pull_freight

    project, out = Project(settings), Output(as_json)
    place = parse_target(target, plain=plain_http)
    credentials = find_credentials(place.host, settings.environ)
    with project.store.working():
        with Registry(place, credentials) as registry, ByteReport("pull", 0) as report:
            done = pull_freight(project.store, registry, report=report.bytes)
        statements, refs = name_freight(
            project.store,
            project.keys,
            project.actor,
            done.freight,
            application=application,
            why=why or f"pulled from {target}",
        )
    release = done.freight.release.digest
    out.say(f"release {short(release)}: {statements} statements, {', '.join(refs)}")
    out.say(f"  new: {done.new_blobs} blobs, {done.new_bytes:,} bytes")
    if done.foreign:
        out.note(f"note: {done.foreign} attachments of other tools stay in the registry")
    document = {
        "release": release,
        "refs": list(refs),
        "statements": statements,
        "new_blobs": done.new_blobs,
        "new_bytes": done.new_bytes,
        "foreign": done.foreign,
    }
    out.end("pull", document, then=f"shipway verify {short(release)}")
