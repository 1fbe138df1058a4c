"""One command of a stage in a shell, as DVC runs it: without the shell's own configuration, its words told line by line."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from shipway.pipeline._interrupt import hear_interrupts
from shipway.pipeline.dvc._types import StageFailed

_QUIET = {"zsh": ["--no-rcs"], "bash": ["--noprofile", "--norc"]}
_LAST = 3  # lines of what it said that an error repeats


def run_command(
    command: str, folder: Path, *, shell: str, environ: Mapping[str, str], stage: str, tell: Callable[[str], None]
) -> None:
    """Run it to its end. Raises StageFailed with the last lines that it said; interrupted, it is ended with all it started."""
    words = [shell, *_QUIET.get(os.path.basename(shell), []), "-c", command]
    last: deque[str] = deque(maxlen=_LAST)
    hear_interrupts()
    try:
        process = subprocess.Popen(
            words,
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as problem:
        raise StageFailed(f"the shell {shell} of stage {stage} cannot be started: {problem.strerror}", where=stage) from problem
    assert process.stdout is not None, "it is a pipe"
    try:
        with process.stdout as said:
            for line in said:
                text = line.rstrip()[:2000]
                last.append(text)
                tell(f"{stage}: {text}")
        code = process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if code:
        told = " | ".join(line for line in last if line.strip()) or "it said nothing"
        how = f"ended with {code}" if code > 0 else f"was ended by signal {-code}"
        raise StageFailed(
            f"stage {stage} failed: a command {how}: {told}", where=command[:200], mend="correct it, and run again"
        )
