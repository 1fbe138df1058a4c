"""What is stored: the drift of a day of 25 columns from its leaf, and the memory that profiling holds however many the rows."""

import os
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from data_setup import MEMORY, SHIPWAY, ran
from monitoring_setup import Row, figure, table

from shipway.data import measure_drift, measure_profile, reference_profile
from shipway.monitor._leaf import load_profile, put_profile
from shipway.store import open_store

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
MANY = int(os.environ.get("BENCH_ROWS", "10000000"))
BATCH = 500_000  # rows of a part of `data profile`
COLUMNS = ["number0", "number1", "number2", "number3", "word0", "word1"]


class Clock:
    """The time of now."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def measure() -> list[Row]:
    """The rows of this part."""
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="bench-leaves-") as name:
        return [_day(Path(name) / "store"), _texts(), _vectors(), *_memory(Path(name))]


def _vectors(rows: int = 30_000, dimension: int = 384) -> Row:
    """Sixty-six descriptors of each vector."""
    random = np.random.default_rng(6)
    sides = [pl.DataFrame({"e": random.normal(size=(rows, dimension)).tolist()}) for _ in range(2)]
    reference, took = reference_profile(sides[0]), []
    for _ in range(ROUNDS):
        began = time.process_time()
        measure_profile(reference, sides[1])
        took.append(time.process_time() - began)
    words = f"profiling vectors of {dimension} numbers, 66 descriptors each"
    return figure(words, "million values/s", rows * dimension / statistics.median(took) / 1e6, bar=None)


def _texts(rows: int = 50_000) -> Row:
    """Six descriptors of each text, over words as unequal as those of a language."""
    random = np.random.default_rng(5)
    words = np.array([f"word{number}" for number in range(20_000)])
    sides = []
    for _ in range(2):
        places = np.minimum(random.zipf(1.2, (rows, 20)), words.size) - 1
        sides.append(pl.DataFrame({"text": [" ".join(row) + "." for row in words[places].tolist()]}))
    reference, took = reference_profile(sides[0]), []
    for _ in range(ROUNDS):
        began = time.process_time()
        measure_profile(reference, sides[1])
        took.append(time.process_time() - began)
    long = sides[1]["text"].str.len_chars().mean()
    words_of = f"profiling texts of {long:.0f} characters, six descriptors each"
    return figure(words_of, "texts/s", rows / statistics.median(took), bar=None)


def _day(folder: Path) -> Row:
    """A leaf of 100,000 rows is loaded and held against the reference; the rows are gone."""
    store = open_store(folder, "bench", create=True, clock=Clock())
    reference = reference_profile(table(100_000, shift=0, seed=0))
    digest = put_profile(store, measure_profile(reference, table(100_000, shift=0.1, seed=1)))
    took = []
    for _ in range(max(9, ROUNDS)):
        began = time.perf_counter()
        measure_drift(reference, load_profile(store, digest))
        took.append((time.perf_counter() - began) * 1000)
    return figure(
        "drift of a day of 100,000 rows from its stored leaf, 25 columns, no row read", "ms", statistics.median(took), bar=30
    )


def _memory(root: Path) -> list[Row]:
    """`shipway data profile`, one worker, of two batches and of twenty."""
    held = {rows: _profiled(root / str(rows), rows) for rows in (2 * BATCH, MANY)}
    few, many = held.values()
    words = f"most memory of profiling {MANY:,} rows x {len(COLUMNS)} columns; bar: a fifth more than of {2 * BATCH:,}"
    return [figure(words, "MB", many, bar=few * 1.2)]


def _profiled(root: Path, rows: int) -> float:
    (root / "data").mkdir(parents=True)
    (root / "shipway.yaml").write_text("project: bench\ndata:\n  rows: data\n")
    path, writer = root / "data" / "rows.parquet", None
    for start in range(0, rows, BATCH):
        part = table(BATCH, shift=0, seed=3, start=start).select(COLUMNS).to_arrow()
        writer = writer or pq.ParquetWriter(path, part.schema)
        writer.write_table(part)
    assert writer
    writer.close()
    environ = {"POLARS_MAX_THREADS": "1", "SHIPWAY_ACTOR": "bench"}
    ran([SHIPWAY, "data", "snapshot", "rows"], root, environ)
    found = ran([SHIPWAY, "data", "profile", "rows", "--workers", "1", "--json"], root, environ)
    assert pl.scan_parquet(path).select(pl.len()).collect().item() == rows
    return found.megabytes
