"""Who sits at this machine. On a laptop that one person is the admin."""

from __future__ import annotations

import getpass
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from shipway.access._authorize import Actor


def local_actor(environ: Mapping[str, str], folder: Path) -> Actor:
    """The person at the keyboard: $SHIPWAY_ACTOR, else Git's user.email, else the login name."""
    return Actor(environ.get("SHIPWAY_ACTOR") or _git_email(folder) or _login(), frozenset({"admin"}))


def _login() -> str:
    """The login name; in a container the user's number may have none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user-{os.getuid()}"


def _git_email(folder: Path) -> str:
    try:
        asked = subprocess.run(
            ["git", "config", "user.email"], cwd=folder, capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout.strip()
