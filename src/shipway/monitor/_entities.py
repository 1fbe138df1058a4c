"""Outcomes that name an entity and a time instead of a prediction: which predictions they are of.

As of the outcome: the last prediction of the entity that a release gave before it, within a declared time, or all within it.
Of several outcomes in the time of one prediction the latest counts. What the rows of one day get never hangs on which days
are asked about.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import NamedTuple, cast

import polars as pl

from shipway.kernel.canonical import Json
from shipway.monitor._deployments import rows_of_ref
from shipway.monitor._tables import ROW, input_column, scan_outcomes, scan_with_text
from shipway.store import Store

_TICK = timedelta(microseconds=1)


class EntityRule(NamedTuple):
    """How outcomes of one name join the predictions of a ref (of all refs without one).

    column: of the prediction table; within: how long after a prediction; every: whether all predictions in that time or the
    last one of each release. first, last: the event days whose rows are wanted, all without.
    """

    column: str
    within: timedelta
    every: bool = False
    ref: str | None = None
    first: date | None = None
    last: date | None = None

    def between(self, first: date | None, last: date | None) -> EntityRule:
        """The same for rows of these days, both included."""
        return self._replace(first=first, last=last)


def entity_rules(store: Store, ref: str) -> dict[str, EntityRule]:
    """By outcome, as the deployment says that the ref names now; empty where it names none."""
    present = store.ref(ref)
    if present is None:
        return {}
    outcomes = cast("Mapping[str, Mapping[str, Json]]", store.get(present.digest, "deployment").get("outcomes") or {})
    return {
        name: EntityRule(
            input_column(str(value["by"])),
            timedelta(seconds=float(cast("float", value["within_seconds"]))),
            every=value.get("match") == "all",
            ref=ref,
        )
        for name, value in outcomes.items()
        if value.get("by") is not None
    }


def entity_rule(store: Store, ref: str, outcome: str, first: date | None = None, last: date | None = None) -> EntityRule | None:
    """Of one outcome, for rows of these days; None where only predictions' ids join."""
    rule = entity_rules(store, ref).get(outcome)
    return rule.between(first, last) if rule else None


def entity_rows(store: Store, rule: EntityRule) -> pl.LazyFrame:
    """The predictions of the rule's days that have an entity: ROW, `entity`, `time`, and `until`, the last instant at which an
    outcome is of them.
    """
    ends = None if rule.last is None else rule.last + rule.within + timedelta(days=1)
    scanned = scan_with_text(store, rule.column, "entity", first=rule.first, last=ends)
    rows = scanned if rule.ref is None else rows_of_ref(store, scanned, rule.ref)
    rows = rows.filter(pl.col("entity").is_not_null()).select(*ROW, "entity", "time", "day")
    if rule.every:
        known = rows.with_columns(until=pl.col("time") + rule.within)
    else:
        of = ["release", "entity"]
        instants = rows.select(*of, "time").unique().sort("time")
        following = instants.with_columns(until=pl.col("time").shift(-1).over(of) - _TICK)
        known = rows.join(following, on=[*of, "time"], how="left")
        known = known.with_columns(until=pl.min_horizontal("until", pl.col("time") + rule.within))
    return known if rule.last is None else known.filter(pl.col("day") <= rule.last)


def entity_outcomes(store: Store, name: str) -> pl.LazyFrame:
    """Of one name about entities, of one entity and time the last recorded: entity, label, label_time, label_recorded."""
    told = scan_outcomes(store).filter(pl.col("name") == name, pl.col("entity").is_not_null())
    newest = told.unique(["entity", "time"], keep="last", maintain_order=True)
    return newest.select("entity", label="value", label_time="time", label_recorded="recorded")


def entity_labels(store: Store, rule: EntityRule, name: str) -> pl.LazyFrame:
    """The rows that have an outcome by their entity: ROW, label, label_time, label_recorded."""
    rows, told = entity_rows(store, rule).sort("until"), entity_outcomes(store, name).sort("label_time")
    found = rows.join_asof(
        told,
        left_on="until",
        right_on="label_time",
        by="entity",
        strategy="backward",
        coalesce=False,
        check_sortedness=False,
    )
    return found.filter(pl.col("label_time") >= pl.col("time")).select(*ROW, "label", "label_time", "label_recorded")


def entity_known(store: Store, rule: EntityRule, name: str) -> pl.LazyFrame:
    """Outcomes of this name about entities that are of a prediction: entity, label_time. Another may count in their place."""
    told = entity_outcomes(store, name).sort("label_time")
    rows = entity_rows(store, rule).select("entity", "time").sort("time")
    found = told.join_asof(
        rows, left_on="label_time", right_on="time", by="entity", strategy="backward", coalesce=False, check_sortedness=False
    )
    return found.filter(pl.col("time") + rule.within >= pl.col("label_time")).select("entity", "label_time")
