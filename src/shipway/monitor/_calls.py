"""LLM calls as one table: a row a call, flat columns, the spans of its layers as a list of structs. No text of anybody."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from shipway.monitor._deployments import deployment_ref
from shipway.monitor._faults import past_unreadable
from shipway.monitor._tables import INSTANT, list_tables
from shipway.store import CallRecord, Store

_SPAN = pl.Struct({"layer": pl.String, "start_us": pl.Int64, "took_us": pl.Int64, "status": pl.String})
CALL_COLUMNS: dict[str, pl.DataType] = {
    "id": pl.String(),
    "recorded": INSTANT,
    "day": pl.Date(),
    "application": pl.String(),
    "release": pl.String(),
    "deployment": pl.String(),
    "provider": pl.String(),
    "model": pl.String(),
    "key": pl.String(),
    "status": pl.Int64(),
    "error": pl.String(),
    "finish": pl.String(),
    "cache": pl.String(),
    "stream": pl.Boolean(),
    "input_tokens": pl.Int64(),
    "output_tokens": pl.Int64(),
    "cached_tokens": pl.Int64(),
    "written_tokens": pl.Int64(),
    "estimated": pl.Boolean(),
    "usd": pl.Float64(),
    "saved_usd": pl.Float64(),
    "prices": pl.String(),
    "latency_us": pl.Int64(),
    "ttft_us": pl.Int64(),
    "per_token_us": pl.Int64(),
    "retries": pl.Int64(),
    "index": pl.String(),
    "degraded": pl.List(pl.String()),
    "spans": pl.List(_SPAN),
}
_WRITTEN = [name for name in CALL_COLUMNS if name not in ("recorded", "day", "spans")]  # as the record has them


def call_table(records: Sequence[CallRecord]) -> pl.DataFrame:
    """CALL_COLUMNS of these records, in their order."""
    columns: dict[str, list[object]] = {name: [getattr(record, name) for record in records] for name in _WRITTEN}
    spans = [
        [{"layer": s.layer, "start_us": s.start_us, "took_us": s.took_us, "status": s.status} for s in record.spans]
        for record in records
    ]
    recorded = pl.Series("recorded", [record.recorded for record in records], dtype=pl.Int64)
    said = pl.DataFrame({**columns, "spans": spans}, schema_overrides={n: CALL_COLUMNS[n] for n in [*_WRITTEN, "spans"]})
    timed = said.with_columns(recorded.cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))
    return timed.with_columns(pl.col("recorded").dt.date().alias("day")).select(CALL_COLUMNS.keys())


def scan_calls(store: Store, *, since: datetime | None = None) -> pl.LazyFrame:
    """Every compacted call, refused ones too, recorded at or after `since` (all of them without one); CALL_COLUMNS."""
    paths = list_tables(store, "calls")
    if not paths:
        return pl.LazyFrame(schema=CALL_COLUMNS)
    frame = pl.scan_parquet(
        paths, schema=CALL_COLUMNS, missing_columns="insert", extra_columns="ignore", glob=False, hive_partitioning=False
    )
    return frame if since is None else frame.filter(pl.col("recorded") >= pl.lit(since, dtype=INSTANT))


def calls_of_ref(store: Store, calls: pl.LazyFrame, ref: str) -> pl.LazyFrame:
    """The calls that were answered for `deploy/<application>@<environment>`; a plain pass-through is nobody's."""
    ours = []
    for name in calls.select("deployment").unique().collect()["deployment"].to_list():
        with past_unreadable():
            ours += [name] if name and deployment_ref(store, name) == ref else []
    return calls.filter(pl.col("deployment").is_in(ours))
