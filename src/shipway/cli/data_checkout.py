"""`shipway data checkout`: the files of a snapshot in the project's folder."""

from __future__ import annotations

import click

from shipway.cli._checkout import check_out_data
from shipway.cli._options import json_option, link_option
from shipway.cli._settings import Settings


@click.command(name="checkout")
@click.argument("names", nargs=-1)
@click.option("--at", default=None, metavar="SNAPSHOT", help="Another snapshot than data/NAME points at; for one name.")
@link_option
@click.option("--force", is_flag=True, help="Replace and remove files that no snapshot has.")
@json_option
@click.pass_obj
def command(settings: Settings, names: tuple[str, ...], at: str | None, link: str, force: bool, as_json: bool) -> None:
    """Bring the files of data sets (all without NAMES) back as their snapshots have them. Equal files are left alone."""
    check_out_data(settings, names, at=at, link=link, force=force, as_json=as_json)
