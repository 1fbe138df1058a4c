"""What the outcome log holds, told by name: how much, how often corrected, how much of it joins nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from shipway.kernel.canonical import JsonObject
from shipway.kernel.clock import instant
from shipway.monitor._entities import entity_known, entity_rules
from shipway.monitor._faults import past_unreadable
from shipway.monitor._tables import INSTANT, scan_answers, scan_outcomes
from shipway.store import Store


@dataclass(frozen=True, slots=True)
class OutcomeFacts:
    """Of one name. corrected: ids whose value changed; repeated: rows that said the same again; orphans: ids of no prediction.

    An entity and a time is an id, too: entities says how many of the ids are such. They are of no prediction where no
    deployment says how they join, or none was asked for in time.

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
    entities: int = 0

    def to_json(self) -> JsonObject:
        """As in the document of `shipway outcomes`."""
        counts = {name: getattr(self, name) for name in ("rows", "ids", "entities", "corrected", "repeated", "orphans")}
        span = {"first": instant(self.first) if self.first else None, "last": instant(self.last) if self.last else None}
        return {"name": self.name, **counts, "units": list(self.units), **span}


def measure_outcome_log(store: Store) -> tuple[OutcomeFacts, ...]:
    """Of every name in the log, by name; what has been compacted counts."""
    asked = scan_answers(store).select("id").unique().with_columns(known=True)
    of = ["name", "id", "entity", "event"]
    ids = (
        scan_outcomes(store)
        .with_columns(event=pl.when(pl.col("entity").is_not_null()).then("time"))
        .with_columns(changed=(pl.col("value") != pl.col("value").shift(1)).fill_null(value=False).over(of))
        .group_by(of)
        .agg(pl.len().alias("rows"), pl.col("changed").sum(), pl.col("unit").drop_nulls().unique(), *_span("time"))
        .join(asked, on="id", how="left")
        .join(_joining(store), on=["name", "entity", "event"], how="left")
        .with_columns(known=pl.coalesce("known", "joins"))
    )
    names = ids.group_by("name").agg(
        pl.col("rows").sum(),
        pl.len().alias("ids"),
        pl.col("entity").count().alias("entities"),
        (pl.col("changed") > 0).sum().alias("corrected"),
        (pl.col("rows") - 1 - pl.col("changed")).sum().alias("repeated"),
        pl.col("known").is_null().sum().alias("orphans"),
        pl.col("unit").explode().drop_nulls().unique().sort().alias("units"),
        pl.col("first").min(),
        pl.col("last").max(),
    )
    order = ["name", "rows", "ids", "entities", "corrected", "repeated", "orphans", "units", "first", "last"]
    return tuple(
        OutcomeFacts(**{**row, "units": tuple(row["units"])})
        for row in names.select(order).sort("name").collect().iter_rows(named=True)
    )


def _joining(store: Store) -> pl.LazyFrame:
    """Outcomes about entities that are of a prediction of any deployment: name, entity, event, joins."""
    found = [pl.LazyFrame(schema={"name": pl.String, "entity": pl.String, "event": INSTANT})]
    for ref in store.refs("deploy/"):
        with past_unreadable():
            found += [
                entity_known(store, rule, name).select(pl.lit(name).alias("name"), "entity", event="label_time")
                for name, rule in entity_rules(store, ref.name).items()
            ]
    return pl.concat(found).unique().with_columns(joins=True)


def _span(name: str) -> tuple[pl.Expr, pl.Expr]:
    return pl.col(name).min().alias("first"), pl.col(name).max().alias("last")
