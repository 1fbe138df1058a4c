"""The outcome log: what became true, arriving late, twice, corrected or never. Append-only; the last recorded wins.

Nothing here looks at predictions: an outcome for an id that nobody has logged yet is kept like any other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cached_property
from types import TracebackType
from typing import NamedTuple

import polars as pl

from shipway.kernel.clock import parse_instant
from shipway.kernel.errors import ShipwayError, nearest
from shipway.monitor._tables import AHEAD, OUTCOME_COLUMNS, parse_instants
from shipway.store import OutcomeRecord, SegmentWriter, Store, encode_record

FIELDS = ("id", "name", "value", "time")
_ROTATE_SECONDS = 2.0  # an outcome waits at most this long before it can be joined


class OutcomeMalformed(ShipwayError):
    """A row that is no outcome; nothing of its request was recorded."""

    code = "monitor.outcome-malformed"

    def __init__(self, problem: str, *, line: int, field: str) -> None:
        mend = 'a row is {"id": "REQUEST:ROW", "name": "late", "value": 1, "time": "2013-02-01T09:15:00"}, time optional'
        super().__init__(problem, where=f"line {line}, field {field}", mend=mend)
        self.line, self.field = line, field


class OutcomeRow(NamedTuple):
    """One outcome: of which prediction, under which name, its number, and when it happened if that is known."""

    id: str
    name: str
    value: float
    time: str | None


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


def parse_outcome(row: Mapping[str, object], *, line: int, latest: datetime) -> OutcomeRow:
    """The outcome in a row of JSON; raises OutcomeMalformed, for a time after `latest` too. true and false are 1 and 0."""
    if not isinstance(row, Mapping):
        raise OutcomeMalformed(f"a row is a JSON object, not {type(row).__name__}", line=line, field="-")
    for key in row:
        if key not in FIELDS:
            meant = nearest(str(key), list(FIELDS))
            raise OutcomeMalformed(f"unknown field{f', meant {meant}?' if meant else ''}", line=line, field=str(key))
    return OutcomeRow(_text(row, "id", line), _text(row, "name", line), _number(row, line), _time(row, line, latest))


def outcome_table(records: list[OutcomeRecord]) -> pl.DataFrame:
    """The rows of these records in their order, as OUTCOME_COLUMNS."""
    frames = [
        pl.DataFrame(
            {
                "id": record.ids,
                "name": record.names,
                "value": record.values,
                "time": parse_instants(pl.Series("time", record.times, dtype=pl.String)),
                "recorded": pl.repeat(record.recorded, record.rows, dtype=pl.Int64, eager=True),
            },
            schema_overrides={"recorded": pl.Int64},
        )
        for record in records
    ]
    if not frames:
        return pl.DataFrame(schema=OUTCOME_COLUMNS)
    return pl.concat(frames).cast(dict(OUTCOME_COLUMNS))  # type: ignore[arg-type]


def _record(rows: list[OutcomeRow], now: datetime) -> OutcomeRecord:
    ids, names, values, times = (list(column) for column in zip(*rows, strict=True))
    recorded = int(now.timestamp() * 1_000_000)
    return OutcomeRecord(recorded=recorded, rows=len(rows), ids=ids, names=names, values=values, times=times)


def _text(row: Mapping[str, object], field: str, line: int) -> str:
    value = row.get(field)
    if not isinstance(value, str) or not value:
        raise OutcomeMalformed(f"{field} is text, not {_shown(row, field)}", line=line, field=field)
    return value


def _number(row: Mapping[str, object], line: int) -> float:
    value = row.get("value")
    try:
        number = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:  # an integer beyond every float; its digits help nobody
        raise OutcomeMalformed("value is a number below 1.8e308", line=line, field="value") from None
    if not math.isfinite(number):
        raise OutcomeMalformed(f"value is a finite number, not {_shown(row, 'value')}", line=line, field="value")
    return number


def _time(row: Mapping[str, object], line: int, latest: datetime) -> str | None:
    value = row.get("time")
    if value is None:
        return None
    try:
        moment = parse_instant(str(value))
    except ValueError:
        problem = f"time is an ISO 8601 instant, not {_shown(row, 'time')}"
        raise OutcomeMalformed(problem, line=line, field="time") from None
    if moment > latest:  # it has not happened, and would drive the clock that days are judged by
        raise OutcomeMalformed(f"time is more than a day from now: {_shown(row, 'time')}", line=line, field="time")
    return str(value)


def _shown(row: Mapping[str, object], field: str) -> str:
    return repr(row[field])[:60] if field in row else "missing"
