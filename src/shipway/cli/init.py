"""`shipway init`: start a project."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.spec import Spec

FILES = ("shipway.yaml", "pipeline.py", "requirements.in", "requirements.lock")


@click.command(name="init")
@json_option
@click.pass_obj
def command(settings: Settings, as_json: bool) -> None:
    """Start a project here: a store, and four files that run as they are.

    In a folder that has a shipway.yaml nothing is written but the store; no existing file is ever changed.
    """
    out = Output(as_json)
    written = [] if (settings.directory / "shipway.yaml").exists() else _write(settings.directory)
    project = Project(settings)
    store = project.store
    for name in written:
        out.say(f"wrote {name}")
    out.say(f"store {store.root.relative_to(project.spec.root)} of project {project.spec.project}")
    out.end("init", {"project": project.spec.project, "written": written, "store": str(store.root)}, then=_then(project.spec))


def _then(spec: Spec) -> str:
    """What a project begins with: its pipeline, or the documents and questions of what answers a prompt."""
    if spec.pipeline or not spec.prompts:
        return "shipway run"
    return "shipway rag sync" if spec.indexes else "shipway eval" if spec.evals else "shipway prompt put"


def _write(folder: Path) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    template = resources.files("shipway.cli") / "template"
    written = []
    for name in FILES:
        path = folder / name
        if path.exists():
            continue
        path.write_text((template / name).read_text().replace("project: PROJECT", f"project: {_project_name(folder)}"))
        written.append(name)
    return written


def _project_name(folder: Path) -> str:
    """The folder's name as a project's: lower case, letters, digits, `-` and `_`."""
    name = re.sub(r"[^a-z0-9_-]+", "-", folder.name.lower()).strip("-_")
    return name if re.match(r"[a-z]", name) else f"project-{name}".rstrip("-")
