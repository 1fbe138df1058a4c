"""`shipway release revoke`: a release that must not be live."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.kernel.digest import Digest
    from shipway.store import Store


@click.command(name="revoke")
@click.argument("release")
@click.option("--why", default="", help="What is wrong with it, or right again.")
@click.option("--lift", is_flag=True, help="Say that it may be live again.")
@json_option
@click.pass_obj
def command(settings: Settings, release: str, why: str, lift: bool, as_json: bool) -> None:
    """Say, signed, that a release must not go live, nor be returned to, from now on.

    It counts by the key of an admin, and moves nothing: where the release is live, `rollback` takes it down.
    """
    from shipway.cli._digests import find_release
    from shipway.gate import revoke
    from shipway.kernel.digest import short
    from shipway.release import load_components

    project, out = Project(settings), Output(as_json)
    project.use_store_alone()  # not even a broken shipway.yaml stands in the way
    store, digest = project.store, find_release(project.store, release)
    load_components(store, digest)  # a word about what is no release would count for nothing, silently
    envelope = revoke(
        store,
        project.keys,
        project.signer,
        project.actor,
        digest=digest,
        name=f"release {short(digest)}",
        why=why,
        resource=_resource(store, digest),
        lift=lift,
    )
    live = _live_at(store, digest)
    out.say(f"release {short(digest)}: {'may be live again' if lift else 'revoked'}, said {project.actor.name}")
    for ref in [] if lift else live:
        out.say(f"  it is live at {ref} and stays so until that moves")
    document = {"release": digest, "revoked": not lift, "by": project.actor.name, "why": why, "evidence": envelope}
    then = f"shipway rollback {live[0]}" if live and not lift else f"shipway log {_resource(store, digest)}"
    out.end("revocation", {**document, "live": live}, then=then)


def _resource(store: Store, release: Digest) -> str:
    """In whose history it is kept: that of the application that it was made for here."""
    names = [ref.name for ref in store.refs("release/") if store.lives(ref.name, target=release, limit=1)]
    return names[0] if names else "release/unknown"


def _live_at(store: Store, release: Digest) -> list[str]:
    """Where a release is live now."""
    return [ref.name for ref in store.refs("deploy/") if store.lives(ref.name, limit=1)[0].release == release]
