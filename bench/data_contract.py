"""A suite of twelve expectations against Great Expectations: whole processes, their time and the most memory they held."""

import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from data_setup import MEMORY, SHIPWAY, Ran, Row, peer, ran, seconds_row

from shipway.data import great_expectations

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
ROWS, PARTS = 5_000_000, 10  # of the large table: so many times the rows of the other
WORDS = ["AA", "B6", "DL", "EV", "MQ", "UA", "US", "WN"]


def measure() -> list[Row]:
    """The rows of this part. `BENCH_PARTS=0` leaves the large table out."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="bench-data-") as name:
        root = Path(name)
        table, suite = root / "t.parquet", root / "suite.json"
        _table(0).write_parquet(table)
        suite.write_text(json.dumps({"name": "bench", "expectations": _expectations(ROWS)}))
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(_ours(table, suite))
            theirs.append(_theirs(table, suite))
        rows += _against(ours, theirs)
        parts = int(os.environ.get("BENCH_PARTS", str(PARTS)))
        if parts:
            rows += _large(root, parts)
    return rows


def _against(ours: list[Ran], theirs: list[Ran]) -> list[Row]:
    name, work = "Great Expectations", "12 expectations on 5 million rows x 10 columns"
    seconds = [statistics.median(ran.seconds for ran in side) for side in (ours, theirs)]
    cpu = [statistics.median(ran.cpu for ran in side) for side in (ours, theirs)]
    held = [statistics.median(ran.megabytes for ran in side) for side in (ours, theirs)]
    return [
        seconds_row(f"{work}, whole process", *seconds, name, bar=seconds[1] / 9),
        seconds_row(f"{work}, processor time", *cpu, name, bar=None),
        {**seconds_row(f"{work}, most memory", *held, name, bar=held[1] / 3), "unit": "MB"},
    ]


def _large(root: Path, parts: int) -> list[Row]:
    folder = root / "large"
    folder.mkdir()
    for part in range(parts):
        _table(part).write_parquet(folder / f"{part}.parquet")
    whole = root / "large.parquet"
    pl.scan_parquet(folder / "*.parquet").sink_parquet(whole)
    suite = root / "large.json"
    suite.write_text(json.dumps({"name": "bench", "expectations": _expectations(ROWS * parts)}))
    ran = _ours(whole, suite)
    work = f"12 expectations on {ROWS * parts // 1_000_000} million rows x 10 columns"
    return [
        seconds_row(f"{work}, whole process", ran.seconds, None, None, bar=None),
        {**seconds_row(f"{work}, most memory", ran.megabytes, None, None, bar=4096), "unit": "MB"},
    ]


def _table(part: int) -> pl.DataFrame:
    draw = np.random.default_rng(part)
    words = pl.Series(WORDS)
    code = draw.integers(100, 999, ROWS)
    return pl.DataFrame(
        {
            "id": np.arange(part * ROWS, (part + 1) * ROWS),
            "carrier": words.gather(draw.integers(0, len(WORDS), ROWS)),
            "code": "N" + pl.Series(code).cast(pl.String),
            "delay": draw.normal(8, 40, ROWS),
            "distance": draw.integers(80, 5000, ROWS),
            "hour": draw.integers(0, 24, ROWS),
            "late": draw.random(ROWS) < 0.25,
            "a": draw.random(ROWS),
            "b": draw.random(ROWS),
            "c": draw.integers(0, 1000, ROWS),
        }
    )


def _expectations(rows: int) -> list[dict[str, object]]:
    columns = ["id", "carrier", "code", "delay", "distance", "hour", "late", "a", "b", "c"]
    quantiles = {"quantiles": [0.1, 0.5, 0.9], "value_ranges": [[-100, 0], [-10, 30], [20, 200]]}
    asked: list[tuple[str, dict[str, object]]] = [
        ("column_values_to_not_be_null", {"column": "id"}),
        ("column_values_to_be_unique", {"column": "id"}),
        ("column_values_to_be_in_set", {"column": "carrier", "value_set": WORDS}),
        ("column_values_to_be_between", {"column": "distance", "min_value": 80, "max_value": 5000}),
        ("column_values_to_be_between", {"column": "delay", "min_value": -60, "max_value": 120, "mostly": 0.9}),
        ("column_values_to_match_regex", {"column": "code", "regex": "^N[0-9]+"}),
        ("column_value_lengths_to_equal", {"column": "carrier", "value": 2}),
        ("table_row_count_to_be_between", {"min_value": 1, "max_value": rows}),
        ("table_columns_to_match_set", {"column_set": columns}),
        ("column_mean_to_be_between", {"column": "delay", "min_value": 0, "max_value": 20}),
        ("column_quantile_values_to_be_between", {"column": "delay", "quantile_ranges": quantiles}),
        ("column_distinct_values_to_be_in_set", {"column": "carrier", "value_set": WORDS}),
    ]
    return [{"type": f"expect_{name}", "kwargs": kwargs, "meta": {}} for name, kwargs in asked]


def _ours(table: Path, suite: Path) -> Ran:
    return _met(ran([SHIPWAY, "contract", "check", str(table), "--suite", str(suite), "--json"], table.parent, {}))


def _theirs(table: Path, suite: Path) -> Ran:
    script = Path(great_expectations.__file__).with_name("_in_gx.py")
    request = {"table": str(table), "suite": json.loads(suite.read_text()), "result_format": "SUMMARY"}
    asked = json.dumps(request).encode() + b"\n"
    return _met(ran([peer("great-expectations", "python"), "-I", str(script)], table.parent, {}, asked=asked))


def _met(found: Ran) -> Ran:
    if not json.loads(found.said.splitlines()[-1])["result"]["success"]:
        sys.exit("the suite is not met")
    return found
