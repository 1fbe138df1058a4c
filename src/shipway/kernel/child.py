"""A process that another one started: its life bound to that one's, and the line that says that it is ready."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def end_with_parent(pid: int = 0) -> bool:
    """Have the system send SIGTERM here when the thread that started this process ends (Linux; elsewhere nothing does).

    pid: of who should be the parent, 0 whoever it is. False where the parent is another one: it ended before this process
    could be bound to it.
    """
    with suppress(OSError, AttributeError):  # a system without prctl
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    return pid in (0, os.getppid())


def say_ready(line: Mapping[str, object], fd: int | None) -> None:
    """One line of JSON, for whoever waits for it: to a pipe, which is closed then, or to stdout."""
    text = json.dumps(line) + "\n"
    if fd is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    with os.fdopen(fd, "w") as pipe:
        pipe.write(text)
