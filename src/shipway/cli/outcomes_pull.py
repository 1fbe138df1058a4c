"""`shipway outcomes pull`: one round of the outcomes that a database knows."""

from __future__ import annotations

import click

from shipway.cli._output import Misused, Output, json_option
from shipway.cli._settings import Project, Settings


@click.command(name="pull")
@click.argument("names", nargs=-1, metavar="NAME...")
@json_option
@click.pass_obj
def command(settings: Settings, names: tuple[str, ...], as_json: bool) -> None:
    """Ask the databases of `outcomes.NAME.sql` for what is new, once. `up` does the same every so often."""
    from shipway.monitor import OutcomeLog
    from shipway.operate import gather, pull_outcomes

    project, out = Project(settings), Output(as_json)
    known = {name: outcome for name, outcome in project.spec.outcomes.items() if outcome.query is not None}
    if odd := [name for name in names if name not in known]:
        mend = f"one of: {', '.join(known)}" if known else "outcomes: {NAME: {sql: QUERY.sql, watermark: [COLUMN]}}"
        raise Misused(f"no outcome with a query is called {odd[0]}", mend=mend)
    recorded: dict[str, int] = {}
    gather(project.store)
    with OutcomeLog(project.store) as log:
        for name in names or known:
            recorded[name] = pull_outcomes(project.hands, project.spec, known[name], log)
            out.say(f"{name}: {recorded[name]:,} new")
    gather(project.store)
    out.end("outcomes-pull", {"recorded": recorded}, then="shipway outcomes")
