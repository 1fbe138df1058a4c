"""`shipway release show`: all that is known of one release."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.release import Dossier, Known


@click.command(name="show")
@click.argument("release")
@click.option(
    "-n", "limit", metavar="COUNT", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many statements."
)
@click.option("--offset", metavar="NUMBER", type=click.IntRange(0), default=0, help="From which statement on, newest first.")
@json_option
@click.pass_obj
def command(settings: Settings, release: str, limit: int, offset: int, as_json: bool) -> None:
    """Show all that is known of a release: its page.

    What is locked in it, what was found and by whom it was signed, who approved, whether it was made again, where it is and was
    live, and what would change there. RELEASE is a digest, its first digits or a ref. Moves and changes nothing.
    """
    from shipway.cli._digests import find_release
    from shipway.release import load_dossier

    project, out = Project(settings), Output(as_json)
    project.use_store_alone()
    store, digest = project.store, find_release(project.store, release)
    dossier = load_dossier(store, project.keys, digest, root=store.root.parent, offset=offset, limit=limit)
    _say(out, dossier)
    out.end("dossier", dossier.to_json(), then=f"shipway verify {digest}")


def _say(out: Output, dossier: Dossier) -> None:
    from shipway.cli._verdicts import render_stage, say_changes
    from shipway.kernel.digest import short

    made = dossier.made
    out.say(f"release {dossier.release}")
    if dossier.revocation:
        out.say(f"  REVOKED {dossier.revocation.at:%Y-%m-%d %H:%M} by {dossier.revocation.who}: {dossier.revocation.why}")
    if made:
        out.say(f"  made {made.at:%Y-%m-%d %H:%M} by {made.actor}" + (f": {made.why}" if made.why else ""))
    for stage in dossier.stages:
        out.say(f"  {render_stage(stage)}")
    for ref, arm in dossier.arms:
        out.say(f"  arm {arm.name} of {ref}, {100 * arm.share:g} %")
    for part in dossier.parts:
        out.say(f"  {part.component.kind:<12} {part.component.name:<12} {short(part.component.digest)}  {part.words}")
    if dossier.proof:
        out.say(f"  made again {dossier.proof.at:%Y-%m-%d}: {dossier.proof.predicate.get('equality')}")
    out.say(f"{dossier.total:,} statements" + (f", from {dossier.offset:,} on" if dossier.offset else ""))
    for known in dossier.evidence:
        out.say(f"  {_line(known)}")
    for one in dossier.against:
        out.say(f"{one.ref}: live {short(one.live)}" + (f": {one.problem}" if one.problem else ""))
        say_changes(out, one.changes)


def _line(known: Known) -> str:
    """When, by which key, about what, and what it says, or why it does not count."""
    from shipway.cli._verdicts import render_check

    at, statement = f"{known.at:%Y-%m-%d %H:%M}", known.reading.statement
    if statement is None:
        return f"{at}  does not count: {known.reading.name} about {known.about}: {known.reading.why}"
    said = render_check(known.check) if known.check else " ".join(filter(None, (known.kind, known.who, known.why)))
    return f"{at}  {statement.key.name}  {known.about}: {said}"
