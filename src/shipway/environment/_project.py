"""The project's environment: a virtual environment made once from a lock and kept under its digest."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from shipway.environment._cache import alone
from shipway.environment._lock import parse_lock
from shipway.environment._uv import run_uv
from shipway.kernel.digest import Digest, short

_MARKER = ".complete"  # written last; holds the whole digest
_HEX = 16  # digits of the digest in the folder's name: paths stay short, and the marker settles a collision


def ensure_environment(digest: Digest, lock: bytes, *, python: str, cache: Path, report: Callable[[str], None]) -> Path:
    """The python of the environment `digest`, made from `lock` unless the cache has it whole.

    python: the version asked for ("3.11"); report: told one line when there is something to wait for. Two makers wait
    for each other; what an interrupted one left is removed. Raises LockUnpinned, EnvironmentFailed.
    """
    folder = cache / "environments" / digest.removeprefix("sha256:")[:_HEX]
    executable = folder / "bin" / "python"
    if _is_complete(folder, digest):
        return executable
    pins = parse_lock(lock)
    with alone(folder):
        if not _is_complete(folder, digest):
            report(f"making environment {short(digest)}: Python {python}, {len(pins)} packages")
            _make(folder, lock, python=python)
            (folder / _MARKER).write_text(digest)
    return executable


def _is_complete(folder: Path, digest: Digest) -> bool:
    """Whole, of this digest, and its base interpreter still on the machine."""
    try:
        return (folder / _MARKER).read_text() == digest and (folder / "bin" / "python").exists()
    except OSError:
        return False


def _make(folder: Path, lock: bytes, *, python: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    run_uv(["venv", "--quiet", "--no-project", "--python", python, folder], what=f"no Python {python}")
    with tempfile.NamedTemporaryFile(suffix=".lock") as file:
        file.write(lock)
        file.flush()
        run_uv(
            ["pip", "install", "--quiet", "--python", folder / "bin" / "python", "--require-hashes", "-r", file.name],
            what="the environment could not be installed",
        )
