"""`shipway prompt`: prompts as files and as what refs name."""

from __future__ import annotations

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings
from shipway.kernel.errors import ShipwayError, nearest
from shipway.spec import Spec


class PromptUnknown(ShipwayError):
    """The spec has no prompt of that name."""

    code = "cli.prompt-unknown"


@click.group(name="prompt")
def command() -> None:
    """Prompts: point their refs at files, compare, show."""


@command.command()
@click.argument("names", nargs=-1)
@click.option("--why", default="", help="A line for the history.")
@json_option
@click.pass_obj
def put(settings: Settings, names: tuple[str, ...], why: str, as_json: bool) -> None:
    """Read prompts (all without NAMES) and point prompt/NAME at them. `eval` and `release` do it too."""
    from shipway.kernel.digest import short
    from shipway.operate import take_prompts

    project, out = Project(settings), Output(as_json)
    _check(project.spec, names)
    taken = take_prompts(project.hands, project.spec, only=names, why=why)
    for prompt in taken:
        out.say(f"prompt/{prompt.name:<12} {short(prompt.digest)}  {'moved' if prompt.moved else 'as it was'}")
    rows = [{"name": prompt.name, "digest": prompt.digest, "moved": prompt.moved} for prompt in taken]
    out.end("prompts", {"prompts": rows}, then="shipway eval")


@command.command()
@click.argument("names", nargs=-1)
@json_option
@click.pass_obj
def status(settings: Settings, names: tuple[str, ...], as_json: bool) -> None:
    """Compare the files of prompts with what prompt/NAME points at. Exits 1 when one differs."""
    from shipway.kernel.canonical import canonical_json
    from shipway.kernel.digest import digest_bytes
    from shipway.operate import prompt_object

    project, out = Project(settings), Output(as_json)
    _check(project.spec, names)
    rows, differs = [], False
    for name, prompt in project.spec.prompts.items():
        if names and name not in names:
            continue
        ref = project.store.ref(f"prompt/{name}")
        same = ref is not None and ref.digest == digest_bytes(canonical_json(prompt_object(project.spec, prompt)))
        differs |= not same
        out.say(f"prompt/{name:<12} {'as in its file' if same else 'differs from its file' if ref else 'was never put'}")
        rows.append({"name": name, "digest": ref.digest if ref else None, "same": same})
    out.end("prompt-status", {"prompts": rows}, then="shipway prompt put" if differs else "shipway eval")
    if differs:
        raise click.exceptions.Exit(1)


@command.command()
@click.argument("name")
@json_option
@click.pass_obj
def show(settings: Settings, name: str, as_json: bool) -> None:
    """Show what prompt/NAME points at: its messages and the types of its variables."""
    project, out = Project(settings), Output(as_json)
    digest = project.store.resolve(f"prompt/{name}")
    record = project.store.get(digest, "prompt")
    for message in record["messages"]:  # type: ignore[union-attr]
        assert isinstance(message, dict)
        out.say(f"# {message['role']}\n\n{message['text']}\n")
    out.end("prompt", {"name": name, "digest": digest, "prompt": record}, then=f"shipway log prompt/{name}")


def _check(spec: Spec, names: tuple[str, ...]) -> None:
    for name in names:
        if name not in spec.prompts:
            near = nearest(name, list(spec.prompts)) or ", ".join(spec.prompts)
            mend = f"did you mean {near}?" if near else f"add it under prompts: as in {name}: prompts/{name}.md"
            raise PromptUnknown(f"the spec has no prompt {name}", where=str(spec.path), mend=mend)
