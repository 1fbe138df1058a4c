"""`shipway data`: snapshots of data sets, and what they hold."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from shipway.cli._data import bring_here, chosen_data
from shipway.cli._exit import FAILED
from shipway.cli._group import LazyGroup
from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings
from shipway.cli._snapshot import take_snapshots
from shipway.cli._status import tell_status
from shipway.cli._workers import cores, on_option, workers_on

if TYPE_CHECKING:
    from shipway.data import Profiled


_BELOW = {
    "branch": "data_branch",
    "checkout": "data_checkout",
    "diff": "data_diff",
    "export": "data_export",
    "gc": "data_gc",
    "get": "data_get",
    "list": "data_list",
    "log": "data_log",
    "merge": "data_merge",
    "pull": "data_pull",
    "push": "data_push",
    "review": "data_review",
    "tag": "data_tag",
}

command = LazyGroup(_BELOW, name="data", help="Snapshots of data sets: take, compare, check out, profile.")


@command.command()
@click.argument("names", nargs=-1)
@click.option("--why", default="", help="A line for the history.")
@click.option(
    "--whole", is_flag=True, help="Read all rows of a query that appends new ones, instead of those after its watermark."
)
@click.option("--branch", default=None, metavar="BRANCH", help="Point data/NAME@BRANCH at it instead.")
@json_option
@click.pass_obj
def snapshot(settings: Settings, names: tuple[str, ...], why: str, whole: bool, branch: str | None, as_json: bool) -> None:
    """Take a snapshot of data sets (all without NAMES) and point data/NAME at it. Unchanged files are not read again.

    Of data in place what is there is recorded, and no byte is copied.
    """
    take_snapshots(settings, names, why=why, whole=whole, branch=branch, as_json=as_json)


@command.command()
@click.argument("names", nargs=-1)
@json_option
@click.pass_obj
def status(settings: Settings, names: tuple[str, ...], as_json: bool) -> None:
    """Compare the files on disk with the snapshots that data/NAME points at. Exits 1 when something differs.

    Of a data set from a database the query runs, and what it gives is compared; data in place are looked at where they are.
    """
    if tell_status(settings, names, as_json=as_json):
        raise click.exceptions.Exit(FAILED)


@command.command()
@click.argument("names", nargs=-1)
@click.option("--like", default=None, metavar="PROFILE", help="The digest of a profile whose edges and categories to count by.")
@on_option
@click.option("--workers", default=None, type=click.IntRange(1, 1024), metavar="N", help="How many work here; one a core.")
@json_option
@click.pass_obj
def profile(settings: Settings, names: tuple[str, ...], like: str | None, on: str, workers: int | None, as_json: bool) -> None:
    """Count what the snapshots at data/NAME (all without NAMES) hold, column by column, and keep it as a profile.

    The digest of a profile does not depend on who made it: threads here, or workers of a Ray cluster.
    """
    from shipway.data import Profile, profile_snapshot
    from shipway.kernel.digest import parse_digest, short
    from shipway.store import Edge

    project, out = Project(settings), Output(as_json)
    reference = Profile.from_json(project.store.get(parse_digest(like), "profile")) if like else None
    rows = []
    with workers_on(settings, on, workers or cores()) as hands:
        for data in chosen_data(project.spec, names):
            snapshot, began = project.store.resolve(f"data/{data.name}"), time.perf_counter()
            bring_here(project, snapshot, name=data.name)
            found = profile_snapshot(project.store, snapshot, name=data.name, workers=hands, reference=reference)
            digest = project.store.put(found.profile.to_json())
            project.store.add_edges([Edge(snapshot, digest, "input")])
            took = time.perf_counter() - began
            out.say(f"data/{data.name:<12} {short(digest)}  {found.profile.rows:,} rows, {found.parts:,} parts, {took:.2f} s")
            _tell_columns(out, found)
            rows.append(
                {
                    "name": data.name,
                    "snapshot": snapshot,
                    "profile": digest,
                    "rows": found.profile.rows,
                    "parts": found.parts,
                    "left_out": list(found.left_out),
                    "seconds": round(took, 3),
                }
            )
    out.end("profiles", {"on": on, "data": rows}, then="shipway run")


def _tell_columns(out: Output, found: Profiled) -> None:
    from shipway.data import CategoryProfile

    for name, column in found.profile.columns.items():
        missing = f"{column.missing:,} missing"
        if isinstance(column, CategoryProfile):
            most = sorted(column.counts.items(), key=lambda item: (-item[1], item[0]))[:3]
            out.say(f"  {name:<20} {missing}, " + ", ".join(f"{word} {count:,}" for word, count in most))
        elif column.mean is None:
            out.say(f"  {name:<20} {missing}")
        else:
            ends = f"[{column.minimum:.6g}, {column.maximum:.6g}]"
            out.say(f"  {name:<20} {missing}, mean {column.mean:.6g}, std {column.std:.6g}, {ends}")
    for name in found.left_out:
        out.say(f"  {name:<20} has no profile")
