"""The project's environment: a virtual environment made once from a lock and kept under its digest."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from shipway.environment._cache import alone, homes
from shipway.environment._lock import parse_lock
from shipway.environment._source import Source
from shipway.environment._uv import run_uv
from shipway.kernel.digest import Digest, short

_MARKER = ".complete"  # written last; holds the whole digest
_HEX = 16  # digits of the digest in the folder's name: paths stay short, and the marker settles a collision


def ensure_environment(
    digest: Digest,
    lock: bytes,
    *,
    python: str,
    cache: Path,
    report: Callable[[str], None],
    wheels: Path | None = None,
    offline: bool = False,
) -> Path:
    """The python of the environment `digest`, made from `lock` unless the cache has it whole.

    python: the version asked for ("3.11"); report: told one line when there is something to wait for, with what will be
    fetched; wheels: a folder of the lock's wheels, which are then all that is looked at; offline: fetch nothing. Two makers
    wait for each other; what an interrupted one left is removed. Raises LockUnpinned, EnvironmentFailed.
    """
    if made := _find(digest, cache):
        return made / "bin" / "python"
    folder = _folder(digest, cache)
    pins = parse_lock(lock)
    source = Source(wheels, offline)
    with alone(folder):
        if not is_made(digest, cache=cache):
            says = source.describe(lock, python=python)
            report(f"making environment {short(digest)}: Python {python}, {len(pins)} packages{says}")
            _make(folder, lock, python=python, source=source)
            (folder / _MARKER).write_text(digest)
    return folder / "bin" / "python"


def is_made(digest: Digest, *, cache: Path) -> bool:
    """Whether the cache, or the image that this runs in, has the environment `digest` whole."""
    return _find(digest, cache) is not None


def _find(digest: Digest, cache: Path) -> Path | None:
    """The folder of the environment where it is whole."""
    folders = (_folder(digest, home) for home in homes(cache))
    return next((folder for folder in folders if _is_complete(folder, digest)), None)


def _folder(digest: Digest, home: Path) -> Path:
    return home / "environments" / digest.removeprefix("sha256:")[:_HEX]


def _is_complete(folder: Path, digest: Digest) -> bool:
    """Whole, of this digest, and its base interpreter still on the machine."""
    try:
        return (folder / _MARKER).read_text() == digest and (folder / "bin" / "python").exists()
    except OSError:
        return False


def _make(folder: Path, lock: bytes, *, python: str, source: Source) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    venv: list[str | Path] = ["venv", "--quiet", "--no-project", "--python", python, *source.no_network, folder]
    run_uv(venv, what=f"no Python {python}")
    with tempfile.NamedTemporaryFile(suffix=".lock") as file:
        file.write(lock)
        file.flush()
        run_uv(
            ["pip", "install", "--quiet", "--python", folder / "bin" / "python", *source.options, "--require-hashes", "-r",
             file.name],
            what="the environment could not be installed",
            mend=source.mend,
        )  # fmt: skip
