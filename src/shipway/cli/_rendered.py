"""What `release bom` and `release card` share: the facts of a release, the owner's words, where the text goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipway.cli._output import Misused, Output
from shipway.cli._settings import Project

if TYPE_CHECKING:
    from shipway.release import ReleaseFacts


def facts_of(project: Project, release: str) -> ReleaseFacts:
    """The facts of the release that a person names. Raises ReleaseUnknown, ReleaseMalformed."""
    from shipway.cli._digests import find_release
    from shipway.release import load_facts

    return load_facts(project.store, project.keys, find_release(project.store, release))


def owners_words(project: Project, facts: ReleaseFacts) -> dict[str, str]:
    """Intended use by model: the file `models.NAME.card` of the spec; nothing where the spec cannot be read. Raises Misused."""
    from shipway.kernel.errors import ShipwayError

    try:
        models = project.spec.models
    except ShipwayError:
        return {}
    found = {}
    for part in facts.of("model"):
        model = models.get(part.component.name)
        if model and model.card:
            try:
                found[model.name] = (project.spec.root / model.card).read_text("utf-8")
            except (OSError, UnicodeDecodeError) as problem:
                what = f"cannot read the card of model {model.name}: {problem}"
                raise Misused(what, where=str(project.spec.path), mend="correct models.NAME.card") from problem
    return found


def hand_over(out: Output, text: str, path: Path | None) -> None:
    """Into the file, or to stdout when none is named (stderr beside a JSON document)."""
    if path is None:
        click.echo(text, nl=False, err=out.as_json)
        return
    try:
        path.write_text(text, "utf-8")
    except OSError as problem:
        raise Misused(f"cannot write {path}: {problem.strerror}", where=str(path), mend="name another file") from problem
