"""`shipway data push`: snapshots to a remote."""

from __future__ import annotations

import click

from shipway.cli._output import Output, json_option
from shipway.cli._remote import open_remote, progress, remote_option, row, told
from shipway.cli._settings import Project, Settings


@click.command(name="push")
@click.argument("names", nargs=-1)
@remote_option
@click.option("--verify", is_flag=True, help="Hash what the remote has, and send anew what is damaged.")
@click.option("--force", is_flag=True, help="Also where the remote has a snapshot under the name that was never here.")
@json_option
@click.pass_obj
def command(settings: Settings, names: tuple[str, ...], remote: str | None, verify: bool, force: bool, as_json: bool) -> None:
    """Send the snapshots at data/NAME (all without NAMES) to a remote, and point its name at them.

    Only what is not there is sent, and every byte is hashed before. Killed anywhere, the same command goes on.
    """
    from shipway.cli._data import chosen_data
    from shipway.data import check_name, publish_name, send_snapshot
    from shipway.kernel.digest import Digest, short

    project, out = Project(settings), Output(as_json)
    there, rows = open_remote(project, remote), []
    for data in chosen_data(project.outline, names):
        name = data.name
        ref = f"data/{name}"
        digest = project.store.resolve(ref)

        def known(other: Digest, ref: str = ref) -> bool:
            return bool(project.store.lives(ref, target=other, limit=1))

        seen = None if force else check_name(project.store, there, name, digest, known=known)
        with progress(name) as start:
            done = send_snapshot(project.store, there, digest, verify=verify, start=start)
        publish_name(project.store, there, name, digest, seen=seen)
        out.say(f"data/{name:<12} {short(digest)}  {told(done)}")
        rows.append(row(name, done))
    out.end("pushed", {"remote": there.where, "data": rows}, then="shipway data log NAME")
