"""What push and pull have in common: which remote, which snapshots, and how it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from shipway.cli._settings import Project
from shipway.kernel.errors import ShipwayError

if TYPE_CHECKING:
    from shipway.data import Transfer
    from shipway.store import Remote

remote_option = click.option(
    "--remote",
    default=None,
    metavar="URL",
    help="s3://BUCKET/PREFIX, gs://, az://, file:///PATH, or what fsspec opens (ssh://HOST/PATH); else SHIPWAY_REMOTE.",
)


class RemoteUnset(ShipwayError):
    """No remote was named."""

    code = "cli.remote-unset"


def open_remote(project: Project, url: str | None) -> Remote:
    """Raises RemoteUnset, ObjectsAddress."""
    from shipway.store import Remote

    chosen = url or project.settings.remote
    if not chosen:
        mend = "give --remote s3://BUCKET/PREFIX (or gs://, az://, file:///PATH, ssh://HOST/PATH), or export SHIPWAY_REMOTE"
        raise RemoteUnset("no remote was named", where=project.spec.project, mend=mend)
    return Remote(chosen, project.cache)


@contextmanager
def progress(name: str) -> Iterator[Callable[[int], Callable[[int], None]]]:
    """A line that counts bytes as soon as it is known how many there are."""
    from contextlib import ExitStack

    from shipway.cli._progress import ByteReport

    with ExitStack() as stack:
        yield lambda total: stack.enter_context(ByteReport(name, total)).bytes


def told(done: Transfer) -> str:
    return f"{done.objects:,} objects, {done.copied:,} copied, {done.bytes:,} bytes"


def row(name: str, done: Transfer) -> dict[str, object]:
    return {"name": name, "digest": done.snapshot, "objects": done.objects, "copied": done.copied, "bytes": done.bytes}
