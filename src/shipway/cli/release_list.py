"""`shipway release list`: which releases there are."""

from __future__ import annotations

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings


@click.command(name="list")
@click.argument("application", required=False)
@click.option(
    "-n", "limit", metavar="COUNT", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many at most."
)
@click.option(
    "--before", metavar="NUMBER", type=click.IntRange(0), default=None, help="Page on from here, as the last page said."
)
@json_option
@click.pass_obj
def command(settings: Settings, application: str | None, limit: int, before: int | None, as_json: bool) -> None:
    """List the releases of all applications, or of one, newest first."""
    from shipway.kernel.digest import short
    from shipway.release import list_releases

    project, out = Project(settings), Output(as_json)
    project.use_store_alone()
    rows, following = list_releases(project.store, application, before=before, limit=limit)
    for row in rows:
        live = f"  live at {', '.join(row.live)}" if row.live else ""
        out.say(f"{short(row.release)}  {row.when:%Y-%m-%d %H:%M}  {row.application:<12} {row.who}  {row.why}{live}")
    if following is not None:
        out.say(f"more: shipway release list --before {following}")
    document = {"application": application, "releases": [row.to_json() for row in rows], "before": following}
    then = f"shipway release show {short(rows[0].release)}" if rows else "shipway release"
    out.end("releases", document, then=then)
