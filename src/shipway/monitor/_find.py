"""One row of the logs by its id, for a person who asks about it. Every table is looked through; only what fits is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from shipway.monitor._calls import scan_calls
from shipway.monitor._deployments import deployment_ref
from shipway.monitor._entities import entity_rows, entity_rules
from shipway.monitor._tables import OUTCOME_COLUMNS, PREDICTION_COLUMNS, ROW, list_tables, scan_outcomes
from shipway.store import Store


def find_predictions(store: Store, text: str) -> pl.DataFrame:
    """The rows of a prediction id `<request>:<row>`, or all rows of a request id, with every column, oldest first.

    An id that a client used twice has several. Only what has been compacted is found.
    """
    found = [pl.DataFrame(schema=PREDICTION_COLUMNS)]
    for path in list_tables(store, "predictions"):
        frame = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        rows = frame.filter((pl.col("id") == text) | (pl.col("request") == text)).collect()
        found += [rows] if rows.height else []
    return pl.concat(found, how="diagonal_relaxed").sort("recorded", maintain_order=True)


def find_call(store: Store, text: str) -> pl.DataFrame:
    """The rows of an LLM call's id, oldest first."""
    return scan_calls(store).filter(pl.col("id") == text).collect().sort("recorded", maintain_order=True)


def find_outcomes(store: Store, text: str) -> pl.DataFrame:
    """What was recorded as true for a prediction id, corrections too, oldest first."""
    return scan_outcomes(store).filter(pl.col("id") == text).collect().select(OUTCOME_COLUMNS.keys())


def find_entity_outcomes(store: Store, row: Mapping[str, Any]) -> pl.DataFrame:
    """What was recorded about the entity of a prediction in the time in which it is of it, corrections too, oldest first.

    row: of find_predictions. Of the outcomes of one name those of the latest time count, of those the last recorded.
    """
    found = [pl.DataFrame(schema=OUTCOME_COLUMNS)]
    key = pl.all_horizontal(pl.col(name) == row[name] for name in ROW)
    for name, rule in entity_rules(store, deployment_ref(store, row["deployment"])).items():
        day = row["day"]
        span = entity_rows(store, rule.between(day, day)).filter(key).collect()
        for entity, first, last in span.select("entity", "time", "until").iter_rows():
            told = scan_outcomes(store).filter(pl.col("name") == name, pl.col("entity") == entity)
            found.append(told.filter(pl.col("time").is_between(first, last)).collect().select(OUTCOME_COLUMNS.keys()))
    return pl.concat(found)
