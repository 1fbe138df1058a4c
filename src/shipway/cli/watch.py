"""`shipway watch`: judge the days that have not been judged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shipway.cli._output import Misused, json_option
from shipway.cli._settings import Settings

if TYPE_CHECKING:
    from datetime import datetime

_WINDOW = "28d"


@click.command(name="watch")
@click.argument("deployment", required=False)
@click.option("--months", is_flag=True, help="Report calendar months as well.")
@click.option("--slices", is_flag=True, help="Search the features, and pairs of them, for where the model is most wrong.")
@click.option("--hours", default=None, metavar="FROM..TO", help="Drift of these hours, from what is stored.")
@click.option("--sentinel", is_flag=True, help="Ask the provider its golden prompts now, whenever they were asked last.")
@click.option("--new-baseline", is_flag=True, help="Hold the provider against what it says now: an exchange was meant.")
@click.option("--predictions", default=None, metavar="URL", help="Somebody else's log: a file, a folder, s3://BUCKET/PREFIX.")
@click.option("--reference", default=None, metavar="FILE", help="With --predictions: the rows that they are compared with.")
@click.option("--outcomes", default=None, metavar="FILE", help="With --predictions: what became true, joined by id.")
@click.option("--outcome", default=None, metavar="NAME", help="Which of the outcomes is the label; the only one.")
@click.option("--id", "id_", default=None, metavar="COLUMN", help="Of the prediction's id; `id` or the like.")
@click.option("--time", default=None, metavar="COLUMN", help="Of the event; `time` or the like.")
@click.option("--score", default=None, metavar="COLUMN", help="Of what was predicted; `probability`, `score` or the like.")
@click.option("--label", default=None, metavar="COLUMN", help="Of what became true; `label`, `actual` or the like.")
@click.option("--label-time", default=None, metavar="COLUMN", help="Of when a label came; `label_time` or the like.")
@click.option("--weight", default=None, metavar="COLUMN", help="Of how many requests a row stands for; `sample_weight`.")
@click.option("--ignore", multiple=True, metavar="COLUMN", help="A column that is no feature; may come often.")
@click.option("--text", "texts", multiple=True, metavar="COLUMN", help="A feature that is a text; may come often.")
@click.option("--window", default=_WINDOW, metavar="TIME", show_default=True, help="With --predictions: how far back it looks.")
@click.option("--until", default=None, metavar="MOMENT", help="Where the window ends; after the newest event.")
@click.option("--matures", default=None, metavar="TIME", help="The age at which labels count; else as their arrival says.")
@click.option("--html", default=None, metavar="FILE", type=click.Path(path_type=Path), help="Write a page in one file, too.")
@json_option
@click.pass_obj
def command(
    settings: Settings,
    /,
    deployment: str | None,
    months: bool,
    slices: bool,
    hours: str | None,
    sentinel: bool,
    new_baseline: bool,
    as_json: bool,
    **foreign: Any,
) -> None:
    """Judge the days of a deployment that have not been judged.

    Each is judged on the trailing window that ends with it, when its outcomes have had the time to mature. Pages come from
    outcomes and from what breaks (columns, requests); drift of features informs and never pages. Of a deployment that answers a
    prompt: whether its documents are as they are served, what it costs, whether its provider still answers as it did. Exits 1
    while a page is open.

    With --predictions it needs no project: a window of somebody else's log against a reference.
    """
    asked = {"months": months, "slices": slices, "hours": hours, "sentinel": sentinel, "new_baseline": new_baseline}
    if foreign["predictions"] is not None or foreign["reference"] is not None:
        if strange := [name for name, value in asked.items() if value not in (False, None)]:
            raise Misused(f"{_options(strange)} asks about a deployment, and --predictions names a log", mend="leave one out")
        _foreign(settings, deployment, foreign, as_json)
        return
    if strange := [name for name, value in foreign.items() if value not in (None, (), _WINDOW)]:
        raise Misused(
            f"{_options(strange)} goes with --predictions", mend="--predictions URL --reference FILE, or leave it out"
        )
    from shipway.cli._watch_deployment import Wanted, watch_deployment

    span = None if hours is None else _span(hours)
    watch_deployment(settings, deployment, Wanted(months, slices, span, sentinel, new_baseline), as_json=as_json)


def _options(names: list[str]) -> str:
    """As they are typed."""
    return ", ".join("--" + {"id_": "id", "texts": "text"}.get(name, name).replace("_", "-") for name in names)


def _span(text: str) -> tuple[datetime, datetime]:
    """What --hours names, FROM before TO."""
    from shipway.kernel.clock import parse_instant

    mend = "--hours 2026-11-29T10:00:00Z..2026-11-29T14:00:00Z"
    try:
        start, end = (parse_instant(part) for part in text.split(".."))
    except ValueError as problem:
        raise Misused(f"{text!r} is no window of hours", mend=mend) from problem
    if end <= start:
        raise Misused(f"the hours {text} do not end after they begin", mend=mend)
    return start, end


def _foreign(settings: Settings, deployment: str | None, given: dict[str, Any], as_json: bool) -> None:
    from shipway.cli._watch_foreign import Asked, watch_foreign

    if deployment is not None or given["predictions"] is None or given["reference"] is None:
        mend = "--predictions URL --reference FILE"
        raise Misused("--predictions and --reference go together, without a deployment", mend=mend)
    columns = tuple(given.pop(name) for name in ("id_", "time", "score", "label", "label_time", "weight"))
    watch_foreign(settings, Asked(columns=columns, **given), as_json=as_json)
