"""The tables of a file or a folder that is in no store, cut into batches of rows that can be read one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl

from shipway.data._errors import DataEmpty, DataMissing, DataUnreadable
from shipway.data._parts import SLICED, Part
from shipway.data._table import scan_of


class TableFile(NamedTuple):
    """One table. name: its path below what was asked for; path: a file of which a slice is read without what is before it."""

    name: str
    path: Path
    schema: pl.Schema
    rows: int

    def batches(self, most: int) -> Iterator[Part]:
        """Its rows, `most` at a time."""
        for start in range(0, self.rows, most):
            yield Part(self.name, self.path, start, min(most, self.rows - start))


def table_names(path: Path) -> list[str]:
    """The tables at a path by their names: a file itself, or all below a folder in order, hidden ones left out.

    Raises DataMissing, DataEmpty, DataUnreadable for a file that is no table by its name.
    """
    if path.is_file():
        if scan_of(path.name) is None:
            mend = "a .parquet, .arrow, .csv or .jsonl file"
            raise DataUnreadable(f"{path.name} is no table by its name", where=str(path), mend=mend)
        return [path.name]
    if not path.is_dir():
        raise DataMissing(f"there is nothing at {path.name}", where=str(path), mend="correct the path")
    found = (file for file in path.rglob("*") if file.is_file() and scan_of(file.name))
    names = sorted(file.relative_to(path).as_posix() for file in found)
    names = [name for name in names if not any(part.startswith(".") for part in name.split("/"))]
    if not names:
        raise DataEmpty(f"{path.name} holds no table", where=str(path), mend="a .parquet, .arrow, .csv or .jsonl file in it")
    return names


def open_tables(path: Path, staging: Path, report: Callable[[str], None]) -> Iterator[TableFile]:
    """Each table at a path. One of a format that has to be read from its beginning is written as Parquet below `staging` first,
    by streaming, unless it is there. Raises what table_names raises, DataUnreadable.
    """
    for name in table_names(path):
        file = path / name if path.is_dir() else path
        try:
            yield _open(name, file, staging, report)
        except (pl.exceptions.PolarsError, OSError) as problem:
            reason = str(problem).split("\n")[0][:200]
            raise DataUnreadable(f"{name} cannot be read: {reason}", where=str(file), mend="write this file again") from problem


def _open(name: str, file: Path, staging: Path, report: Callable[[str], None]) -> TableFile:
    scan = scan_of(name)
    assert scan is not None, "table_names took it for a table"
    if not name.lower().endswith(SLICED):
        staged = staging / f"{name}.parquet"
        if not staged.is_file():
            report(f"reading {name}")
            staged.parent.mkdir(parents=True, exist_ok=True)
            partial = staged.with_suffix(".tmp")
            scan([file]).sink_parquet(partial, compression="lz4")
            partial.replace(staged)
        return _open(staged.name, staged, staging, report)._replace(name=f"{name}.parquet")
    frame = scan([file])
    schema = frame.collect_schema()
    return TableFile(name, file, schema, int(frame.select(pl.len()).collect().item()))
