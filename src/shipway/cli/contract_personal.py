"""`shipway contract personal`: columns that seem to hold data about persons."""

from __future__ import annotations

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Settings


@click.command(name="personal")
@click.argument("table")
@click.option(
    "--share",
    default=0.01,
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Of a column's values, from which on it is one; 0.01.",
)
@json_option
@click.pass_obj
def command(settings: Settings, table: str, share: float, as_json: bool) -> None:
    """Flag columns that seem to hold data about persons: by their values, by check digits, by their names.

    TABLE is a file, or NAME, NAME~1, RELEASE:NAME or a digest of a snapshot; what is found of a snapshot is kept as evidence.
    Exits 1 when values are recognised, 2 when a name alone says so. That nothing is flagged proves nothing.
    """
    from shipway.cli._asked_table import open_table
    from shipway.cli._found_checks import leave, tell
    from shipway.data import measure_personal

    asked = open_table(settings, table)
    checks = measure_personal(asked.frame, share=share)
    out = Output(as_json)
    found, then = tell(settings, out, checks, asked, {"table": asked.snapshot or table})
    out.end("personal-data", found, then=then)
    leave(checks)
