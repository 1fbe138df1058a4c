"""The serving overlay: our own few libraries and our own source, for a project's Python, last on its path."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from shipway.environment._cache import alone, homes
from shipway.environment._source import Source
from shipway.environment._uv import EnvironmentFailed, run_uv
from shipway.kernel.canonical import canonical_json
from shipway.kernel.digest import digest_bytes

_PACKAGE = Path(__file__).resolve().parents[1]
_LOCK = Path(__file__).with_name("overlay.lock")


def overlay_lock() -> bytes:
    """The lock of the overlay's libraries, of this Shipway."""
    return _LOCK.read_bytes()


def ensure_overlay(
    python: Path,
    *,
    cache: Path,
    report: Callable[[str], None],
    wheels: Path | None = None,
    offline: bool = False,
) -> Path:
    """The overlay folder for this python, made unless the cache has it.

    It is named by the digest of overlay.lock, of every source file of this installation, and of the interpreter's tag
    ("cpython-311"); it appears whole or not at all. wheels, offline: as for ensure_environment. Raises EnvironmentFailed.
    """
    sources = _sources()
    if found := _find(python, sources, cache):
        return found
    folder = _folder(python, sources, cache)
    with alone(folder):
        if not folder.is_dir():
            source = Source(wheels, offline)
            says = source.describe(overlay_lock(), python=minor_version(python))
            report(f"making the serving overlay for {_tag(python)}{says}")
            _make(folder, python, sources, source=source)
    return folder


def find_overlay(python: Path, *, cache: Path) -> Path | None:
    """The overlay folder for this python when the cache has it, or the image that this runs in."""
    return _find(python, _sources(), cache)


def _find(python: Path, sources: Mapping[str, bytes], cache: Path) -> Path | None:
    return next((folder for home in homes(cache) if (folder := _folder(python, sources, home)).is_dir()), None)


def minor_version(python: Path) -> str:
    """The version of this python as a lock asks for it ("3.11"). Raises EnvironmentFailed."""
    digits = _tag(python).rpartition("-")[2]
    return f"{digits[:1]}.{digits[1:]}"


def _folder(python: Path, sources: Mapping[str, bytes], cache: Path) -> Path:
    files = {name: hashlib.sha256(data).hexdigest() for name, data in sources.items()}
    key = digest_bytes(canonical_json({"tag": _tag(python), "lock": digest_bytes(overlay_lock()), "files": files}))
    return cache / "overlays" / key.removeprefix("sha256:")[:16]


def overlay_command(python: Path, overlay: Path, module: str, *arguments: str) -> list[str]:
    """The command that runs one of our modules in a project's python: isolated, the overlay last on its path."""
    boot = overlay / "shipway" / "environment" / "boot.py"
    return [str(python), "-I", str(boot), str(overlay), module, *arguments]


def _make(folder: Path, python: Path, sources: Mapping[str, bytes], *, source: Source) -> None:
    partial = Path(tempfile.mkdtemp(prefix=".making-", dir=folder.parent))
    try:
        run_uv(
            ["pip", "install", "--quiet", "--python", python, "--target", partial, *source.options, "--require-hashes", "-r",
             _LOCK],
            what="the serving overlay could not be installed",
            mend=source.mend,
        )  # fmt: skip
        for name, data in sources.items():
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).write_bytes(data)
        os.rename(partial, folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _sources() -> dict[str, bytes]:
    """The files of the installed `shipway` package by their path below the overlay; read once, so that the key fits."""
    found = sorted(path for path in _PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(_PACKAGE.parent).as_posix(): path.read_bytes() for path in found}


@functools.cache
def _tag(python: Path) -> str:
    command = [str(python), "-I", "-S", "-c", "import sys; print(sys.implementation.cache_tag)"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as problem:
        raise EnvironmentFailed(f"{python} does not run: {problem}") from problem
