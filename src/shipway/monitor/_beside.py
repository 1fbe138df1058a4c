"""What a prediction log says beside predictions: requests that got no answer, and what the answers took."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
import polars as pl

from shipway.kernel.canonical import JsonObject
from shipway.monitor._tables import INSTANT, list_tables
from shipway.store import FailureRecord, Store, WorkRecord

BESIDE = ("failures", "work")  # logs whose tables come from segments of predictions


class ServingCost(NamedTuple):
    """Of the predictors of a release: rows answered, CPU seconds of their processes; usd None where no price was known."""

    rows: int
    cpu_seconds: float
    usd: float | None

    def to_json(self) -> JsonObject:
        """As commands and the API show it: what a thousand predictions took."""
        thousands = self.rows / 1000
        money = None if self.usd is None else self.usd / thousands
        return {"rows": self.rows, "per_thousand": {"cpu_seconds": self.cpu_seconds / thousands, "usd": money}}


def beside_tables(records: Iterable[object]) -> dict[str, pl.DataFrame]:
    """The tables that are not empty, by the name of their log; `recorded` as an instant, the day of it after it."""
    read = list(records)
    failures = [record for record in read if isinstance(record, FailureRecord)]
    work = [record for record in read if isinstance(record, WorkRecord)]
    return {name: _table(found) for name, found in (("failures", failures), ("work", work)) if found}


def _table(records: Sequence[FailureRecord] | Sequence[WorkRecord]) -> pl.DataFrame:
    rows = []
    for record in records:
        row = msgspec.structs.asdict(record)
        del row["v"]
        rows.append(row)
    table = pl.DataFrame(rows, infer_schema_length=None)
    instant = pl.col("recorded").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return table.with_columns(instant, instant.dt.date().alias("day"))


def measure_serving(store: Store, *, since: datetime = datetime(1970, 1, 1, tzinfo=UTC)) -> dict[str, ServingCost]:
    """What predictions have cost from an instant on, by release; without those of which nothing is recorded."""
    paths = list_tables(store, "work")
    if not paths:
        return {}
    frame = pl.scan_parquet(paths, glob=False, hive_partitioning=False)
    found = (
        frame.filter(pl.col("recorded") >= pl.lit(since, dtype=INSTANT))
        .group_by("release")
        .agg(
            pl.sum("rows"),
            pl.sum("cpu_us"),
            pl.col("usd").filter(pl.col("usd") >= 0).sum(),
            (pl.col("usd") < 0).any().alias("unpriced"),
        )
        .collect()
    )
    return {
        release: ServingCost(rows, cpu / 1e6, None if unpriced else usd)
        for release, rows, cpu, usd, unpriced in found.iter_rows()
        if rows
    }
