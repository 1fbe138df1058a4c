"""`shipway release bom`: a bill of materials."""

from __future__ import annotations

from pathlib import Path

import click

from shipway.cli._output import Output
from shipway.cli._rendered import TextKind, hand_out, text_options
from shipway.cli._settings import Settings


@click.command(name="bom")
@text_options
def command(settings: Settings, release: str, path: Path | None, attached: bool, as_json: bool) -> None:
    """Write a CycloneDX 1.6 bill of materials of a release: components, models with their cards, libraries, lineage.

    RELEASE is a digest, its first digits, or a ref. Needs cyclonedx-python-lib: pip install 'shipway[bom]'.
    """
    from shipway.release import BOM, render_bom

    out = Output(as_json)
    document, then = hand_out(settings, out, TextKind(BOM, "cdx.json", render_bom), release, path, attached=attached)
    out.end("bom", document, then=then)
