"""Gaps: rows that were accepted and that no reader will ever see, each recorded once, with its size.

A gap is a row of state (kind `gap`) and a table of the log `gaps`, both named after the writer or segment that lost it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from shipway.kernel.canonical import JsonObject
from shipway.kernel.clock import instant
from shipway.monitor._tables import sync_folder, table_folder, write_table
from shipway.store import Gap, Store

GAP = "gap"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def record_gap(store: Store, stream: str, gap: Gap, *, now: datetime) -> None:
    """Rows that a finished writer accepted and never wrote, or refused because its buffer was full."""
    counts: JsonObject = {"accepted": gap.accepted, "readable": gap.readable, "dropped": gap.dropped}
    known: JsonObject = {"rows": gap.lost_rows, "bytes": None, "first": _at(gap.first), "last": _at(gap.last), **counts}
    # the name ends in a time because a name of a writer may be used again once its gap is recorded
    _record_once(
        store, f"{stream}/{gap.writer}-{gap.last}", {"stream": stream, "source": gap.writer, "remark": None, **known}, now
    )


def record_damage(
    store: Store, stream: str, segment: str, *, rows: int, lost_bytes: int, now: datetime, remark: str | None = None
) -> None:
    """A segment that is not whole: rows of frames that nobody can read, bytes that are no frame (rows unknown).

    remark: why, where the bytes themselves are fine; the segment is in `unread` and loses nothing.
    """
    counts: JsonObject = {"accepted": None, "readable": None, "dropped": None}
    known: JsonObject = {"rows": rows, "bytes": lost_bytes, "first": None, "last": None, **counts}
    _record_once(store, f"{stream}/{segment}.seg", {"stream": stream, "source": segment, "remark": remark, **known}, now)


def record_unpaired(store: Store, source: str, halves: int, *, now: datetime) -> None:
    """Requests or responses of a payload logger whose other half never came while this process ran: a row each, at least."""
    counts: JsonObject = {"accepted": None, "readable": None, "dropped": halves}
    known: JsonObject = {"rows": halves, "bytes": None, "first": None, "last": None, **counts}
    remark = "events without their other half"
    _record_once(store, f"predictions/{source}", {"stream": "predictions", "source": source, "remark": remark, **known}, now)


def _record_once(store: Store, key: str, value: JsonObject, now: datetime) -> None:
    if store.state(GAP, key) is not None:
        return
    whole = {**value, "recorded": instant(now)}
    folder = table_folder(store, "gaps")
    write_table(pl.DataFrame([whole], infer_schema_length=None), folder / f"{key.replace('/', '-')}.parquet")
    sync_folder(folder)
    store.put_state(GAP, key, whole)


def _at(microseconds: int) -> str:
    return instant(_EPOCH + timedelta(microseconds=microseconds))
