"""`shipway release card`: the card of a release."""

from __future__ import annotations

from pathlib import Path

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings


@click.command(name="card")
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
    """Write the card of a release in Markdown: what it is, data, training, evaluation, limits, approvals, environment.

    RELEASE is a digest, its first digits, or a ref. Intended use is the file `models.NAME.card` of the spec.
    """
    from shipway.cli._rendered import facts_of, hand_over, owners_words
    from shipway.kernel.digest import short
    from shipway.release import CARD, Attachment, attach, render_card

    project, out = Project(settings), Output(as_json)
    project.use_store_alone()
    facts = facts_of(project, release)
    text = render_card(facts, about=owners_words(project, facts))
    hand_over(out, text, settings.directory / path if path else None)
    name = f"{short(facts.release)}.card.md"
    if attached:
        attach(project.store, Attachment(facts.release, CARD, name, project.store.put_bytes(text.encode(), CARD)))
        out.note(f"{name} goes with release {short(facts.release)} from now on")
    document = {
        "release": facts.release,
        "path": str(path) if path else None,
        "attached": attached,
        "statements": facts.statements,
    }
    out.end("card", document, then=f"shipway release export {short(facts.release)} DIR" if path or attached else None)
