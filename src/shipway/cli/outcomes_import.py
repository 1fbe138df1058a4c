"""`shipway outcomes import`: outcomes that lie in files."""

from __future__ import annotations

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings


@click.command(name="import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--id", "id_", default=None, metavar="COLUMN", help="Of the prediction's id, REQUEST:ROW; `id` or the like.")
@click.option("--name", default=None, metavar="NAME", help="Of the outcome, for every row; else the column `name` says it.")
@click.option("--value", default=None, metavar="COLUMN", help="Of the number; `value`, `label` or the like.")
@click.option("--time", default=None, metavar="COLUMN", help="Of when it happened; `time` or the like, if there is one.")
@click.option("--unit", default=None, metavar="UNIT", help="What values are counted in, as in `usd`; else the column `unit`.")
@click.option("--entity", default=None, metavar="COLUMN", help="Of whom it is, instead of an id; `entity` or `entity_id`.")
@json_option
@click.pass_obj
def command(
    settings: Settings,
    files: tuple[str, ...],
    id_: str | None,
    name: str | None,
    value: str | None,
    time: str | None,
    unit: str | None,
    entity: str | None,
    as_json: bool,
) -> None:
    """Record the outcomes of Parquet, Arrow, CSV and JSON lines FILES, folders of such, or addresses as s3://BUCKET/PREFIX.

    A row that says what the log says already is left out, so the same file may come again. A file is kept whole or not at all.
    """
    from shipway.cli._given_tables import open_table
    from shipway.monitor import OutcomeColumns, OutcomeLog, pick_outcomes
    from shipway.operate import gather

    project, out = Project(settings), Output(as_json)
    chosen, recorded, seen = OutcomeColumns(id_, name, value, time, unit, entity), 0, 0
    gather(project.store)
    with OutcomeLog(project.store) as log:
        for text in files:
            with open_table(settings, text, out.note, doubt=out.note) as frame:
                rows = pick_outcomes(frame, chosen, where=text)
            kept = log.record_new(rows)
            out.say(f"{text}: {kept:,} recorded, {rows.height - kept:,} known already or twice")
            recorded, seen = recorded + kept, seen + rows.height
    gather(project.store)
    document = {"files": list(files), "rows": seen, "recorded": recorded}
    out.end("outcomes-import", document, then="shipway outcomes")
