"""Two tables of 5 million rows compared, as whole commands: the first time, and again. What differs has to be found exactly.

`python bench/data_diff.py` measures this part alone; bench/data.py takes `measure`.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from data_setup import MEMORY, SHIPWAY, Ran, ran

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
ROWS, REMOVED, CHANGED = 5_000_000, 5_000, 5_000
CARRIERS = ["UA", "AA", "DL", "WN", "B6"]


def measure() -> list[dict[str, object]]:
    """The rows of this part."""
    first, again = [], []
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="bench-diff-") as name:
        root = Path(name)
        write(root)
        time.sleep(2.5)  # so young a file is never trusted unread
        for number in range(ROUNDS):
            cache = {"SHIPWAY_CACHE": str(root / f"cache{number}")}
            first.append(compared(root, cache))
            check(json.loads(first[-1].said))
            again += [compared(root, cache).seconds for _ in range(3)]
    words = f"data diff of {ROWS:,} rows x 10 columns, {CHANGED:,} changed and {REMOVED:,} removed: exact"
    cpu, peak = statistics.median(one.cpu for one in first), max(one.megabytes for one in first)
    seconds = statistics.median(one.seconds for one in first)
    return [
        row(f"{words}, first ({cpu:.1f} s of processor, {peak:,.0f} MB at most)", seconds, 5.0),
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


def compared(root: Path, environ: dict[str, str]) -> Ran:
    """The whole command."""
    return ran([SHIPWAY, "data", "diff", "before.parquet", "after.parquet", "--key", "id", "--json"], root, environ)


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
