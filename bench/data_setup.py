"""What bench/data_*.py need: the peers' environment, folders in memory, one command measured."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

SHIPWAY = str(Path(sys.executable).with_name("shipway"))
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else tempfile.gettempdir()  # so that no disk is measured, of either side


Row = dict[str, object]


class Took(NamedTuple):
    """One command. seconds: by the clock; cpu: of all its processes."""

    seconds: float
    cpu: float


class Ran(NamedTuple):
    """One command on its own. megabytes: the most that it held, the pages of mapped files with it."""

    seconds: float
    cpu: float
    megabytes: float
    said: bytes


def peer(environment: str, name: str) -> str:
    """The path of a program of an environment of its own, which `make bench-data` has made."""
    found = Path(sys.executable).parent.parent / environment / "bin" / name
    if not found.exists():
        sys.exit(f"no {found}: run `make bench-data`")
    return str(found)


def took(words: list[str], folder: Path, environ: Mapping[str, str], *, codes: tuple[int, ...] = (0,)) -> Took:
    """How long a whole command takes. Ends the measurement when it fails."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(words, cwd=folder, env={**os.environ, **environ}, capture_output=True, check=False)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in codes:
        sys.exit(f"{' '.join(words)}: {done.stderr.decode()}")
    return Took(seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def ran(words: list[str], folder: Path, environ: Mapping[str, str], *, asked: bytes = b"") -> Ran:
    """As `took`, with its memory: started by a small process, since a child's begins with that of who starts it."""
    with tempfile.NamedTemporaryFile() as measured:
        alone = [sys.executable, "-I", "-S", str(Path(__file__).with_name("alone.py")), measured.name, *words]
        done = subprocess.run(alone, cwd=folder, env={**os.environ, **environ}, input=asked, capture_output=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(words)}: exit {done.returncode}, {done.stderr.decode()}")
        figures = json.loads(Path(measured.name).read_text())
    return Ran(**figures, said=done.stdout)


def seconds_row(figure: str, ours: float, theirs: float | None, name: str | None, *, bar: float | None) -> Row:
    """A row of the results. bar: the seconds that ours may take."""
    return {
        "figure": figure,
        "unit": "s",
        "ours": round(ours, 3),
        "peer": None if theirs is None else round(theirs, 3),
        "peer_name": name,
        "ratio": None if theirs is None else round(ours / theirs, 3),
        "bar": None if bar is None else round(bar, 3),
        "holds": bar is None or ours <= bar,
    }
