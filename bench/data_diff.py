"""Two tables of 5 million rows compared, as whole commands: the first time, and again. What differs has to be found exactly.

`python bench/data_diff.py` measures this part alone; bench/data.py takes `measure`.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
ROWS, REMOVED, CHANGED = 5_000_000, 5_000, 5_000
SHIPWAY = str(Path(sys.executable).with_name("shipway"))
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else tempfile.gettempdir()
CARRIERS = ["UA", "AA", "DL", "WN", "B6"]


def measure() -> list[dict[str, object]]:
    """The rows of this part."""
    first, cpu, again, peak = [], [], [], 0
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="bench-diff-") as name:
        root = Path(name)
        write(root)
        time.sleep(2.5)  # so young a file is never trusted unread
        for number in range(ROUNDS):
            cache = {"SHIPWAY_CACHE": str(root / f"cache{number}")}
            seconds, used, found = compared(root, cache)
            check(found)
            first.append(seconds)
            cpu.append(used)
            again += [compared(root, cache)[0] for _ in range(3)]
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
    words = f"data diff of {ROWS:,} rows x 10 columns, {CHANGED:,} changed and {REMOVED:,} removed: exact"
    used, peak_words = statistics.median(cpu), f"{peak:,} MB at most"
    return [
        row(f"{words}, first ({used:.1f} s of processor, {peak_words})", statistics.median(first), 5.0),
        row(f"{words}, again", statistics.median(again), 0.3),
    ]


def write(root: Path) -> None:
    """Before and after, in 10 columns of the kinds that tables have."""
    random = np.random.default_rng(1)
    before = pl.DataFrame(
        {
            "id": np.arange(ROWS),
            "delay": random.normal(size=ROWS),
            "distance": random.normal(900, 300, ROWS).astype(np.float32),
            "flight": random.integers(0, 1000, ROWS),
            "ticket": random.integers(0, 1 << 40, ROWS),
            "carrier": pl.Series(np.array(CARRIERS)[random.integers(0, len(CARRIERS), ROWS)]),
            "city": pl.Series(np.array([f"city {number}" for number in range(3000)])[random.integers(0, 3000, ROWS)]),
            "late": random.random(ROWS) < 0.3,
            "at": pl.Series(1_700_000_000_000_000 + random.integers(0, 1 << 40, ROWS)).cast(pl.Datetime("us")),
            "tail": pl.Series(np.char.add("N", random.integers(0, 1 << 30, ROWS).astype(str))),
        }
    )
    chosen = random.permutation(ROWS)[: REMOVED + CHANGED]
    gone, other = np.zeros(ROWS, bool), np.zeros(ROWS, bool)
    gone[chosen[:REMOVED]] = other[chosen[REMOVED:]] = True
    before.write_parquet(root / "before.parquet")
    changed = pl.when(pl.Series(other)).then(pl.col("delay") + 1).otherwise("delay")
    before.with_columns(delay=changed).filter(~pl.Series(gone)).write_parquet(root / "after.parquet")


def compared(root: Path, environ: dict[str, str]) -> tuple[float, float, dict[str, object]]:
    """Seconds by the clock and of processors, and what was found."""
    words = [SHIPWAY, "data", "diff", "before.parquet", "after.parquet", "--key", "id", "--json"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(words, cwd=root, env={**os.environ, **environ}, capture_output=True, check=True)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, json.loads(done.stdout)


def check(found: dict[str, object]) -> None:
    """Ends the measurement unless it is exact."""
    rows, cells = found["rows"], found["cells"]
    told = rows["added"], rows["removed"], rows["changed"], cells["columns"]
    if told != (0, REMOVED, CHANGED, [{"column": "delay", "changed": CHANGED}]):
        sys.exit(f"not exact: {told}")


def row(figure: str, seconds: float, bar: float) -> dict[str, object]:
    """A row of the results; there is no peer, the bar is in seconds."""
    return {"figure": figure, "unit": "s", "ours": round(seconds, 3), "peer": None, "peer_name": None, "ratio": None,
            "bar": bar, "holds": seconds <= bar}  # fmt: skip


if __name__ == "__main__":
    for one in measure():
        print("{figure}: {ours} {unit}, bar {bar}, holds {holds}".format(**one))
