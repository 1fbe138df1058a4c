"""`shipway lock`: pin the project's requirements."""

from __future__ import annotations

from pathlib import Path

import click

from shipway.cli._output import Misused, Output, json_option
from shipway.cli._settings import Project, Settings


@click.command(name="lock")
@click.argument("requirements", default="requirements.in", type=click.Path(path_type=Path))
@click.option("--install", is_flag=True, help="Pin nothing: make the environment of the lock as it is, and what serves in it.")
@json_option
@click.pass_obj
def command(settings: Settings, requirements: Path, install: bool, as_json: bool) -> None:
    """Pin the project's requirements with hashes.

    The lock holds for every platform. The package index is asked, and named nowhere. With --install an image is built, or a
    machine made ready: what runs and serves later finds its environment made and asks nobody.
    """
    import os

    if install:
        _install(Project(settings), Output(as_json))
        return

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
    out.end("lock", {"path": environment.lock, "packages": len(pins), "environment": None}, then="shipway run")


def _install(project: Project, out: Output) -> None:
    """The environment and the overlay into the cache; no store is opened, since an image has none while it is built."""
    from shipway.environment import ensure_environment, ensure_overlay, environment_object, parse_lock
    from shipway.kernel import media
    from shipway.kernel.canonical import canonical_json
    from shipway.kernel.digest import Descriptor, digest_bytes
    from shipway.spec import EnvironmentSpec

    environment = project.spec.environment or EnvironmentSpec()
    path = project.spec.root / environment.lock
    if not path.exists():
        raise Misused(f"there is no {environment.lock}", where=str(project.spec.path), mend="shipway lock")
    lock, python = path.read_bytes(), environment.python or "3.11"
    record = environment_object(lock=Descriptor(media.TEXT, digest_bytes(lock), len(lock)), python=python)
    digest = digest_bytes(canonical_json(record))
    made = ensure_environment(digest, lock, python=python, cache=project.cache, report=out.note)
    ensure_overlay(made, cache=project.cache, report=out.note)
    packages = len(parse_lock(lock))
    out.say(f"{environment.lock}: the environment of {packages} packages is made")
    out.end("lock", {"path": environment.lock, "packages": packages, "environment": digest}, then="shipway run")
