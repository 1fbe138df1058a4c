"""`shipway release push`: a release to a registry."""

from __future__ import annotations

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings


@click.command(name="push")
@click.argument("release")
@click.argument("target")
@click.option("--plain-http", is_flag=True, help="HTTP without TLS, also to another machine.")
@click.option("--with-wheels", is_flag=True, help="The packages too, so that it is rebuilt where no index is.")
@json_option
@click.pass_obj
def command(settings: Settings, release: str, target: str, plain_http: bool, with_wheels: bool, as_json: bool) -> None:
    """Send a release with all that goes with it to a registry, where only what it has not travels.

    TARGET is REGISTRY/NAME[:TAG]; the tag is the first digits of the release's digest when left out. RELEASE is a digest, its
    first digits, or a ref. Broken off, the same command sends what is missing; the tag comes last.
    """
    from shipway.cli._digests import find_release
    from shipway.cli._progress import ByteReport
    from shipway.kernel.digest import short
    from shipway.release import Registry, find_credentials, keep_wheels, load_freight, parse_target, push_freight

    project, out = Project(settings), Output(as_json)
    place = parse_target(target, plain=plain_http)
    chosen = find_release(project.store, release)
    wheels = keep_wheels(project.store, chosen, cache=project.cache, report=out.note) if with_wheels else ()
    freight = load_freight(project.store, chosen, wheels=wheels)
    credentials = find_credentials(place.host, settings.environ)
    total = sum(blob.size for blob in dict.fromkeys(blob for blob, _ in freight.blobs()))
    with Registry(place, credentials) as registry, ByteReport("push", total) as report:
        done = push_freight(project.store, freight, registry, report=report.bytes)
    named = f"{place.where}:{done.tag}"
    out.say(f"release {short(done.release)} at {named}: {done.blobs} blobs, {done.attachments} attached")
    out.say(f"  new: {done.new_blobs} blobs, {done.new_bytes:,} bytes")
    document = {
        "release": done.release,
        "target": named,
        "blobs": done.blobs,
        "new_blobs": done.new_blobs,
        "new_bytes": done.new_bytes,
        "attachments": done.attachments,
        "referrers": "api" if done.referrers else "tag",
    }
    out.end("push", document, then=f"shipway release pull {named}")
