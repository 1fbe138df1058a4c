"""How long the commands that people type all day take: CPU seconds of a whole process, median of 9 rounds.

The peer is a bare `python -c pass` of the same interpreter: what no Python command can beat. Writes bench/results/start.json.
"""

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROUNDS = 9
HERE = Path(__file__).resolve().parent
SHIPWAY = str(Path(sys.executable).with_name("shipway"))
BARS = {"--version": 0.15, "--help": 0.3, "log": None, "data status": None}


def cpu_seconds(command: list[str], folder: Path) -> float:
    """User and system seconds of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        sys.exit(done.stderr.decode())
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def main() -> None:
    """Measure ours and the bare interpreter in turn."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([SHIPWAY, "init"], cwd=folder, check=True, capture_output=True)
        ours: dict[str, list[float]] = {words: [] for words in BARS}
        bare: list[float] = []
        for _ in range(ROUNDS):
            for words, times in ours.items():
                times.append(cpu_seconds([SHIPWAY, *words.split()], folder))
            bare.append(cpu_seconds([sys.executable, "-c", "pass"], folder))
    peer = statistics.median(bare)
    rows = [_row(words, statistics.median(times), peer) for words, times in ours.items()]
    (HERE / "results" / "start.json").write_text(json.dumps(rows, indent=2) + "\n")
    for row in rows:
        print("{figure:<34} {ours:.3f} s  {ratio:.1f} x bare python  bar {bar}  holds {holds}".format(**row))
    sys.exit(0 if all(row["holds"] for row in rows) else 1)


def _row(words: str, seconds: float, peer: float) -> dict[str, object]:
    bar = BARS[words]
    return {
        "figure": f"CPU of `shipway {words}`",
        "unit": "s",
        "ours": round(seconds, 4),
        "peer": round(peer, 4),
        "peer_name": "python -c pass",
        "ratio": round(seconds / peer, 2),
        "bar": bar,
        "holds": bar is None or seconds <= bar,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
    }


if __name__ == "__main__":
    main()
