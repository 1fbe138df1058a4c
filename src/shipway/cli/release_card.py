"""`shipway release card`: the card of a release."""

from __future__ import annotations

from pathlib import Path

import click

from shipway.cli._output import Output
from shipway.cli._rendered import TextKind, hand_out, text_options
from shipway.cli._settings import Settings


@click.command(name="card")
@text_options
def command(settings: Settings, release: str, path: Path | None, attached: bool, as_json: bool) -> None:
    """Write the card of a release in Markdown: what it is, data, training, evaluation, limits, approvals, environment.

    RELEASE is a digest, its first digits, or a ref. Intended use is the file `models.NAME.card` of the spec.
    """
    from shipway.release import CARD, render_card

    out = Output(as_json)
    document, then = hand_out(settings, out, TextKind(CARD, "card.md", render_card), release, path, attached=attached)
    out.end("card", document, then=then)
