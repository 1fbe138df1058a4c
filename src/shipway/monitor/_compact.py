"""Compaction: sealed log segments become Parquet tables, dead writers' losses become gaps that have a size.

Every step may be repeated: a table and a gap are named after what they were made from, and a segment goes only after
its table is on the device. Killed anywhere, the next call ends where this one would have. Open segments are not
touched. Small tables are then merged (`_merge`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import polars as pl

from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.monitor._beside import BESIDE, beside_tables
from shipway.monitor._calls import call_table
from shipway.monitor._faults import past_unreadable
from shipway.monitor._gaps import record_damage, record_gap
from shipway.monitor._lock import exclusive
from shipway.monitor._merge import merge_tables
from shipway.monitor._outcomes import outcome_table
from shipway.monitor._prediction_table import prediction_table
from shipway.monitor._schema import column_notes
from shipway.monitor._tables import sync_folder, table_folder, write_table
from shipway.store import (
    CallRecord,
    Frame,
    OutcomeRecord,
    PredictionRecord,
    SegmentFile,
    SegmentForeign,
    SegmentRead,
    Store,
    decode_record,
    list_segments,
    read_segment,
    recover_writers,
)

TimeColumn = Callable[[Digest], str | None]
"""The name of a release's event-time column, None when it has none.

A ShipwayError says that the release cannot be read: its records wait in `unread` for it to come back, the others go on.
What may succeed later (`retry`) and any other error ends the call; the segment waits.
"""

STREAMS = ("predictions", "outcomes", "calls")
_BATCH = 8  # segments a turn: what a crash repeats, and what two flushes of the folders are shared by


class Compacted(NamedTuple):
    """What one call did: prediction rows, outcomes and LLM calls put into tables, gaps found; all 0 when another is at it.

    mistimed: of the rows, those whose event time lay in the future and was not believed. A table that is made again
    after a crash counts again.
    """

    rows: int
    outcomes: int
    gaps: int
    mistimed: int = 0
    calls: int = 0


class _Taken(NamedTuple):
    """What a segment gave: its table, rows in frames that nobody could read, bytes after the last whole frame."""

    table: pl.DataFrame
    unread_rows: int
    lost_bytes: int = 0
    mistimed: int = 0
    remark: str | None = None
    beside: Mapping[str, pl.DataFrame] = MappingProxyType({})  # tables of frames that stand for no row, by their log
    notes: Mapping[str, str] = MappingProxyType({})

    @property
    def whole(self) -> bool:
        return not (self.unread_rows or self.lost_bytes)


def compact_logs(store: Store, *, now: datetime, time_column: TimeColumn) -> Compacted:
    """Puts everything sealed into tables. Killable, idempotent; of several at once all but one do nothing."""
    folders = {stream: store.log_folder(stream) for stream in STREAMS}
    with exclusive(store.log_folder("predictions").parent / "compact.lock", wait=False) as free:
        if not free:
            return Compacted(0, 0, 0)
        gaps = sum(_recover(store, stream, folder, now) for stream, folder in folders.items())
        done = {stream: _compact_stream(store, stream, now, time_column) for stream in STREAMS}
        for stream in STREAMS:
            if done[stream].segments:
                merge_tables(store, stream, now=now)
        for beside in BESIDE if done["predictions"].segments else ():
            merge_tables(store, beside, now=now)
    gaps += sum(stream.damaged for stream in done.values())
    predictions, outcomes, calls = (done[stream] for stream in STREAMS)
    return Compacted(predictions.rows, outcomes.rows, gaps, predictions.mistimed, calls.rows)


class _Done(NamedTuple):
    """Of one stream: rows put into tables, damaged segments found, rows of a future event time, segments taken."""

    rows: int
    damaged: int
    mistimed: int
    segments: int


def _recover(store: Store, stream: str, folder: Path, now: datetime) -> int:
    return len(recover_writers(folder, lambda gap: record_gap(store, stream, gap, now=now)))


def _compact_stream(store: Store, stream: str, now: datetime, time_column: TimeColumn) -> _Done:
    rows = damaged = mistimed = 0
    sealed = [segment for segment in list_segments(store.log_folder(stream)) if segment.sealed]
    for at in range(0, len(sealed), _BATCH):
        taken = [(segment, _take(segment, stream, time_column)) for segment in sealed[at : at + _BATCH]]
        _keep(store, stream, taken, now)
        rows += sum(found.table.height for _, found in taken)
        damaged += sum(not found.whole for _, found in taken)
        mistimed += sum(found.mistimed for _, found in taken)
    return _Done(rows, damaged, mistimed, len(sealed))


def _keep(store: Store, stream: str, taken: list[tuple[SegmentFile, _Taken]], now: datetime) -> None:
    """Tables and gaps first; the segments go when both are on the device."""
    folder = table_folder(store, stream)
    for segment, found in taken:
        name = segment.path.stem
        if found.table.height:
            write_table(found.table, folder / f"{name}.parquet", notes=found.notes)
        for other, table in found.beside.items():
            write_table(table, table_folder(store, other) / f"{name}.parquet")
        if not found.whole:
            lost, remark = found.lost_bytes, found.remark
            record_damage(store, stream, name, rows=found.unread_rows, lost_bytes=lost, now=now, remark=remark)
    for one in (stream, *dict.fromkeys(other for _, found in taken for other in found.beside)):
        sync_folder(table_folder(store, one))
    for segment, found in taken:
        _put_away(segment.path, whole=found.whole)
    sync_folder(store.log_folder(stream))


def _take(segment: SegmentFile, stream: str, time_column: TimeColumn) -> _Taken:
    try:
        read = read_segment(segment.path)
    except SegmentForeign:  # its beginning is destroyed: nothing in it can be read
        read = SegmentRead((), 0, segment.path.stat().st_size)
    return _TAKE[stream](read.frames, time_column)._replace(lost_bytes=read.lost_bytes)


def _take_predictions(frames: tuple[Frame, ...], time_column: TimeColumn) -> _Taken:
    read = [record for _, record in _records(frames)]
    good = [record for record in read if isinstance(record, PredictionRecord)]
    releases = dict.fromkeys(Digest(record.release) for record in good)
    columns: dict[Digest, str | None] = {}
    for release in releases:
        with past_unreadable():
            columns[release] = time_column(release)
    table, mistimed, noted = prediction_table(good, columns)
    gone = [release for release in releases if release not in columns]
    remark = f"the release cannot be read: {', '.join(gone)}" if gone else None
    lost, beside = sum(frame.rows for frame in frames) - table.height, beside_tables(read)
    return _Taken(table, lost, mistimed=mistimed, remark=remark, beside=beside, notes=column_notes([noted]))


def _take_outcomes(frames: tuple[Frame, ...], _time_column: TimeColumn) -> _Taken:
    good = [record for _, record in _records(frames) if isinstance(record, OutcomeRecord)]
    table = outcome_table(good)
    return _Taken(table, sum(frame.rows for frame in frames) - table.height)


def _take_calls(frames: tuple[Frame, ...], _time_column: TimeColumn) -> _Taken:
    good = [record for _, record in _records(frames) if isinstance(record, CallRecord)]
    return _Taken(call_table(good), sum(frame.rows for frame in frames) - len(good))


_TAKE = {"predictions": _take_predictions, "outcomes": _take_outcomes, "calls": _take_calls}


def _records(frames: tuple[Frame, ...]) -> Iterator[tuple[Frame, object]]:
    for frame in frames:
        with suppress(ShipwayError):  # of a newer Shipway, perhaps: counted by the caller, its segment is kept
            yield frame, decode_record(frame.payload)


def _put_away(path: Path, *, whole: bool) -> None:
    """Removes a segment that is all in its table; one that is not goes to `unread`, for a person or a newer Shipway."""
    if whole:
        path.unlink()
    else:
        shelf = path.parent / "unread"
        shelf.mkdir(exist_ok=True)
        path.rename(shelf / path.name)
