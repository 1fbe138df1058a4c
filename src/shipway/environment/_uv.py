"""uv, the one tool that resolves and installs; found where our own installation has it, or on PATH."""

from __future__ import annotations

import importlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from shipway.kernel.errors import ShipwayError

_NETWORK = ("failed to fetch", "error sending request", "timed out", "connection", "dns error")
_NOISE = ("resolved ", "prepared ", "using ", "creating ", "activate ", "warning:", "downloading ", "downloaded ")


class EnvironmentFailed(ShipwayError):
    """uv could not resolve, make or fill an environment; worth a retry when the network was at fault."""

    code = "environment.environment-failed"

    def __init__(self, what: str, *, output: str = "", where: str | None = None, mend: str | None = None) -> None:
        lines = useful_lines(output)
        super().__init__(f"{what}: {'; '.join(lines)}" if lines else what, where=where, mend=mend)
        self.retry = any(word in output.lower() for word in _NETWORK)


def useful_lines(output: str, *, keep: int = 6) -> list[str]:
    """The last lines that say something, without progress and decoration.

    >>> useful_lines("Resolved 3 packages in 4ms\\n  × No solution found\\n  ╰─▶ nothing provides b\\n")
    ['No solution found', 'nothing provides b']
    """
    lines = [line.strip(" \t×╰─▶│├") for line in output.splitlines()]
    return [line for line in lines if line and not line.lower().startswith(_NOISE)][-keep:]


def find_uv() -> str:
    """Path of the uv executable; raises EnvironmentFailed."""
    try:
        return str(importlib.import_module("uv").find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise EnvironmentFailed("uv was not found", mend="pip install uv")
    return found


def run_uv(arguments: Sequence[str | Path], *, what: str, cwd: Path | None = None, mend: str | None = None) -> bytes:
    """What uv prints; raises EnvironmentFailed, `what` followed by uv's last useful lines."""
    done = _run(arguments, cwd)
    if done.returncode != 0:
        raise EnvironmentFailed(what, output=done.stderr.decode(errors="replace"), mend=mend)
    return done.stdout


def ask_uv(arguments: Sequence[str | Path]) -> str | None:
    """All that uv says of something that it only plans, None when it cannot."""
    done = _run(arguments, None)
    return None if done.returncode else (done.stdout + done.stderr).decode(errors="replace")


def _run(arguments: Sequence[str | Path], cwd: Path | None) -> subprocess.CompletedProcess[bytes]:
    command = [find_uv(), *map(str, arguments), "--no-progress", "--color", "never"]
    return subprocess.run(command, cwd=cwd, capture_output=True, stdin=subprocess.DEVNULL, check=False)
