"""The logs as Parquet tables: where they lie, which columns every one of them has, and how one is written and read.

A table is named after the segment it was made from, so that making it twice is making it once. Columns of the user that
would hide one of ours are called `input.<name>` or `output.<name>`. Nothing here knows records or statistics.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, date, timedelta
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec
import polars as pl

from shipway.kernel.clock import parse_instant
from shipway.store import Store, StoreFull

INSTANT = pl.Datetime("us", "UTC")
AHEAD = timedelta(days=1)  # a time further ahead of the wall clock is a mistake: no zone is that far off
_FULL = tuple(map(os.strerror, (errno.ENOSPC, errno.EDQUOT)))  # polars knows the words, not the number
SCORE = "probability"  # the output that is the model's probability of the outcome

PREDICTION_COLUMNS: dict[str, pl.DataType] = {
    "id": pl.String(),
    "request": pl.String(),
    "release": pl.String(),
    "deployment": pl.String(),
    "arm": pl.String(),
    "time": INSTANT,
    "day": pl.Date(),
    "recorded": INSTANT,
    "latency_us": pl.Int64(),
    "request_hash": pl.UInt64(),  # of what was asked: 64 bits of the encoded input columns of the whole request
}
ROW = ("id", "release", "deployment", "request_hash")  # what tells the rows apart: a retried one has them again
WEIGHT = "sample_weight"  # how many requests a row's stands for; only in tables of a deployment that logs a share
SCORE_COLUMNS = PREDICTION_COLUMNS | {SCORE: pl.Float64()}
WEIGHT_COLUMNS = SCORE_COLUMNS | {WEIGHT: pl.Float64()}
OUTCOME_COLUMNS: dict[str, pl.DataType] = {
    "id": pl.String(),
    "name": pl.String(),
    "value": pl.Float64(),
    "time": INSTANT,
    "recorded": INSTANT,
    "unit": pl.String(),  # of a business metric; null in tables made before outcomes had one
    "entity": pl.String(),  # of whom it is, where the id is empty; null in tables made before outcomes had one
}
_LABEL_COLUMNS = {"label", "label_time", "label_recorded", "mature", "ambiguous"}  # what a join adds
# No globs and no hive partitions: a bracket or a = in the folder of the store means nothing.
_scan = partial(pl.scan_parquet, glob=False, hive_partitioning=False)


def input_column(name: str) -> str:
    """What the model input or key `name` is called in a prediction table.

    >>> input_column("carrier"), input_column("time")
    ('carrier', 'input.time')
    """
    ours = name in PREDICTION_COLUMNS or name in _LABEL_COLUMNS or name in (SCORE, WEIGHT)
    return f"input.{name}" if ours else name


def output_column(name: str, inputs: Iterable[str]) -> str:
    """What the model output `name` is called beside these inputs.

    >>> output_column("probability", ["probability"]), output_column("carrier", ["carrier"])
    ('probability', 'output.carrier')
    """
    taken = (
        name in PREDICTION_COLUMNS
        or name in _LABEL_COLUMNS
        or name == WEIGHT
        or name in {input_column(given) for given in inputs}
    )
    return f"output.{name}" if taken else name


def table_folder(store: Store, stream: str) -> Path:
    """Where the tables of a log are; made when missing."""
    folder = store.log_folder(stream) / "table"
    folder.mkdir(exist_ok=True)
    return folder


def write_table(frame: pl.DataFrame, path: Path, *, notes: Mapping[str, str] | None = None) -> None:
    """The whole table under its name, or nothing; the name itself is on the device after sync_folder.

    notes: kept in the foot of the file, beside its schema. Raises StoreFull.
    """
    draft = path.with_suffix(".draft")  # a killed writer's draft is overwritten by the one that repeats its work
    try:
        with draft.open("wb") as file:
            frame.write_parquet(file, metadata=dict(notes) if notes else None)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, pl.exceptions.PolarsError) as problem:
        draft.unlink(missing_ok=True)  # it would hold the room that is missing
        if not any(why in str(problem) for why in _FULL):
            raise
        mend = "free some space; nothing is lost, the next turn goes on"
        raise StoreFull("no room left for a table of the log", where=str(path), mend=mend) from problem
    draft.rename(path)


def sync_folder(folder: Path) -> None:
    """Names made or removed in it survive a loss of power."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


MERGED = "merged.json"  # in the folder of tables


class Merges(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="log-merges"):
    """Which tables each merged one has replaced, and since when in seconds of the Unix epoch; pending: not to be read yet."""

    version: Literal[1] = 1
    merged: dict[str, list[str]] = {}
    at: dict[str, int] = {}
    pending: list[str] = []


def read_merges(folder: Path) -> Merges:
    """What `merged.json` says; nothing where there is none."""
    try:
        return msgspec.json.decode((folder / MERGED).read_bytes(), type=Merges)
    except FileNotFoundError:
        return Merges()


def list_tables(store: Store, stream: str) -> list[Path]:
    """The tables of a log, in an order that never changes between two of them; of a merged one and its parts the merged one."""
    folder = table_folder(store, stream)
    there = {
        path.name for path in folder.glob("*.parquet")
    }  # before merged.json is read: what it does not know yet is not there
    merges = read_merges(folder)
    replaced = {name for names in merges.merged.values() for name in names}
    return [folder / name for name in sorted((there | merges.merged.keys()) - replaced - {*merges.pending})]


def scan_predictions(store: Store, *, first: date | None = None, last: date | None = None) -> pl.LazyFrame:
    """Every logged prediction of the days first to last (both included) with all its columns, a retried one once.

    Releases may have different columns: what a row's release does not have is null.
    """
    groups: dict[tuple[tuple[str, str], ...], list[Path]] = {}
    for path in list_tables(store, "predictions"):
        schema = pl.read_parquet_schema(path)
        groups.setdefault(tuple((name, str(dtype)) for name, dtype in schema.items()), []).append(path)
    if not groups:
        return pl.LazyFrame(schema=SCORE_COLUMNS)
    parts = [pl.LazyFrame(schema=PREDICTION_COLUMNS), *(_between(_scan(paths), first, last) for paths in groups.values())]
    return _once(pl.concat(parts, how="diagonal_relaxed"))


def scan_scores(store: Store, *, first: date | None = None, last: date | None = None) -> pl.LazyFrame:
    """As scan_predictions without the model's inputs: cheap at any number of columns."""
    return _once(_between(scan_answers(store), first, last))


def scan_weights(store: Store, *, first: date | None = None, last: date | None = None) -> pl.LazyFrame:
    """As scan_scores with WEIGHT, 1 of rows of a log that keeps them all."""
    paths = list_tables(store, "predictions")
    if not paths:
        return pl.LazyFrame(schema=WEIGHT_COLUMNS)
    scan = _scan(paths, schema=WEIGHT_COLUMNS, missing_columns="insert", extra_columns="ignore")
    return _once(_between(scan, first, last)).with_columns(pl.col(WEIGHT).fill_null(1.0))


def scan_answers(store: Store) -> pl.LazyFrame:
    """As scan_scores, a retried prediction as often as it was answered: for questions where that is all the same."""
    paths = list_tables(store, "predictions")
    if not paths:
        return pl.LazyFrame(schema=SCORE_COLUMNS)
    return _scan(paths, schema=SCORE_COLUMNS, missing_columns="insert", extra_columns="ignore")


def scan_with_text(
    store: Store, column: str, name: str, *, first: date | None = None, last: date | None = None
) -> pl.LazyFrame:
    """As scan_scores with a column of the user's (as the table calls it) as a text under another name.

    Null where a table has none of it, and in what is no text or number; a whole number has its digits alone.
    """
    groups: dict[pl.DataType | None, list[Path]] = {}
    for path in list_tables(store, "predictions"):
        groups.setdefault(pl.read_parquet_schema(path).get(column), []).append(path)
    parts = [pl.LazyFrame(schema=SCORE_COLUMNS | {name: pl.String()})]
    for dtype, paths in groups.items():
        wanted = SCORE_COLUMNS if dtype is None else SCORE_COLUMNS | {column: dtype}
        found = _scan(paths, schema=wanted, missing_columns="insert", extra_columns="ignore")
        text = pl.lit(None, pl.String) if dtype is None else _as_text(column, dtype)
        parts.append(_between(found, first, last).select(*SCORE_COLUMNS, text.alias(name)))
    return _once(pl.concat(parts))


def _as_text(column: str, dtype: pl.DataType) -> pl.Expr:
    text = pl.col(column).cast(pl.String)
    if dtype.is_float():  # whole numbers become floats where one is missing
        whole = pl.col(column).round() == pl.col(column)
        return pl.when(whole).then(pl.col(column).cast(pl.Int64, strict=False).cast(pl.String)).otherwise(text)
    if dtype.is_integer() or dtype in (pl.String, pl.Categorical, pl.Enum):
        return text
    return pl.lit(None, pl.String)


def ambiguous_requests(store: Store) -> pl.DataFrame:
    """request and release of every request id under which a release was asked more than one thing.

    Clients that call each request "1" do this: no outcome can say which of the rows `1:0` it is of.
    """
    asked = (
        scan_answers(store)
        .group_by("request", "release")
        .agg(pl.col("request_hash").min().alias("low"), pl.max("request_hash"))
    )
    return asked.filter(pl.col("low") != pl.col("request_hash")).select("request", "release").collect()


def list_deployments(store: Store) -> list[str]:
    """Every deployment that a prediction was answered for."""
    named = scan_answers(store).select("deployment").unique()
    return named.sort("deployment").collect()["deployment"].to_list()


def scan_outcomes(store: Store) -> pl.LazyFrame:
    """Every recorded outcome, corrections and repeats included, in the order recorded."""
    paths = list_tables(store, "outcomes")
    if not paths:
        return pl.LazyFrame(schema=OUTCOME_COLUMNS)
    found = _scan(paths, schema=OUTCOME_COLUMNS, missing_columns="insert", extra_columns="ignore")
    return found.sort("recorded", maintain_order=True)


def parse_instants(texts: pl.Series) -> pl.Series:
    """ISO 8601 texts as instants, null for what is none; a text without an offset is taken as UTC."""
    name = texts.name
    plain = texts.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", strict=False, time_unit="us").dt.replace_time_zone("UTC")
    rest = texts.filter(plain.is_null() & texts.is_not_null()).unique()
    if rest.is_empty():
        return plain.alias(name)
    odd = pl.DataFrame({"text": rest, "instant": pl.Series([_instant(text) for text in rest], dtype=INSTANT)})
    found = pl.DataFrame({"text": texts}).join(odd, on="text", how="left", maintain_order="left")["instant"]
    return plain.fill_null(found).alias(name)


def _instant(text: str) -> object:
    try:
        return parse_instant(text).astimezone(UTC)
    except (ValueError, OverflowError):  # of a year before 1, once it is in UTC
        return None


def _between(frame: pl.LazyFrame, first: date | None, last: date | None) -> pl.LazyFrame:
    if first is not None:
        frame = frame.filter(pl.col("day") >= first)
    return frame if last is None else frame.filter(pl.col("day") <= last)


def _once(predictions: pl.LazyFrame) -> pl.LazyFrame:
    """A client that got no answer asks the same again under the same id: the last answer is the one that it acted on.

    The same means equal input columns (by their hash). Another question under a used id is another row: both are kept.
    """
    ordered = predictions.sort("recorded", maintain_order=True)
    return ordered.unique(list(ROW), keep="last", maintain_order=True)
