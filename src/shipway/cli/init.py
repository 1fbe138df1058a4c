"""`shipway init`: start a project."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings

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
    out.end("init", {"project": project.spec.project, "written": written, "store": str(store.root)}, then="shipway run")


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
