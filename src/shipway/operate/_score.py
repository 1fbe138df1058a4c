"""Batch scoring: a model's answers to the rows of files, batch by batch, each kept when it is there, so that a kill costs one.

Batches are cut by the input, never by the number of workers, and each is answered by the predictor that a server is made of: so
what comes out is the same whoever works.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import polars as pl

from shipway.data import DataEmpty, Part, TableFile, open_tables, read_part, table_names
from shipway.kernel.canonical import Json, JsonObject, canonical_json
from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.kernel.workers import Workers
from shipway.models import Column, InputMismatch, Signature
from shipway.operate._piped import PipedCommand, ScoringFailed, close_predictors, predictor_of_thread
from shipway.operate._score_rows import check_columns, input_arrays, output_series
from shipway.operate._serving import lone_config, model_of, piped_words
from shipway.release import find_component, load_components
from shipway.serve.piped import ERROR
from shipway.store import Store

BATCH = 50_000  # rows: 8 MB of twenty numbers; calls cost nothing any more, and a kill loses little
ROW, RELEASE = "row", "release"
_WRITERS = {".parquet": "sink_parquet", ".csv": "sink_csv", ".arrow": "sink_ipc", ".jsonl": "sink_ndjson"}
_AGAIN = 2  # predictors that may die over one batch


class OutputRefused(ShipwayError):
    """The output is there already or is what is scored, has no place for a column, is of no format, or another is under way."""

    code = "operate.output-refused"


def score_task(
    store: Store,
    release: Digest,
    *,
    model: str | None,
    keep: tuple[str, ...],
    batch: int,
    environ: Mapping[str, str],
    cache: Path,
    report: Callable[[str], None],
) -> ScoreTask:
    """What scores with a model of a release; model None: its only one. environ: all that the predictor gets.

    Raises NotServable, ReleaseMalformed, EnvironmentFailed, ObjectDamaged, ObjectMissing.
    """
    components = load_components(store, release)
    found = model_of(components, release, model)
    environment = find_component(components, "environment").digest
    words = piped_words(store, lone_config(store, release, found), environment, cache=cache, report=report)
    signature = Signature.from_json(store.get(found.digest, "model")["signature"])
    command = PipedCommand(words, tuple(sorted(environ.items())))
    return ScoreTask(release, found.digest, signature, command, tuple(dict.fromkeys(keep)), batch)


@dataclass(frozen=True, slots=True)
class ScoreTask:
    """What is scored by what. command starts a predictor; keep: columns that go along; batch: rows."""

    release: Digest
    model: Digest
    signature: Signature
    command: PipedCommand
    keep: tuple[str, ...] = ()
    batch: int = BATCH


class Scored(NamedTuple):
    """What came of it. again: rows that an earlier scoring had left; failed: rows that have an error in place of an answer."""

    rows: int
    batches: int
    again: int
    failed: int


def score_files(
    task: ScoreTask,
    given: Path,
    out: Path,
    *,
    workers: Workers,
    tell: Callable[[int, int], None],
    report: Callable[[str], None],
    replace: bool = False,
    stays: bool = False,
) -> Scored:
    """Score the rows of the tables at `given` into the file `out`: `row`, the columns kept, the outputs, `release`.

    row counts from 0 through all files in their order. What is done stands in a folder beside `out` until all is there; run
    again, it goes on. tell: hears rows done and rows in all; stays: what is done stands also then, for whoever brings `out`
    elsewhere. Raises OutputRefused, InputMismatch, ScoringFailed, DataMissing, DataEmpty, DataUnreadable.
    """
    _check_apart(given, out)
    check_output(out, replace=replace)
    with scoring_folder(task, out, _files_record(given), replace=replace) as work:
        found = _finish(task, given, out, work, workers=workers, tell=tell, report=report)
        if not stays:
            clear(work)
        return found


@contextmanager
def scoring_folder(task: ScoreTask, out: Path, rows: JsonObject, *, replace: bool) -> Iterator[Path]:
    """The folder of what is done, for this scoring alone; gone afterwards where nothing stands in it. rows: what is scored.

    Raises OutputRefused.
    """
    _check_kept(task)
    work = out.with_name(f".{out.name}.scoring")
    with _alone(work):
        _begin(work, _fingerprint(task, rows), replace)
        try:
            yield work
        finally:
            close_predictors()
            if not any(work.glob("batch-*.parquet")):  # all is done, or nothing was begun
                shutil.rmtree(work)


def clear(work: Path) -> None:
    """Nothing is done any more."""
    for file in work.glob("batch-*.parquet"):
        file.unlink()


def _finish(
    task: ScoreTask,
    given: Path,
    out: Path,
    work: Path,
    *,
    workers: Workers,
    tell: Callable[[int, int], None],
    report: Callable[[str], None],
) -> Scored:
    tables = list(open_tables(given, work / "tables", report))
    kept, jobs = _kept(task, tables), list(_jobs(tables, task.batch))
    if not jobs:
        raise DataEmpty(f"{given.name} holds no rows", where=str(given), mend="nothing is there to score")
    total = sum(job.rows for job in jobs)
    left = [job for job in jobs if not stands(work / job.file)]
    done = again = total - sum(job.rows for job in left)
    tell(done, total)
    for job, frame in zip(left, workers.map(partial(score_batch, task, kept), left), strict=True):
        keep_batch(frame, work / job.file)
        done += job.rows
        tell(done, total)
    failed = assemble(task, [work / job.file for job in jobs], out)
    return Scored(total, len(jobs), again, failed)


class Job(NamedTuple):
    """One batch. row: the number of its first row among all."""

    part: Part
    row: int

    @property
    def rows(self) -> int:
        return self.part.rows or 0

    @property
    def file(self) -> str:
        return f"batch-{self.row:014d}.parquet"


def _jobs(tables: list[TableFile], batch: int) -> Iterator[Job]:
    row = 0
    for table in tables:
        for part in table.batches(batch):
            yield Job(part, row)
            row += part.rows or 0


def score_batch(task: ScoreTask, kept: Mapping[str, pl.DataType], job: Job) -> pl.DataFrame:
    """The answers to one batch; what a worker does. Raises InputMismatch, ScoringFailed, DataUnreadable."""
    rows = read_part(kept, job.part)
    arrays = input_arrays(rows, task.signature.inputs)
    for left in reversed(range(_AGAIN)):
        predictor = predictor_of_thread(task.command)
        try:
            answers = predictor.score(arrays)
            break
        except ScoringFailed as problem:
            if left and not predictor.alive:
                continue
            where = f"{job.part.name}, rows {job.part.start:,} to {job.part.start + len(rows):,}"
            raise ScoringFailed(problem.what, where=where, mend=problem.mend) from problem
    numbers = pl.Series(ROW, range(job.row, job.row + len(rows)), dtype=pl.Int64)
    columns = [numbers, *(rows[name] for name in task.keep), *(output_series(*item) for item in answers.items())]
    frame = pl.DataFrame(columns)
    if ERROR in answers:
        bad = pl.col(ERROR).is_not_null()
        outputs = [column.name for column in task.signature.outputs]
        frame = frame.with_columns(pl.when(bad).then(None).otherwise(pl.col(name)).alias(name) for name in outputs)
    return frame


def _kept(task: ScoreTask, tables: list[TableFile]) -> dict[str, pl.DataType]:
    """The columns that are read, by their types in the first table. Raises InputMismatch, naming the table."""
    names = dict.fromkeys([*(column.name for column in task.signature.inputs), *task.keep])
    for table in tables:
        check_table(table.name, table.schema, task.signature.inputs, task.keep)
    return {name: tables[0].schema[name] for name in names}


def check_table(name: str, schema: Mapping[str, pl.DataType], inputs: tuple[Column, ...], keep: tuple[str, ...]) -> None:
    """Raises InputMismatch, which names the table, where a column is missing or of another type."""
    try:
        check_columns(schema, inputs)
    except InputMismatch as problem:
        problem.where, problem.mend = name, f"its columns are {', '.join(schema)}"[:300]
        raise
    for column in keep:
        if column not in schema:
            raise InputMismatch(column=column, expected="a column to keep", given=f"none in {name}")


def _check_kept(task: ScoreTask) -> None:
    """Raises OutputRefused for a kept column that is called as one of OUT's own."""
    own = {ROW, RELEASE, ERROR, *(column.name for column in task.signature.outputs)}
    for name in task.keep:
        if name in own:
            what = f"{name} cannot be kept: OUT has a column {name} of its own"
            raise OutputRefused(what, where=f"--keep {name}", mend="call it otherwise in IN, or leave it out")


def check_output(out: Path, *, replace: bool) -> None:
    """Raises OutputRefused unless a file can be made there."""
    if out.suffix not in _WRITERS:
        mend = f"a name that ends in {', '.join(_WRITERS)}"
        raise OutputRefused(f"{out.name} is of no format that is written", where=str(out), mend=mend)
    if out.exists() and not replace:
        raise OutputRefused(f"{out.name} is there already", where=str(out), mend="another name, or --again to replace it")
    if out.is_dir() or not out.parent.is_dir():
        raise OutputRefused(f"{out.name} cannot be a file there", where=str(out), mend="a file in a folder that exists")


def _check_apart(given: Path, out: Path) -> None:
    """Raises OutputRefused where OUT would take the place of what is scored, also when it may be replaced."""
    table_names(given)
    if out.resolve() == given.resolve():
        raise OutputRefused(f"{out.name} is what is scored", where=str(out), mend="another name for the answers")
    if given.is_dir() and out.resolve().is_relative_to(given.resolve()):
        raise OutputRefused(f"{out.name} would be among what is scored", where=str(out), mend="a file outside that folder")


def _files_record(given: Path) -> JsonObject:
    files: list[Json] = []
    for name in table_names(given):
        found = ((given / name) if given.is_dir() else given).stat()
        files.append({"name": name, "size": found.st_size, "modified": str(found.st_mtime_ns)})
    return {"files": files}


def _fingerprint(task: ScoreTask, rows: JsonObject) -> bytes:
    """What must be the same for batches of an earlier scoring to count."""
    record: JsonObject = {
        "kind": "scoring",
        "version": 1,
        "release": task.release,
        "model": task.model,
        "keep": list(task.keep),
        "batch": task.batch,
        **rows,
    }
    return canonical_json(record)


@contextmanager
def _alone(work: Path) -> Iterator[None]:
    """The folder of what is done, for this process alone. Raises OutputRefused while another has it."""
    work.mkdir(exist_ok=True)
    handle = os.open(work, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as problem:
        raise OutputRefused("another scoring is under way there", where=str(work), mend="wait for it, or end it") from problem
    finally:
        os.close(handle)


def _begin(work: Path, fingerprint: bytes, replace: bool) -> None:
    record = work / "scoring.json"
    before = record.read_bytes() if record.is_file() else None
    if before not in (None, fingerprint) and not replace:
        what = "a scoring of other rows, or by another model, was begun there and has not ended"
        raise OutputRefused(what, where=str(work), mend="end it with what it began with, or --again to begin anew")
    if before != fingerprint:
        for entry in work.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        _replace(record, lambda path: path.write_bytes(fingerprint))


def stands(file: Path) -> bool:
    """Whether a batch is there whole: after a power cut a file may be there and empty."""
    if not file.is_file():
        return False
    try:
        pl.read_parquet_schema(file)
    except (pl.exceptions.PolarsError, OSError):
        return False
    return True


def keep_batch(frame: pl.DataFrame, file: Path) -> None:
    """Whole under its name, or not at all."""
    _replace(file, lambda path: frame.write_parquet(path, compression="lz4"))


def _replace(file: Path, write: Callable[[Path], object]) -> None:
    partial = file.with_name(file.name + ".tmp")
    write(partial)
    partial.replace(file)


def assemble(task: ScoreTask, files: list[Path], out: Path) -> int:
    """All batches as one file, which appears whole; how many rows have an error."""
    frames = [pl.scan_parquet(file, glob=False, hive_partitioning=False) for file in files]
    whole = pl.concat(frames, how="diagonal")
    failed = 0
    if ERROR in whole.collect_schema():
        failed = int(whole.select(pl.col(ERROR).is_not_null().sum()).collect().item())
        whole = whole.select(pl.exclude(ERROR), ERROR)
    whole = whole.with_columns(pl.lit(task.release).alias(RELEASE))
    temporary = out.with_name(f".{out.name}.tmp")
    if out.suffix == ".parquet":
        stamp = {"shipway.release": str(task.release), "shipway.model": str(task.model)}
        whole.sink_parquet(temporary, row_group_size=4 * task.batch, metadata=stamp)
    else:
        getattr(whole, _WRITERS[out.suffix])(temporary)
    with temporary.open("rb+") as handle:
        os.fsync(handle.fileno())
    temporary.replace(out)
    return failed
