"""Options and types of values that many commands have."""

from __future__ import annotations

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
