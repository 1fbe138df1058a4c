"""Types of CSV and JSON lines, those that fit all rows: found once for a file as it is, not anew by each query that reads it.

Polars looks for a date in every text of a CSV, at some five microseconds each. A column whose first rows hold a text that is
none is a column of texts whatever comes, so the rest of it is not looked at in this way.
"""

from __future__ import annotations

import glob
import tempfile
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

import polars as pl

_HEAD = 1000
_SURE = 900  # of them; where exactly Polars stops to look is its own affair
_FILES = 256


def csv_schema(path: Path) -> pl.Schema:
    """What `try_parse_dates` and `infer_schema_length=None` find. Raises Polars' own errors and OSError."""
    return _csv_schema(str(path), _state(path))


def lines_schema(path: Path) -> pl.Schema:
    """What `infer_schema_length=None` finds. Raises Polars' own errors and OSError."""
    return _lines_schema(str(path), _state(path))


def _state(path: Path) -> tuple[int, ...]:
    """What a change of the file changes."""
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


@lru_cache(_FILES)
def _csv_schema(path: str, _state: tuple[int, ...]) -> pl.Schema:
    return infer_csv(partial(pl.scan_csv, path, glob=False))


@lru_cache(_FILES)
def _lines_schema(path: str, _state: tuple[int, ...]) -> pl.Schema:
    return pl.scan_ndjson(glob.escape(path), infer_schema_length=None).collect_schema()


def infer_csv(read: Callable[..., pl.LazyFrame], *, head: int = _HEAD, sure: int = _SURE) -> pl.Schema:
    """read: scan_csv of one file."""
    plain = read(infer_schema_length=None).collect_schema()
    texts = [name for name, kind in plain.items() if kind == pl.String]
    if not texts:
        return plain
    first = read(try_parse_dates=True, infer_schema_length=head).collect_schema()
    counts = read(infer_schema=False, n_rows=sure).select(pl.col(texts).count()).collect()
    undecided = [name for name in texts if first[name] != pl.String or not counts[name].item()]
    if not undecided:
        return plain
    with tempfile.NamedTemporaryFile(suffix=".csv") as out:
        read(infer_schema=False).select(undecided).sink_csv(out.name)
        dates = pl.scan_csv(out.name, glob=False, try_parse_dates=True, infer_schema_length=None).collect_schema()
    return pl.Schema({**plain, **dates})
