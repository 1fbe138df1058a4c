"""The cache of environments and overlays: folders made once, whoever comes first; the others wait for it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def default_cache() -> Path:
    """$SHIPWAY_CACHE, or $XDG_CACHE_HOME/shipway, or ~/.cache/shipway."""
    if chosen := os.environ.get("SHIPWAY_CACHE"):
        return Path(chosen).expanduser().absolute()
    shared = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(shared).expanduser().absolute() / "shipway"


def homes(cache: Path) -> tuple[Path, ...]:
    """Where made environments and overlays are looked for: the cache, and $SHIPWAY_BAKED, which an image brings along."""
    baked = os.environ.get("SHIPWAY_BAKED")
    return (cache, Path(baked)) if baked else (cache,)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else, in this process or another, is making `folder` meanwhile; the kernel forgets the lock of the dead."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(folder.name + ".lock"), "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
