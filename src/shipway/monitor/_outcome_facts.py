"""What the outcome log holds, told by name: how much, how often corrected, how much of it joins nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from shipway.kernel.canonical import JsonObject
from shipway.kernel.clock import instant
from shipway.monitor._tables import scan_answers, scan_outcomes
from shipway.store import Store


@dataclass(frozen=True, slots=True)
class OutcomeFacts:
    """Of one name. corrected: ids whose value changed; repeated: rows that said the same again; orphans: ids of no prediction.

    first, last: when the oldest and the newest happened, None where no row says; units: every one that occurs.
    """

    name: str
    rows: int
    ids: int
    corrected: int
    repeated: int
    orphans: int
    units: tuple[str, ...]
    first: datetime | None
    last: datetime | None

    def to_json(self) -> JsonObject:
        """As in the document of `shipway outcomes`."""
        counts = {name: getattr(self, name) for name in ("rows", "ids", "corrected", "repeated", "orphans")}
        span = {"first": instant(self.first) if self.first else None, "last": instant(self.last) if self.last else None}
        return {"name": self.name, **counts, "units": list(self.units), **span}


def measure_outcome_log(store: Store) -> tuple[OutcomeFacts, ...]:
    """Of every name in the log, by name; what has been compacted counts."""
    asked = scan_answers(store).select("id").unique().with_columns(known=True)
    ids = (
        scan_outcomes(store)
        .with_columns(changed=(pl.col("value") != pl.col("value").shift(1)).fill_null(value=False).over("name", "id"))
        .group_by("name", "id")
        .agg(pl.len().alias("rows"), pl.col("changed").sum(), pl.col("unit").drop_nulls().unique(), *_span("time"))
        .join(asked, on="id", how="left")
    )
    names = ids.group_by("name").agg(
        pl.col("rows").sum(),
        pl.len().alias("ids"),
        (pl.col("changed") > 0).sum().alias("corrected"),
        (pl.col("rows") - 1 - pl.col("changed")).sum().alias("repeated"),
        pl.col("known").is_null().sum().alias("orphans"),
        pl.col("unit").explode().drop_nulls().unique().sort().alias("units"),
        pl.col("first").min(),
        pl.col("last").max(),
    )
    order = ["name", "rows", "ids", "corrected", "repeated", "orphans", "units", "first", "last"]
    return tuple(
        OutcomeFacts(**{**row, "units": tuple(row["units"])})
        for row in names.select(order).sort("name").collect().iter_rows(named=True)
    )


def _span(name: str) -> tuple[pl.Expr, pl.Expr]:
    return pl.col(name).min().alias("first"), pl.col(name).max().alias("last")
