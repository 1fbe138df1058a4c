"""`shipway store`: whether the store agrees with itself."""

from __future__ import annotations

import click

from shipway.cli._exit import FAILED
from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings

_SHOWN = 20  # faults on the screen; --json has all


@click.group(name="store")
def command() -> None:
    """The store: check that refs, history and objects agree."""


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
