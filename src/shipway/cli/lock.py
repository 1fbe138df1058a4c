"""`shipway lock`: pin the project's requirements."""

from __future__ import annotations

from pathlib import Path

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings


@click.command(name="lock")
@click.argument("requirements", default="requirements.in", type=click.Path(path_type=Path))
@json_option
@click.pass_obj
def command(settings: Settings, requirements: Path, as_json: bool) -> None:
    """Pin the project's requirements with hashes.

    The lock holds for every platform. The package index is asked, and named nowhere.
    """
    import os

    from shipway.environment import lock_requirements, parse_lock
    from shipway.spec import EnvironmentSpec

    project, out = Project(settings), Output(as_json)
    environment = project.spec.environment or EnvironmentSpec()
    target = project.spec.root / environment.lock
    lock = lock_requirements(project.spec.root / requirements, python=environment.python or "3.11")
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.write_bytes(lock)
    temporary.replace(target)
    pins = parse_lock(lock)
    out.say(f"{environment.lock}: {len(pins)} packages pinned with hashes")
    out.end("lock", {"path": environment.lock, "packages": len(pins)}, then="shipway run")
