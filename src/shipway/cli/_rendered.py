"""What `release bom` and `release card` share: options, the facts of a release, the owner's words, where the text goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import click

from shipway.cli._output import Misused, Output, json_option
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.release import ReleaseFacts


class Render(Protocol):
    def __call__(self, facts: ReleaseFacts, *, about: Mapping[str, str]) -> str: ...


class TextKind(NamedTuple):
    """A text about a release: its media type, how its files end, what makes it."""

    media_type: str
    suffix: str
    render: Render


def text_options(command: Callable[..., None]) -> Callable[..., None]:
    """RELEASE, `-o`, `--attach`, `--json` and the settings."""
    for option in (
        click.pass_obj,
        json_option,
        click.option("--attach", "attached", is_flag=True, help="Let it travel with the release: exports take it along."),
        click.option(
            "-o",
            "path",
            default=None,
            metavar="FILE",
            type=click.Path(path_type=Path, dir_okay=False),
            help="A file; stdout without it.",
        ),
        click.argument("release"),
    ):
        command = option(command)
    return command


def hand_out(
    settings: Settings, out: Output, kind: TextKind, release: str, path: Path | None, *, attached: bool
) -> tuple[Mapping[str, object], str | None]:
    """Make the text of a release, write it where a person wants it, attach it when asked to; the document and what is next."""
    from shipway.kernel.digest import short
    from shipway.release import Attachment, attach

    project = Project(settings)
    project.use_store_alone()
    facts = _facts(project, release)
    text = kind.render(facts, about=_owners_words(project, facts))
    _write(out, text, settings.directory / path if path else None)
    name = f"{short(facts.release)}.{kind.suffix}"
    if attached:
        data = project.store.put_bytes(text.encode(), kind.media_type)
        attach(project.store, Attachment(facts.release, kind.media_type, name, data))
        out.note(f"{name} goes with release {short(facts.release)} from now on")
    document = {
        "release": facts.release,
        "path": str(path) if path else None,
        "attached": attached,
        "statements": facts.statements,
    }
    return document, f"shipway release export {short(facts.release)} DIR" if path or attached else None


def _facts(project: Project, release: str) -> ReleaseFacts:
    """The facts of the release that a person names. Raises ReleaseUnknown, ReleaseMalformed."""
    from shipway.cli._digests import find_release
    from shipway.release import load_facts

    return load_facts(project.store, project.keys, find_release(project.store, release))


def _owners_words(project: Project, facts: ReleaseFacts) -> dict[str, str]:
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


def _write(out: Output, text: str, path: Path | None) -> None:
    """Into the file, or to stdout when none is named (stderr beside a JSON document)."""
    if path is None:
        click.echo(text, nl=False, err=out.as_json)
        return
    try:
        path.write_text(text, "utf-8")
    except OSError as problem:
        raise Misused(f"cannot write {path}: {problem.strerror}", where=str(path), mend="name another file") from problem
