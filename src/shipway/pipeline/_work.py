"""A folder for the length of a run, which no other run touches and no killed run leaves behind for good."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def open_work(cache: Path) -> Iterator[Path]:
    """A new folder below `cache/work`, removed at the end; what runs that were killed have left is removed first."""
    home = cache / "work"
    home.mkdir(parents=True, exist_ok=True)
    with open(home / ".lock", "a") as door:
        fcntl.flock(door, fcntl.LOCK_EX)
        _sweep(home)
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=home))
        held = open(folder.with_suffix(".lock"), "w")  # noqa: SIM115  held as long as the run lives, and no longer
        fcntl.flock(held, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        folder.with_suffix(".lock").unlink(missing_ok=True)
        held.close()


def _sweep(home: Path) -> None:
    """Remove the folders whose lock nobody holds: the kernel forgets the locks of the dead."""
    for lock in home.glob("run-*.lock"):
        with open(lock, "a") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
            lock.unlink(missing_ok=True)
