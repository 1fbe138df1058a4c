"""The real DVC for tests, and repositories as it has them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

PYTHON = Path(__file__).parents[2] / ".venv" / "dvc" / "bin" / "python"
DRIVER = Path(__file__).with_name("dvc_driver.py")


def run_dvc(folder: Path, *commands: str, fails: bool = False, environ: Mapping[str, str] | None = None) -> list[str]:
    """What the real DVC says to each command; all must succeed, unless the last one is to fail."""
    variables = {
        "PATH": f"{PYTHON.parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "DVC_SITE_CACHE_DIR": str(folder.parent / f"{folder.name}-dvc-state"),
        "DVC_NO_ANALYTICS": "1",
        "SHELL": "/bin/sh",
        **(environ or {}),
    }
    words = json.dumps([command.split("|") if "|" in command else command.split() for command in commands])
    done = subprocess.run([PYTHON, DRIVER, folder, words], capture_output=True, text=True, env=variables, check=False)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    for number, (code, said) in enumerate(answers):
        assert (code != 0) == (fails and number == len(answers) - 1), (commands[number], said, done.stderr)
    return [said for _, said in answers]


def write_tree(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def tree_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def legacy_md5(data: bytes) -> str:
    """DVC 2's sum, of files that are text unless they have a NUL."""
    return hashlib.md5(data).hexdigest() if b"\0" in data else hashlib.md5(data.replace(b"\r\n", b"\n")).hexdigest()


def write_legacy(root: Path, name: str, files: Mapping[str, bytes] | bytes) -> None:
    """What `dvc add NAME` of DVC 2 leaves: objects without `files/md5`, a .dvc file without `hash`."""

    def keep(data: bytes, digits: str, end: str = "") -> None:
        path = root / ".dvc" / "cache" / digits[:2] / f"{digits[2:]}{end}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(data)
            path.chmod(0o444)

    if isinstance(files, bytes):
        keep(files, legacy_md5(files))
        entry = f"outs:\n- md5: {legacy_md5(files)}\n  size: {len(files)}\n  path: {name.rpartition('/')[2]}\n"
    else:
        rows = [{"md5": legacy_md5(files[path]), "relpath": path} for path in sorted(files)]
        for data in files.values():
            keep(data, legacy_md5(data))
        listing = json.dumps(rows, sort_keys=True).encode()
        digits = hashlib.md5(listing).hexdigest()
        keep(listing, digits, ".dir")
        size = sum(map(len, files.values()))
        entry = f"outs:\n- md5: {digits}.dir\n  size: {size}\n  nfiles: {len(files)}\n  path: {name.rpartition('/')[2]}\n"
    (root / f"{name}.dvc").parent.mkdir(parents=True, exist_ok=True)
    (root / f"{name}.dvc").write_text(entry)
