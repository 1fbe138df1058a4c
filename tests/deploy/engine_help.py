"""What the tests of every engine need: a clock, patience, the lines of a run, and a project whose steps are all different."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))  # the small project that the command line is tested with

from cli_project import Project, make_project


class Clock:
    """Time that passes while somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def wait_for(what: Callable[[], object], *, seconds: float = 60.0) -> None:
    for _ in range(int(seconds / 0.05)):
        if what():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come")


def lines(text: str) -> list[str]:
    """What is told of steps, without seconds."""
    told = re.findall(r"^  (\S+(?: \.\.\.|: skipped|: cached|: [0-9.]+ s))$", text, re.M)
    return sorted(line.partition(":")[0] if line.endswith(" s") else line for line in told)


def real_steps(folder: Path, source: str, more: str) -> Project:
    """The small project with further steps, none of which says when it ran. more: lines of its shipway.yaml."""
    made = make_project(folder / "project", folder / "keys")
    file = made.root / "steps.py"
    file.write_text(file.read_text().replace('"at": time.time_ns(), ', "") + source)
    (made.root / "shipway.yaml").write_text((made.root / "shipway.yaml").read_text() + more)
    return made
