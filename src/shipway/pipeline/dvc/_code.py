"""The files that the commands of stages may read beside their deps: what Git has or would take, and no data."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection, Iterator
from pathlib import Path

from shipway.kernel.digest import Digest
from shipway.pipeline.dvc._order import meets
from shipway.store import Store

_PASSED = {".git", ".hg", ".dvc", ".shipway", ".venv", "venv", "node_modules", "__pycache__", ".mypy_cache", ".pytest_cache"}


def put_code(store: Store, root: Path, entry: str, *, without: Collection[str]) -> Digest:
    """Put the code object of a project whose pipeline is dvc.yaml. without: paths of data and of what stages make."""
    tops = {path.split("/")[0] for path in without}

    def is_code(path: str) -> bool:
        kept = path.split("/")[0] not in tops or not any(meets(path, other) for other in without)
        return kept and not (root / path).is_symlink() and (root / path).is_file()

    files = {path: root / path for path in sorted(set(_listed(root))) if is_code(path)}
    tree = store.put_files(files)
    return store.put({"kind": "code", "version": 1, "entry": entry, "root": tree.to_json()})


def _listed(root: Path) -> Iterator[str]:
    asked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(asked, cwd=root, capture_output=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        done = None
    if done is not None and done.returncode == 0:
        return (
            os.fsdecode(name) for name in done.stdout.split(b"\0") if name and not name.startswith((b".dvc/", b".shipway/"))
        )
    return _walked(root)


def _walked(root: Path) -> Iterator[str]:
    for place, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in _PASSED]
        for name in files:
            yield os.path.relpath(os.path.join(place, name), root)
