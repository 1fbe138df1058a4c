"""Prediction records as one table: an id, the event time and the user's columns for each row.

Records of one release and one set of columns are joined array by array before Polars sees them, because a record is
often one row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.models import decode_columns
from shipway.monitor._schema import column_table
from shipway.monitor._tables import AHEAD, PREDICTION_COLUMNS, SCORE, WEIGHT, input_column, output_column, parse_instants
from shipway.store import PredictionRecord

Arrays = Mapping[str, NDArray[Any]]


class _Read(NamedTuple):
    """A record with its columns decoded."""

    record: PredictionRecord
    inputs: Arrays
    outputs: Arrays

    def shape(self) -> tuple[object, ...]:
        """What records must share to be joined array by array."""
        columns = [*self.inputs.items(), ("", None), *self.outputs.items()]
        return self.record.release, *((name, None if array is None else array.dtype.kind) for name, array in columns)


class PredictionTable(NamedTuple):
    """The table, and how many of its rows have the time they were recorded because their event time was in the future.

    noted: which columns its records had, as `column_table` has them.
    """

    table: pl.DataFrame
    mistimed: int
    noted: pl.DataFrame


def prediction_table(records: Iterable[PredictionRecord], time_columns: Mapping[Digest, str | None]) -> PredictionTable:
    """PREDICTION_COLUMNS, inputs and outputs of these records, in their order; a column that a record lacks is null.

    A record is left out whose columns cannot be read, or have another number of rows than it says, or whose release is
    none of time_columns. An event time more than AHEAD after the recording is not believed: the recording's counts.
    """
    groups: dict[tuple[object, ...], list[_Read]] = {}
    for record in records:
        read = _read(record) if record.release in time_columns else None
        if read is not None:
            groups.setdefault(read.shape(), []).append(read)
    made = [_group_table(group, time_columns[Digest(group[0].record.release)]) for group in groups.values()]
    if not made:
        return PredictionTable(
            pl.DataFrame(schema=PREDICTION_COLUMNS), 0, column_table(pl.DataFrame(schema=PREDICTION_COLUMNS))
        )
    whole = pl.concat([table for table, _, _ in made], how="diagonal_relaxed")
    return PredictionTable(whole, sum(mistimed for _, mistimed, _ in made), pl.concat([noted for _, _, noted in made]))


def _read(record: PredictionRecord) -> _Read | None:
    try:
        read = _Read(record, decode_columns(record.columns), decode_columns(record.outputs))
    except ShipwayError:  # written by a newer Shipway, perhaps
        return None
    arrays = [*read.inputs.values(), *read.outputs.values()]
    return read if all(len(array) == record.rows for array in arrays) else None


def _group_table(group: list[_Read], time_column: str | None) -> PredictionTable:
    inputs = {name: _joined([read.inputs[name] for read in group]) for name in group[0].inputs}
    outputs = {name: _joined([read.outputs[name] for read in group]) for name in group[0].outputs}
    columns = _identity(group)
    event = _event_times(inputs[time_column]) if time_column in inputs else None
    event = columns["recorded"] if event is None else event
    late = (event > columns["recorded"] + AHEAD).fill_null(value=False)
    time = event.set(late, None).fill_null(columns["recorded"])
    named = {input_column(name): series for name, series in inputs.items()}
    named |= {output_column(name, inputs): _scored(name, series) for name, series in outputs.items()}
    frame = columns.with_columns(time.alias("time"), time.dt.date().alias("day"))
    ours = [*PREDICTION_COLUMNS, *([WEIGHT] if WEIGHT in frame.columns else [])]
    table = frame.select(ours).with_columns(**named)
    return PredictionTable(table, int(late.sum()), column_table(table))


def _identity(group: list[_Read]) -> pl.DataFrame:
    """The columns that a record says once, on each of its rows, and the row's id."""
    records = [read.record for read in group]
    fields = ("request", "release", "deployment", "arm", "recorded", "latency_us")
    said = pl.DataFrame({field: [getattr(record, field) for record in records] for field in fields})
    said = said.with_columns(pl.Series("request_hash", [_hash(record.columns) for record in records], dtype=pl.UInt64))
    if any(record.weight for record in records):
        said = said.with_columns(pl.Series(WEIGHT, [_weight(record) for record in records], dtype=pl.Float64))
    rows = np.array([record.rows for record in records])
    place = np.repeat(np.arange(len(records)), rows)
    number = np.arange(rows.sum()) - np.repeat(np.cumsum(rows) - rows, rows)
    numbers = pl.Series("row", number).cast(pl.String)
    return said[place].select(
        pl.concat_str([pl.col("request"), pl.lit(":"), numbers]).alias("id"),
        pl.exclude("recorded"),
        pl.col("recorded").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
    )


def _weight(record: PredictionRecord) -> float:
    return 1.0 if isinstance(record.weight, msgspec.UnsetType) else record.weight


def _hash(columns: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(columns, digest_size=8).digest(), "big")


def _joined(arrays: list[NDArray[Any]]) -> pl.Series:
    array = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
    if array.dtype.kind == "O":
        return pl.Series(array.tolist(), dtype=pl.String, strict=False)
    return pl.Series(array)


def _scored(name: str, series: pl.Series) -> pl.Series:
    return series.cast(pl.Float64) if name == SCORE and series.dtype.is_numeric() else series


def _event_times(series: pl.Series) -> pl.Series | None:
    """Instants in UTC, null where there is none; None when the column's type says no time."""
    if series.dtype == pl.String:
        return parse_instants(series)
    if isinstance(series.dtype, pl.Datetime):
        return series.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return series.cast(pl.Datetime("us")).dt.replace_time_zone("UTC") if series.dtype == pl.Date else None
