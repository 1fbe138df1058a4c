"""`shipway release export`: a release with all its bytes, in an OCI image layout."""

from __future__ import annotations

from pathlib import Path

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings


@click.command(name="export")
@click.argument("release")
@click.argument("dest", type=click.Path(path_type=Path))
@click.option("--copy", is_flag=True, help="Copy the bytes; share no file with the store.")
@click.option("--with-wheels", is_flag=True, help="The packages too, so that it is rebuilt where no index is.")
@json_option
@click.pass_obj
def command(settings: Settings, release: str, dest: Path, copy: bool, with_wheels: bool, as_json: bool) -> None:
    """Write a release with all its bytes, evidence, policy and verdicts as an OCI image layout.

    DEST is a folder, made when missing, to which another release adds only what changed; or a file that ends in .tar.
    RELEASE is a digest, its first digits, or a ref.
    """
    from shipway.cli._digests import find_release
    from shipway.cli._progress import ByteReport
    from shipway.kernel.digest import short
    from shipway.release import keep_wheels, load_freight, write_folder, write_tar

    project, out = Project(settings), Output(as_json)
    chosen = find_release(project.store, release)
    wheels = keep_wheels(project.store, chosen, cache=project.cache, report=out.note) if with_wheels else ()
    freight = load_freight(project.store, chosen, wheels=wheels)
    total = sum(blob.size for blob, _ in dict(freight.blobs()).items())
    with ByteReport("export", total) as report:
        if dest.suffix == ".tar":
            done = write_tar(project.store, freight, settings.directory / dest, report=report.bytes)
        else:
            done = write_folder(project.store, freight, settings.directory / dest, copy=copy, report=report.bytes)
    out.say(f"release {short(done.release)} in {dest}: {done.blobs} blobs, {done.bytes:,} bytes, {done.attachments} attached")
    out.say(f"  new: {done.new_blobs} blobs, {done.new_bytes:,} bytes")
    document = {
        "release": done.release,
        "dest": str(dest),
        "tag": short(done.release),
        "blobs": done.blobs,
        "bytes": done.bytes,
        "new_blobs": done.new_blobs,
        "new_bytes": done.new_bytes,
        "attachments": done.attachments,
    }
    out.end("export", document, then=f"shipway verify {dest}")
