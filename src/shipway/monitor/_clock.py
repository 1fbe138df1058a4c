"""What time the logs tell: they may run behind the wall clock (a replay, a machine that was off), never ahead of it."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from shipway.monitor._deployments import rows_of_ref
from shipway.monitor._entities import entity_labels, entity_rules
from shipway.monitor._tables import AHEAD, INSTANT, scan_answers, scan_outcomes
from shipway.store import Store


def event_clock(store: Store, ref: str) -> datetime | None:
    """The newest instant of an event that was asked for behind a ref, or of an outcome of one; None before the first.

    Not believed are times more than AHEAD after the wall clock, and outcomes that join no prediction of the ref. A row
    without an event time has the time of its recording, which tells nothing in a replay: it counts only while its
    release knows no other.
    """
    answers = rows_of_ref(store, scan_answers(store), ref)
    asked = (
        _believed(store, answers)
        .group_by("release")
        .agg(pl.max("time").alias("any"), pl.col("time").filter(pl.col("time") != pl.col("recorded")).max().alias("event"))
        .select(pl.coalesce("event", "any").max())
    )
    outcomes = _believed(store, scan_outcomes(store).select("id", "time"))
    told = [outcomes.join(answers.select("id"), on="id", how="semi").select(pl.max("time"))]
    for name, rule in entity_rules(store, ref).items():
        times = entity_labels(store, rule, name).select(time="label_time")
        told.append(_believed(store, times).select(pl.max("time")))
    found = [frame.item() for frame in pl.collect_all([asked, *told])]
    return max((moment for moment in found if isinstance(moment, datetime)), default=None)


def _believed(store: Store, rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.filter(pl.col("time") <= pl.lit(store.clock.now() + AHEAD, dtype=INSTANT))
