"""Drift of 25 columns against Evidently: computation alone, whole processes, their memory; and drift from what is stored."""

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from data_setup import MEMORY, Ran, peer, ran, seconds_row
from monitoring_setup import Row, figure, table

from shipway.data import measure_drift, measure_profile, reference_profile
from shipway.monitor.evidently import evidently_drift

HERE = Path(__file__).resolve().parent
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
LARGE = int(os.environ.get("BENCH_LARGE", "1000000"))  # rows of the large pair; 0 leaves it out


def measure() -> list[Row]:
    """The rows of this part."""
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="bench-drift-") as name:
        root = Path(name)
        rows = _small(root)
        if LARGE:
            rows += _large(root)
    return rows


def _small(root: Path) -> list[Row]:
    count, sides = 100_000, _written(root, 100_000)
    profile = root / "profile.json"
    profile.write_text(json.dumps(reference_profile(pl.read_parquet(sides[0])).to_json()))
    theirs, whole, alone, binned = [], [], [], []
    for _ in range(ROUNDS):
        theirs.append(_evidently(sides))
        whole.append(_ours("exact", sides))
        alone.append(_ours("exact", sides, "alone"))
        binned.append(_ours("binned", sides, str(profile)))
    apart = _apart(theirs[0], whole[0])
    words, computed = f"drift, 25 columns x {count:,} rows", _seconds(theirs)
    took = statistics.median(one.seconds for one in theirs)
    ours = statistics.median(one.seconds for one in whole)
    name = "Evidently 0.7.23"
    exact = f"{words}, exact, computation alone (values differ by at most {apart:.0e}); bar: 30 x faster"
    return [
        seconds_row(exact, _seconds(alone), computed, name, bar=computed / 30),
        seconds_row(
            f"{words}, binned, computation alone; bar: 100 x faster", _seconds(binned), computed, name, bar=computed / 100
        ),
        seconds_row(f"{words}, exact, with import and reading; bar: 20 x faster", ours, took, name, bar=took / 20),
    ]


def _large(root: Path) -> list[Row]:
    sides = _written(root, LARGE)
    theirs, ours = _evidently(sides), [_ours("exact", sides, threads="") for _ in range(ROUNDS)]
    held, seconds = max(one.megabytes for one in ours), statistics.median(one.seconds for one in ours)
    words, name = f"drift, 25 columns x {LARGE:,} rows, exact, with import and reading", "Evidently 0.7.23"
    memory = seconds_row(f"{words}, most memory; bar: a third", held, theirs.megabytes, name, bar=theirs.megabytes / 3)
    rows = [
        seconds_row(f"{words}; bar: 30 x faster", seconds, theirs.seconds, name, bar=theirs.seconds / 30),
        seconds_row(f"{words}, processor time", statistics.median(one.cpu for one in ours), theirs.cpu, name, bar=None),
        {**memory, "unit": "MB"},
    ]
    return [*rows, *_binned_apart(sides)]


def _binned_apart(sides: tuple[Path, Path]) -> list[Row]:
    """What 1,002 bins cost of the truth, and whether a verdict turns."""
    tables = tuple(pl.read_parquet(side) for side in sides)
    asked = {name: "wasserstein" for name in tables[0].columns if name.startswith("number")}
    exact = {one.column: one.value for one in evidently_drift(*tables, methods=asked).columns if one.kind == "numeric"}
    reference = reference_profile(tables[0])
    began = time.process_time()
    profile = measure_profile(reference, tables[1])
    values = tables[1].height * tables[1].width / (time.process_time() - began) / 1e6
    binned = measure_drift(reference, profile)
    pairs = np.array([(exact[name], binned[name].wasserstein) for name in exact])
    turned = ((pairs[:, 0] >= 0.1) != (pairs[:, 1] >= 0.1)) & (np.abs(pairs[:, 0] - 0.1) > 0.002)
    apart = float(np.abs(pairs[:, 0] - pairs[:, 1]).max())
    verdicts = f"{int(turned.sum())} verdicts turned"
    words = f"binned against exact Wasserstein, 20 columns x {LARGE:,} rows, largest difference ({verdicts})"
    row = figure(words, "standard deviations", apart, bar=0.002)
    rate = figure("profiling, numbers and words mixed, one thread", "million values/s", values, bar=25)
    return [{**row, "holds": bool(row["holds"]) and not turned.any()}, {**rate, "holds": values >= 25}]


def _written(root: Path, rows: int) -> tuple[Path, Path]:
    sides = root / f"reference{rows}.parquet", root / f"current{rows}.parquet"
    for number, path in enumerate(sides):
        table(rows, shift=0.1 * number, seed=number).write_parquet(path)
    return sides


def _ours(way: str, sides: tuple[Path, Path], *more: str, threads: str = "1") -> Ran:
    """threads: of Polars, as many as there are cores when empty; Evidently's libraries choose for themselves."""
    words = [sys.executable, str(HERE / "monitoring_ours.py"), way, *map(str, sides), *more]
    return ran(words, HERE, {"POLARS_MAX_THREADS": threads} if threads else {})


def _evidently(sides: tuple[Path, Path]) -> Ran:
    words = [peer("evidently", "python"), str(HERE / "monitoring_evidently.py"), *map(str, sides)]
    return ran(words, sides[0].parent, {"DO_NOT_TRACK": "1"})


def _said(one: Ran) -> dict[str, object]:
    found: dict[str, object] = json.loads(one.said.splitlines()[-1])
    return found


def _seconds(runs: list[Ran]) -> float:
    return statistics.median(float(_said(one)["seconds"]) for one in runs)


def _apart(theirs: Ran, ours: Ran) -> float:
    one, other = _said(theirs)["values"], _said(ours)["values"]
    if one.keys() != other.keys():
        sys.exit(f"other columns: {sorted(one.keys() ^ other.keys())}")
    return max(abs(one[name] - other[name]) for name in one)
