"""`shipway release bom`: a bill of materials."""

from __future__ import annotations

from pathlib import Path

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings


@click.command(name="bom")
@click.argument("release")
@click.option(
    "-o",
    "path",
    default=None,
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file; stdout without it.",
)
@click.option("--attach", "attached", is_flag=True, help="Let it travel with the release: exports take it along.")
@json_option
@click.pass_obj
def command(settings: Settings, release: str, path: Path | None, attached: bool, as_json: bool) -> None:
    """Write a CycloneDX 1.6 bill of materials of a release: components, models with their cards, libraries, lineage.

    RELEASE is a digest, its first digits, or a ref. Needs cyclonedx-python-lib: pip install 'shipway[bom]'.
    """
    from shipway.cli._rendered import facts_of, hand_over, owners_words
    from shipway.kernel.digest import short
    from shipway.release import BOM, Attachment, attach, render_bom

    project, out = Project(settings), Output(as_json)
    project.use_store_alone()
    facts = facts_of(project, release)
    text = render_bom(facts, about=owners_words(project, facts))
    hand_over(out, text, settings.directory / path if path else None)
    name = f"{short(facts.release)}.cdx.json"
    if attached:
        attach(project.store, Attachment(facts.release, BOM, name, project.store.put_bytes(text.encode(), BOM)))
        out.note(f"{name} goes with release {short(facts.release)} from now on")
    document = {
        "release": facts.release,
        "path": str(path) if path else None,
        "attached": attached,
        "statements": facts.statements,
    }
    out.end("bom", document, then=f"shipway release export {short(facts.release)} DIR" if path or attached else None)
