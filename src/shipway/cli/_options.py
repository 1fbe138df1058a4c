"""Options and types of values that many commands have."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import click

PORT = click.IntRange(0, 65535)  # 0: any free one
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, everything else on stderr.")
link_option = click.option(
    "--link",
    type=click.Choice(["auto", "reflink", "hardlink", "copy"]),
    default="auto",
    metavar="WAY",
    help="How files come: auto (shared blocks, else a copy), reflink, hardlink (read-only files that are the store's), copy.",
)


def days_option(help: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--days A..B`: the first and the last event day, both included, or None."""
    return click.option("--days", callback=_days, metavar="A..B", help=help)


def _days(_ctx: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[date, date] | None:
    if text is None:
        return None
    first, _, last = text.partition("..")
    try:
        return date.fromisoformat(first), date.fromisoformat(last)
    except ValueError:
        raise click.BadParameter(f"{text!r}: write the first and the last day, as in 2013-09-01..2013-09-30") from None
