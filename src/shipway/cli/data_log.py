"""`shipway data log`: the snapshots of a data set, newest first."""

from __future__ import annotations

from contextlib import suppress

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings


@click.command(name="log")
@click.argument("name")
@click.option("-n", "limit", type=click.IntRange(1), default=20, metavar="COUNT", show_default=True, help="How many at most.")
@json_option
@click.pass_obj
def command(settings: Settings, name: str, limit: int, as_json: bool) -> None:
    """Show the snapshots that data/NAME pointed at, newest first: who took them, when, why, and how large they are."""
    from shipway.cli._data import chosen_data
    from shipway.kernel.clock import instant
    from shipway.kernel.digest import short
    from shipway.kernel.errors import ShipwayError

    project, out = Project(settings), Output(as_json)
    ref = f"data/{name.removeprefix('data/')}"
    records = project.store.lives(ref, limit=limit)
    if not records:
        chosen_data(project.outline, (ref.removeprefix("data/"),))  # a name that does not exist is told as such
    rows = []
    for back, record in enumerate(records):
        value: dict[str, object] = {}
        with suppress(ShipwayError):  # an object that is gone or damaged: its line is there all the same
            value = dict(project.store.get(record.target, "snapshot")) if record.target else {}
        files, size = value.get("files"), value.get("bytes")
        sizes = f"{files:,} files, {size:,} bytes" if isinstance(files, int) and isinstance(size, int) else "not in the store"
        out.say(f"~{back:<4} {short(record.target or '')}  {record.at:%Y-%m-%d %H:%M}  {sizes}  {record.actor}  {record.why}")
        row = {"digest": record.target, "when": instant(record.at), "who": record.actor, "why": record.why}
        rows.append({**row, "files": files, "bytes": size})
    then = f"shipway data diff {name}~1 {name}" if len(rows) > 1 else f"shipway data snapshot {name}"
    out.end("data-log", {"name": ref.removeprefix("data/"), "snapshots": rows}, then=then)
