"""The outcome log: what became true, arriving late, twice, corrected or never. Append-only; the last recorded wins.

Nothing here looks at predictions: an outcome for an id that nobody has logged yet is kept like any other. Every way in ends
here: HTTP, Python, files, queries, events and telemetry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cached_property
from types import TracebackType

import msgspec
import polars as pl

from shipway.monitor._outcome_rows import FIELDS, OutcomeMalformed, OutcomeRow, parse_outcome, parse_outcome_table
from shipway.monitor._tables import AHEAD, OUTCOME_COLUMNS, parse_instants, scan_outcomes
from shipway.store import OutcomeRecord, SegmentWriter, Store, encode_record, list_segments

_ROTATE_SECONDS = 2.0  # an outcome waits at most this long before it can be joined
_ONE = ["id", "entity", "name", "event"]  # what a correction has in common with what it corrects
_TOGETHER = 50_000  # rows of a table in one record: what a kill in the middle of a file can keep apart


class OutcomeLog:
    """Takes outcomes and has them on the device before it says so. One a process; threads may share it; close it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def record(self, rows: Iterable[Mapping[str, object]]) -> int:
        """Keeps every row, or none; how many. Raises OutcomeMalformed (line from 1, field), LogNotWritten."""
        now = self._store.clock.now()
        parsed = [parse_outcome(row, line=line, latest=now + AHEAD) for line, row in enumerate(rows, 1)]
        if parsed:
            self._writer.append_durable(encode_record(_record(parsed, now)), len(parsed))
        return len(parsed)

    def record_each(self, rows: Iterable[Mapping[str, object]]) -> tuple[int, list[OutcomeMalformed]]:
        """Keeps every row that is an outcome; how many, and why each of the others is none. Raises LogNotWritten."""
        now = self._store.clock.now()
        parsed, refused = list[OutcomeRow](), list[OutcomeMalformed]()
        for line, row in enumerate(rows, 1):
            try:
                parsed.append(parse_outcome(row, line=line, latest=now + AHEAD))
            except OutcomeMalformed as problem:
                refused.append(problem)
        if parsed:
            self._writer.append_durable(encode_record(_record(parsed, now)), len(parsed))
        return len(parsed), refused

    def record_table(self, table: pl.DataFrame) -> int:
        """As record, of a table with the columns id or entity, name, value and, if it has them, time and unit.

        Every row is looked at before the first is kept. A kill in the middle leaves some of the rows: recording the table again
        is then the same as once.
        """
        return self._keep(parse_outcome_table(table, latest=self._store.clock.now() + AHEAD))

    def record_new(self, table: pl.DataFrame) -> int:
        """As record_table without the rows that say what the log says already; how many were kept.

        All of them while outcomes wait to be compacted: what those say is not known yet, and twice is the same as once.
        """
        good = parse_outcome_table(table, latest=self._store.clock.now() + AHEAD)
        waits = list_segments(self._store.log_folder("outcomes"))
        return self._keep(good if waits else new_outcomes(self._store, good))

    def _keep(self, good: pl.DataFrame) -> int:
        now = self._store.clock.now()
        for part in good.iter_slices(_TOGETHER):
            self._writer.append_durable(encode_record(_record_of(part, now)), part.height)
        return good.height

    def close(self) -> None:
        """Seals what was written, so that the next compaction takes it. A log that never wrote has nothing to close."""
        writer = self.__dict__.pop("_writer", None)
        if isinstance(writer, SegmentWriter):
            writer.close()

    def __enter__(self) -> OutcomeLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @cached_property
    def _writer(self) -> SegmentWriter:
        folder, name = self._store.log_folder("outcomes"), f"outcomes-{self._store.ids.new()}"
        return SegmentWriter(folder, name, rotate_seconds=_ROTATE_SECONDS)


def new_outcomes(store: Store, table: pl.DataFrame) -> pl.DataFrame:
    """Of these outcomes (as parse_outcome_table gives them) the last of each id and name, unless the log says the same.

    Of an entity those of each time are apart.
    """
    given = table.with_columns(instant=parse_instants(table["time"]))
    event = pl.when(pl.col("entity").is_not_null()).then(pl.col("instant")).alias("event")
    last = given.with_columns(event).unique(_ONE, keep="last", maintain_order=True)
    held = (
        scan_outcomes(store)
        .rename({"time": "instant"})
        .with_columns(event)
        .join(last.lazy().select(_ONE), on=_ONE, how="semi", maintain_order="left", nulls_equal=True)
        .unique(_ONE, keep="last", maintain_order=True)
        .collect()
    )
    same = [*_ONE, "value", "instant", "unit"]
    return last.join(held, on=same, how="anti", nulls_equal=True).drop("instant", "event")


def outcome_table(records: list[OutcomeRecord]) -> pl.DataFrame:
    """The rows of these records in their order, as OUTCOME_COLUMNS. A record whose columns differ in length is left out."""
    frames = [
        pl.DataFrame(
            {
                "id": record.ids,
                "name": record.names,
                "value": record.values,
                "time": parse_instants(pl.Series("time", record.times, dtype=pl.String)),
                "recorded": pl.repeat(record.recorded, record.rows, dtype=pl.Int64, eager=True),
                "unit": pl.Series("unit", _or_none(record.units, record), dtype=pl.String),
                "entity": pl.Series("entity", _or_none(record.entities, record), dtype=pl.String),
            },
            schema_overrides={"recorded": pl.Int64},
        )
        for record in records
        if _is_even(record)
    ]
    if not frames:
        return pl.DataFrame(schema=OUTCOME_COLUMNS)
    return pl.concat(frames).cast(dict(OUTCOME_COLUMNS))  # type: ignore[arg-type]


def _or_none(column: list[str | None] | msgspec.UnsetType, record: OutcomeRecord) -> list[str | None]:
    return [None] * record.rows if isinstance(column, msgspec.UnsetType) else column


def _is_even(record: OutcomeRecord) -> bool:
    optional = (_or_none(record.units, record), _or_none(record.entities, record))
    columns = (record.ids, record.names, record.values, record.times, *optional)
    return all(len(column) == record.rows for column in columns)


def _record(rows: list[OutcomeRow], now: datetime) -> OutcomeRecord:
    return _made(now, *(list(column) for column in zip(*rows, strict=True)))


def _record_of(table: pl.DataFrame, now: datetime) -> OutcomeRecord:
    return _made(now, *(table[name].to_list() for name in FIELDS))


def _made(
    now: datetime,
    ids: list[str],
    names: list[str],
    values: list[float],
    times: list[str | None],
    units: list[str | None],
    entities: list[str | None],
) -> OutcomeRecord:
    return OutcomeRecord(
        recorded=int(now.timestamp() * 1_000_000),
        rows=len(ids),
        ids=ids,
        names=names,
        values=values,
        times=times,
        units=units if any(units) else msgspec.UNSET,
        entities=entities if any(entities) else msgspec.UNSET,
    )
