"""`shipway diff`: what differs between two objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.release import Difference, Found


@click.command(name="diff")
@click.argument("first")
@click.argument("second")
@click.option("--lines", type=click.IntRange(0), default=200, show_default=True, help="Lines of detail of one change at most.")
@json_option
@click.pass_obj
def command(settings: Settings, first: str, second: str, lines: int, as_json: bool) -> None:
    """Show what differs between two objects of one kind.

    Each is a digest, its first digits, a ref such as data/flights or deploy/delay@prod, an earlier place of one
    (deploy/delay@prod~1, deploy/delay@prod@{2026-11-28 12:00}), or a file that `plan -o` wrote. Releases and deployments are
    compared component by component, policies rule by rule, data row by row, what has no words of its own by JSON paths. Moves
    and changes nothing.
    """
    from shipway.cli._verdicts import say_changes
    from shipway.release import Look, change_document, compare_objects

    project, out = Project(settings), Output(as_json)
    project.use_store_alone()
    ends = [_find(project, settings, text) for text in (first, second)]
    look = Look(project.store, project.keys, project.store.root.parent, lines)
    found = compare_objects(look, *ends)
    _say(out, found, ends)
    say_changes(out, found.changes)
    document = {"compared": found.kind, "from": found.source, "to": found.target, "equal": found.source == found.target}
    changes = [change_document(change) for change in found.changes]
    ref = next((text for text in (second, first) if "/" in text), None)
    named = ref.partition("~")[0].partition("@{")[0] if ref else ""
    out.end("diff", {**document, "changes": changes}, then=f"shipway log {named}".strip())


def _say(out: Output, found: Difference, ends: list[Found]) -> None:
    from shipway.kernel.digest import short

    names = [f"{short(digest)} ({end.text})" for digest, end in zip((found.source, found.target), ends, strict=True)]
    count = len(found.changes)
    what = "equal" if found.source == found.target else f"{count} change{'' if count == 1 else 's'}"
    out.say(f"{found.kind} {names[0]} -> {names[1]}: {what}")


def _find(project: Project, settings: Settings, text: str) -> Found:
    """The object that a word means; a file is a plan."""
    from shipway.cli._files import read_whole
    from shipway.release import Found, find_object, load_plan

    path = settings.directory / text
    if path.suffix == ".json" or ("/" not in text and path.is_file()):
        return Found(load_plan(project.store, read_whole(path), where=path.name).digest, "plan", "", text)
    return find_object(project.store, text)
