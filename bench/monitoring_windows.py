"""How often a window without a change pages, and how many outcomes a second are taken and joined."""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import polars as pl
from data_setup import MEMORY
from monitoring_setup import Row, figure

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "monitor"))
from monitor_logs import NOW, log_predictions, make_days, new_store, time_column
from test_monitor_false_alarms import counted

from shipway.monitor import OutcomeLog, Severity, compact_logs, joined
from shipway.stats import wilson

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
WINDOWS = int(os.environ.get("BENCH_WINDOWS", "2000"))
DAYS, ROWS, BATCH = 4, 50_000, 1000


def measure_alarms() -> list[Row]:
    """28 days with effects of the day, default monitors, a reference drawn anew each time."""
    paging = counted(WINDOWS)[Severity.PAGE]
    high = 100 * wilson(paging, WINDOWS, level=0.9).high  # one-sided 95 %
    words = f"windows that page of {WINDOWS:,} drawn without a change ({paging} did), 95 % upper bound"
    return [{**figure(words, "%", high, bar=1.0), "holds": high < 1}]


def measure_outcomes() -> list[Row]:
    """A table of outcomes checked, written durably, compacted, joined with their predictions; predictions are there already."""
    rates = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(dir=MEMORY, prefix="bench-outcomes-") as name:
            rates.append(_rate(Path(name)))
    words = f"outcomes taken from a table, compacted and joined with as many predictions, {DAYS * ROWS:,} of them"
    one = figure(words, "outcomes/s", statistics.median(rates), bar=50_000)
    return [{**one, "holds": statistics.median(rates) >= 50_000}]


def _rate(folder: Path) -> float:
    store, days = new_store(folder), make_days(1, days=DAYS, rows=ROWS)
    log_predictions(store, days, batch=BATCH, rotate_bytes=1 << 26)
    compact_logs(store, now=NOW, time_column=time_column)
    table = pl.concat(
        pl.DataFrame(
            {
                "id": [f"{day.day}-{row // BATCH}:{row % BATCH}" for row in range(ROWS)],
                "name": ["late"] * ROWS,
                "value": day.label,
                "time": [f"{day.day}T23:00:00Z"] * ROWS,
            }
        )
        for day in days
    )
    began = time.perf_counter()
    with OutcomeLog(store) as log:
        log.record_table(table)
    compact_logs(store, now=NOW, time_column=time_column)
    rows = joined(store, release=None, start=days[0].day, end=days[-1].day, outcome="late").select("id", "label").collect()
    seconds = time.perf_counter() - began
    if rows["label"].null_count() or rows.height != DAYS * ROWS:
        sys.exit("an outcome is lost")
    return DAYS * ROWS / seconds
