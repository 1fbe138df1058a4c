"""`shipway data gc`: room from snapshots that nobody needs."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.data import Keep, Unneeded

_SHOWN = 10  # snapshots on the screen; --json has all


@click.command(name="gc")
@click.option("--keep", "moves", default=None, type=click.IntRange(1), metavar="N", help="The newest N of each data set count.")
@click.option("--keep-for", "span", default=None, metavar="TIME", help="What data/NAME was at in this time counts: 90d, 12h.")
@click.option("--remove", is_flag=True, help="Remove it. Without this nothing is removed.")
@json_option
@click.pass_obj
def command(settings: Settings, moves: int | None, span: str | None, remove: bool, as_json: bool) -> None:
    """Show which snapshots nobody needs, and how large what goes with them is; with --remove, remove it.

    Needed is what a ref, a release, a run or evidence names, on whatever way. The history of each data set counts whole, unless
    --keep or --keep-for says how much of it does (with both, what either keeps). Waits for snapshots, runs and the like to end.
    """
    from shipway.access import Action, authorize
    from shipway.data import find_unneeded, remove_unneeded
    from shipway.kernel.digest import short

    project, out = Project(settings), Output(as_json)
    store, actor = project.store, project.actor
    keep = _keep(project, moves, span)
    if remove:
        authorize(actor, Action.FORCE, "data")
    with store.alone():
        found = find_unneeded(store, keep)
        if remove:
            remove_unneeded(store, found, actor=actor.name, why=_words(moves, span))
    for digest, names in list(found.snapshots.items())[:_SHOWN]:
        out.say(f"{short(digest)}  {', '.join(names) or 'never a data set'}")
    if len(found.snapshots) > _SHOWN:
        out.say(f"and {len(found.snapshots) - _SHOWN:,} more")
    verb = "removed" if remove else "to remove"
    out.say(f"{len(found.snapshots):,} snapshots, {len(found.objects):,} objects, {found.bytes:,} bytes {verb}")
    out.end("data-gc", _document(found, removed=remove), then=_then(found, moves, span, removed=remove))


def _keep(project: Project, moves: int | None, span: str | None) -> Keep:
    from shipway.data import Keep
    from shipway.kernel.units import parse_duration

    since = project.store.clock.now() - timedelta(seconds=parse_duration(span)) if span else None
    return Keep(moves, since)


def _words(moves: int | None, span: str | None) -> str:
    said = [f"the newest {moves:,}"] if moves else []
    said += [f"the last {span}"] if span else []
    return f" beyond {' and '.join(said)}" if said else " that nothing names"


def _document(found: Unneeded, *, removed: bool) -> dict[str, object]:
    snapshots = [{"digest": digest, "names": list(names)} for digest, names in found.snapshots.items()]
    return {"removed": removed, "snapshots": snapshots, "objects": len(found.objects), "bytes": found.bytes}


def _then(found: Unneeded, moves: int | None, span: str | None, *, removed: bool) -> str:
    if removed or not found.objects:
        return "shipway store check" if removed else "shipway data log NAME"
    words = [f" --keep {moves}"] if moves else []
    words += [f" --keep-for {span}"] if span else []
    return f"shipway data gc{''.join(words)} --remove"
