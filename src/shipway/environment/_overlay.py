"""The serving overlay: our own few libraries and our own source, for a project's Python, last on its path."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from shipway.environment._cache import alone
from shipway.environment._uv import EnvironmentFailed, run_uv
from shipway.kernel.canonical import canonical_json
from shipway.kernel.digest import digest_bytes

_PACKAGE = Path(__file__).resolve().parents[1]
_LOCK = Path(__file__).with_name("overlay.lock")


def ensure_overlay(python: Path, *, cache: Path, report: Callable[[str], None]) -> Path:
    """The overlay folder for this python, made unless the cache has it.

    It is named by the digest of overlay.lock, of every source file of this installation, and of the interpreter's tag
    ("cpython-311"); it appears whole or not at all. Raises EnvironmentFailed.
    """
    tag, lock, sources = _tag(python), _LOCK.read_bytes(), _sources()
    files = {name: hashlib.sha256(data).hexdigest() for name, data in sources.items()}
    key = digest_bytes(canonical_json({"tag": tag, "lock": digest_bytes(lock), "files": files}))
    folder = cache / "overlays" / key.removeprefix("sha256:")[:16]
    if folder.is_dir():
        return folder
    with alone(folder):
        if not folder.is_dir():
            report(f"making the serving overlay for {tag}")
            _make(folder, python, sources)
    return folder


def overlay_command(python: Path, overlay: Path, module: str, *arguments: str) -> list[str]:
    """The command that runs one of our modules in a project's python: isolated, the overlay last on its path."""
    boot = overlay / "shipway" / "environment" / "boot.py"
    return [str(python), "-I", str(boot), str(overlay), module, *arguments]


def _make(folder: Path, python: Path, sources: Mapping[str, bytes]) -> None:
    partial = Path(tempfile.mkdtemp(prefix=".making-", dir=folder.parent))
    try:
        run_uv(
            ["pip", "install", "--quiet", "--python", python, "--target", partial, "--require-hashes", "-r", _LOCK],
            what="the serving overlay could not be installed",
        )
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


def _tag(python: Path) -> str:
    command = [str(python), "-I", "-S", "-c", "import sys; print(sys.implementation.cache_tag)"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as problem:
        raise EnvironmentFailed(f"{python} does not run: {problem}") from problem
