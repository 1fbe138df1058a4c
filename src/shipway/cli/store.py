"""`shipway store`: whether the store agrees with itself, and the way from a laptop to a team and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipway.cli._exit import FAILED
from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.store import Destination, Relocated, Store

_SHOWN = 20  # faults on the screen; --json has all


@click.group(name="store")
def command() -> None:
    """The store: check it, and bring it elsewhere."""


@command.command(name="check")
@click.option("--deep", is_flag=True, help="Hash every object as well.")
@json_option
@click.pass_obj
def check(settings: Settings, deep: bool, as_json: bool) -> None:
    """Check that refs, history and objects agree.

    Every move begins where the one before it ended, has a verdict that allows exactly it, and the last one is where the ref is;
    every object that a row names is there. Exits 1 when something is wrong.
    """
    from shipway.store import check_store

    project, out = Project(settings), Output(as_json)
    project.use_store_alone()
    found = check_store(project.store, deep=deep)
    out.say(
        f"{found.refs:,} refs, {found.moves:,} moves, {found.objects:,} objects named by them; newest record {found.newest}"
    )
    for fault in found.faults[:_SHOWN]:
        out.say(f"  {fault.about}: {fault.what}")
    if len(found.faults) > _SHOWN:
        out.say(f"  and {len(found.faults) - _SHOWN:,} more")
    out.say("all agree" if not found.faults else f"{len(found.faults):,} do not agree")
    document = {
        "refs": found.refs,
        "moves": found.moves,
        "objects": found.objects,
        "newest": found.newest,
        "deep": deep,
        "faults": [{"about": fault.about, "what": fault.what} for fault in found.faults],
    }
    out.end("store-check", document, then="shipway store check --deep" if found.faults else "shipway log")
    if found.faults:
        raise click.exceptions.Exit(FAILED)


_FILES = click.Choice(["files"])


@command.command(name="migrate")
@click.option(
    "--catalogue", "rows", default=None, type=_FILES, help="Bring the catalogue into .shipway, not to $SHIPWAY_CATALOGUE."
)
@click.option("--objects", "kept", default=None, type=_FILES, help="Bring the objects into .shipway, not to $SHIPWAY_OBJECTS.")
@click.option(
    "--from-catalogue",
    "variable",
    default=None,
    metavar="VARIABLE",
    help="The variable with the address of the catalogue that is left, when that is in PostgreSQL too.",
)
@json_option
@click.pass_obj
def migrate(settings: Settings, rows: str | None, kept: str | None, variable: str | None, as_json: bool) -> None:
    """Bring the store to PostgreSQL and a bucket, or back.

    From where .shipway says that it is to where SHIPWAY_CATALOGUE and SHIPWAY_OBJECTS say; what neither names stays. Every
    object is hashed where it arrives, then the whole history appears at once. Killed, it goes on when it is run again.
    """
    from shipway.environment import default_cache
    from shipway.store import relocate_store

    out, root = Output(as_json), _folder(settings)
    now = _address(settings, variable) if variable else settings.catalogue
    to = _destination(settings, root, rows=rows, kept=kept, now=now)
    with ExitStack() as stack:
        found = relocate_store(
            root,
            to,
            catalogue=now,
            cache=default_cache(),
            guard=_at_rest,
            report=lambda total: _bar(stack, total),
        )
    sent = sum(_share(root, project, to) for project in found.projects)
    _say(out, found)
    if to.objects:
        out.say(f"{sent:,} tables of logs brought; what others log comes here")
    out.end("store-migrate", {**_document(found), "tables": sent}, then=_then(settings, to))


@contextmanager
def _at_rest(store: Store) -> Iterator[None]:
    """Nothing is served from here meanwhile, and the logs of the others are here too."""
    from shipway.monitor import share_logs
    from shipway.operate import hold_control

    with hold_control(store, alone=True):
        share_logs(store)
        yield


def _share(root: Path, project: str, to: Destination) -> int:
    """How many tables of the logs came to the new place; the others' are here."""
    from shipway.environment import default_cache
    from shipway.monitor import share_logs
    from shipway.store import open_store

    with closing(open_store(root, project, catalogue=to.catalogue, cache=default_cache())) as store:
        return share_logs(store).sent


def _address(settings: Settings, name: str) -> str | None:
    return settings.environ.get(name, "").strip() or None


def _folder(settings: Settings) -> Path:
    """The folder whose store is meant: this one, or the nearest above that has one."""
    from shipway.store import FOLDER

    folders = [settings.directory, *settings.directory.parents]
    return next((folder for folder in folders if (folder / FOLDER).is_dir()), settings.directory)


def _destination(settings: Settings, root: Path, *, rows: str | None, kept: str | None, now: str | None) -> Destination:
    from shipway.store import Destination, where_store_is

    is_now = where_store_is(root)
    catalogue = None if rows else settings.catalogue or (now if is_now.catalogue else None)
    return Destination(catalogue, None if kept else settings.objects or is_now.objects)


def _bar(stack: ExitStack, total: int) -> Callable[[int], None]:
    from shipway.cli._progress import ByteReport

    return stack.enter_context(ByteReport("objects", total)).bytes


def _say(out: Output, found: Relocated) -> None:
    copied = found.copied
    moved = found.rows is not None, found.places[0] != found.places[1]
    for what, (source, target), goes in zip(("catalogue", "objects"), (found.catalogues, found.places), moved, strict=True):
        out.say(f"{what}: {source}" + (f" -> {target}" if goes else ", as before"))
    if copied.objects:
        out.say(
            f"{copied.objects:,} objects, {copied.size / 1e6:,.1f} MB: {copied.copied:,} brought, "
            f"{copied.confirmed:,} hashed there, {copied.objects - copied.confirmed:,} hashed there before"
        )
    if found.rows:
        out.say(f"{found.rows.refs:,} refs, {found.rows.records:,} records, {found.rows.evidence:,} evidence: all as they were")
    out.say(f"this folder's store is there now: {', '.join(found.projects) or 'no project yet'}")


def _document(found: Relocated) -> dict[str, object]:
    rows, copied = found.rows, found.copied
    return {
        "projects": list(found.projects),
        "catalogue": {"from": found.catalogues[0], "to": found.catalogues[1]},
        "objects": {
            "from": found.places[0],
            "to": found.places[1],
            "count": copied.objects,
            "bytes": copied.size,
            "brought": copied.copied,
            "hashed": copied.confirmed,
        },
        "rows": None
        if rows is None
        else {
            "records": rows.records,
            "evidence": rows.evidence,
            "refs": rows.refs,
            "state": rows.state,
            "edges": rows.edges,
            "new": rows.new,
        },
    }


def _then(settings: Settings, to: Destination) -> str:
    stale = [
        name
        for name, value, wanted in (
            ("SHIPWAY_CATALOGUE", settings.catalogue, to.catalogue),
            ("SHIPWAY_OBJECTS", settings.objects, to.objects),
        )
        if value and not wanted
    ]
    return f"unset {' '.join(stale)}" if stale else "shipway store check"
