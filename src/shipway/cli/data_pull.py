"""`shipway data pull`: snapshots from a remote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shipway.cli._output import Misused, Output, json_option
from shipway.cli._remote import open_remote, progress, remote_option, row, told
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.kernel.digest import Digest
    from shipway.store import Remote


@click.command(name="pull")
@click.argument("names", nargs=-1)
@remote_option
@click.option("--at", default=None, metavar="SNAPSHOT", help="Fetch this one alone, and leave data/NAME where it is.")
@click.option("--why", default="", help="A line for the history.")
@click.option("--force", is_flag=True, help="Move data/NAME also away from a snapshot that the remote has not.")
@json_option
@click.pass_obj
def command(
    settings: Settings, names: tuple[str, ...], remote: str | None, at: str | None, why: str, force: bool, as_json: bool
) -> None:
    """Fetch what was pushed last of data sets (all without NAMES) and point data/NAME at it. The disk stays as it is.

    Only what is not here is fetched, and every byte is hashed. Killed anywhere, the same command goes on.
    """
    from shipway.cli._data import chosen_data, find_snapshot
    from shipway.data import fetch_snapshot
    from shipway.kernel.digest import is_digest, parse_digest, short

    project, out = Project(settings), Output(as_json)
    there, rows = open_remote(project, remote), []
    if at and names:
        raise Misused("--at and NAMES do not go together", mend="shipway data pull --at SNAPSHOT")
    wanted = {at: parse_digest(at) if is_digest(at) else find_snapshot(project, at)} if at else {}
    for name in [] if at else [data.name for data in chosen_data(project.outline, names)]:
        wanted[name] = _pushed(project, there, name)
    for name, digest in wanted.items():
        with project.store.working():
            with progress(name) as start:
                done = fetch_snapshot(project.store, there, digest, start=start)
            moved = False if at else _move(project, there, name, digest, why=why, force=force)
        out.say(f"{name:<12} {short(digest)}  {told(done)}{', moved' if moved else ''}")
        rows.append({**row(name, done), "moved": moved})
    then = f"shipway data get {at} FOLDER" if at else "shipway data checkout"
    out.end("pulled", {"remote": there.where, "data": rows}, then=then)


def _pushed(project: Project, there: Remote, name: str) -> Digest:
    from shipway.data import RemoteEmpty, remote_snapshot

    digest = remote_snapshot(there, project.outline.project, name)
    if digest is None:
        what = f"nothing was pushed as {name} of project {project.outline.project}"
        raise RemoteEmpty(what, where=there.where, mend=f"shipway data push {name} where it is")
    return digest


def _move(project: Project, there: Remote, name: str, digest: Digest, *, why: str, force: bool) -> bool:
    """Whether data/NAME moved. It stays where it was there before; it leaves what nobody else has only when told to."""
    from shipway.data import RemoteAhead
    from shipway.gate import move_ref

    ref = f"data/{name}"
    present, hands = project.store.ref(ref), project.hands
    if present and not force:
        if project.store.lives(ref, target=digest, limit=1):
            return False
        if not there.objects.has(present.digest):
            what = f"{ref} is at a snapshot that the remote has not, and the remote at one that was never here"
            mend = f"fetched it is: compare with `shipway data diff {name} {digest[7:19]}`, then push or pull with --force"
            raise RemoteAhead(what, where=there.where, mend=mend)
    moved = move_ref(hands.store, hands.keys, hands.actor, ref=ref, target=digest, why=why or f"pulled from {there.where}")
    return moved.changed
