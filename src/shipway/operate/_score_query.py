"""Batch scoring of a query's rows as they come: nothing of them is kept but the batches that are being scored.

A query that is asked again may give other rows than those that were scored before a kill. So each batch that is kept is called
by the digest of the rows that it answers: what comes again is not scored again, what comes otherwise is. The output is that of
the last reading alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import polars as pl

from shipway.data import DataEmpty, Part
from shipway.data.sql import Address, Query, stream_query
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import digest_bytes, short
from shipway.kernel.workers import Workers
from shipway.operate._score import (
    Job,
    Scored,
    ScoreTask,
    assemble,
    check_output,
    check_table,
    clear,
    keep_batch,
    score_batch,
    scoring_folder,
    stands,
)


class Asked(NamedTuple):
    """A query as it is scored. name: of its data set, for people."""

    name: str
    address: Address
    query: Query

    def to_json(self) -> JsonObject:
        """What must be the same for an earlier scoring to be this one; the rows say the rest."""
        text = digest_bytes(self.query.text.encode())
        return {"query": {"text": text, "order": list(self.query.order), "database": self.address.shown}}


def score_query(
    task: ScoreTask,
    asked: Asked,
    out: Path,
    *,
    workers: Workers,
    tell: Callable[[int, int | None], None],
    replace: bool = False,
    stays: bool = False,
) -> Scored:
    """As score_files, of the rows of a query in the order of its key, read in one transaction while they are scored.

    Raises OutputRefused, InputMismatch, ScoringFailed, DataEmpty, SourceDown, QueryRefused, RowsUnfit: what is done stays, and
    counts again where the same rows come again.
    """
    check_output(out, replace=replace)
    with scoring_folder(task, out, asked.to_json(), replace=replace) as work, closing(_batches(asked, task.batch)) as batches:
        found = _Reading(task, asked.name, work).score(batches, out, workers, tell)
        if not stays:
            clear(work)
        return found


def _batches(asked: Asked, most: int) -> Generator[pl.DataFrame]:
    """The rows, `most` at a time; the first batch also where there are none."""
    with closing(stream_query(asked.address, asked.query)) as rows:
        held: pl.DataFrame | None = None
        for more in rows:
            held = more if held is None else pl.concat([held, more])
            while held.height > most:
                yield held[:most]
                held = held[most:]
        assert held is not None, "there is a first batch"
        yield held


class _Reading:
    """One reading of a query. again: rows whose answers stood from before."""

    def __init__(self, task: ScoreTask, name: str, work: Path) -> None:
        self._task, self._name, self._work = task, name, work
        self._files: list[Path] = []
        self._begun: deque[tuple[Job, Path]] = deque()
        self._rows = self._again = 0

    def score(
        self, batches: Iterator[pl.DataFrame], out: Path, workers: Workers, tell: Callable[[int, int | None], None]
    ) -> Scored:
        first = next(batches)
        if first.is_empty():  # then SQLite knows no types
            raise DataEmpty(f"the query of {self._name} gives no rows", where=self._name, mend="nothing is there to score")
        check_table(self._name, first.schema, self._task.signature.inputs, self._task.keep)
        names = dict.fromkeys([*(column.name for column in self._task.signature.inputs), *self._task.keep])
        kept = {name: first.schema[name] for name in names}
        for frame in workers.map(partial(score_batch, self._task, kept), self._jobs(first, batches, kept)):
            job, file = self._begun.popleft()
            keep_batch(frame, file)
            job.part.path.unlink()
            tell(job.row + job.rows, None)
        failed = assemble(self._task, self._files, out)
        return Scored(self._rows, len(self._files), self._again, failed)

    def _jobs(self, first: pl.DataFrame, rest: Iterator[pl.DataFrame], kept: Mapping[str, pl.DataType]) -> Iterator[Job]:
        """What is left to score, a few batches ahead of the answers: only theirs rows are here."""
        for batch in _chained(first, rest):
            rows, row = batch.select(*kept), self._rows
            self._rows += rows.height
            file = self._work / f"batch-{row:014d}-{_digest(rows)}.parquet"
            self._files.append(file)
            if stands(file):
                self._again += rows.height
                continue
            given = self._work / f"rows-{row:014d}.parquet"
            rows.write_parquet(given, compression="lz4")
            job = Job(Part(f"{self._name}-{row}.parquet", given, 0, rows.height), row)
            self._begun.append((job, file))
            yield job


def _chained(first: pl.DataFrame, rest: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    yield first
    yield from rest


def _digest(rows: pl.DataFrame) -> str:
    """Of the values that are scored and kept; another Polars may write them otherwise, and then they are scored again."""
    return short(digest_bytes(rows.rechunk().write_ipc(None).getvalue()))
