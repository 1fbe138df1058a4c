"""Opens environments of the store: from the wheels that it keeps, else from uv's cache and the package index."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from shipway.environment import (
    ensure_environment,
    ensure_overlay,
    find_overlay,
    is_made,
    kept_wheels,
    lay_out_wheels,
    minor_version,
    overlay_lock,
)
from shipway.kernel.digest import Descriptor, Digest, digest_bytes
from shipway.store import Store


def open_environment(
    store: Store, environment: Digest, *, cache: Path, report: Callable[[str], None], offline: bool = False
) -> Path:
    """The Python of an environment object, made when the cache has it not. offline: nothing is fetched.

    Raises EnvironmentFailed, ObjectDamaged (a kept wheel).
    """
    value = store.get(environment, "environment")
    lock, python = store.objects.get(Descriptor.from_json(value["lock"]).digest), str(value["python"])
    wheels = None if is_made(environment, cache=cache) else kept_wheels(store, digest_bytes(lock), python=python)
    with lay_out_wheels(store, wheels) as folder:
        return ensure_environment(environment, lock, python=python, cache=cache, report=report, wheels=folder, offline=offline)


def open_overlay(store: Store, python: Path, *, cache: Path, report: Callable[[str], None], offline: bool = False) -> Path:
    """The serving overlay for a project's Python, as open_environment. Raises EnvironmentFailed, ObjectDamaged."""
    if found := find_overlay(python, cache=cache):
        return found
    wheels = kept_wheels(store, digest_bytes(overlay_lock()), python=minor_version(python))
    with lay_out_wheels(store, wheels) as folder:
        return ensure_overlay(python, cache=cache, report=report, wheels=folder, offline=offline)
