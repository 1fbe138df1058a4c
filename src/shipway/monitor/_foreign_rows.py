"""The rows of somebody else's log that lie in a window, with the labels that are mature, as often as their weights say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shipway.kernel.errors import ShipwayError
from shipway.kernel.units import Seconds
from shipway.monitor._columns import collect_given
from shipway.monitor._coverage import AgeShare, maturity_curve
from shipway.monitor._tables import AHEAD, WEIGHT
from shipway.monitor._weights import repeated_rows

_MOST_ROWS = 20_000_000  # that weights may make of a window; beyond it every weight is taken in proportion


class WindowEmpty(ShipwayError):
    """There is nothing to compare: no prediction in the window, or no row in the reference."""

    code = "monitor.window-empty"


class WeightMalformed(ShipwayError):
    """A weight that no row can have."""

    code = "monitor.weight-malformed"


def rows_inside(
    predictions: pl.LazyFrame, window: Seconds, *, now: datetime, until: datetime | None
) -> tuple[pl.DataFrame, int, int]:
    """The rows of the window; how many have no time while others do; how many have one that nobody can believe."""
    ahead = pl.col("time") > pl.lit(now + AHEAD)
    counted = predictions.select(
        pl.len().alias("rows"),
        pl.col("time").count().alias("timed"),
        ahead.sum().alias("ahead"),
        pl.col("time").filter(~ahead).max().alias("last"),
    )
    rows, timed, mistimed, last = collect_given(counted, "the log").row(0)
    if not timed:
        return collect_given(predictions, "the log"), 0, 0
    end = until or (last + timedelta(microseconds=1) if last else now)
    first = end - timedelta(seconds=window)
    within = predictions.filter(pl.col("time") >= pl.lit(first), pl.col("time") < pl.lit(end))
    inside = collect_given(within, "the log")
    return inside.sort("time", maintain_order=True), rows - timed, mistimed


def with_mature(rows: pl.DataFrame, matures: Seconds, as_of: datetime) -> pl.DataFrame:
    """With `mature`; a label of a row that is not is none yet, nor one that is said to come after as_of."""
    old = pl.col("time") + timedelta(seconds=matures) <= pl.lit(as_of)
    mature = old.fill_null(value=True)
    here = mature & (pl.col("label_time") <= pl.lit(as_of)).fill_null(value=True) & pl.col("label").is_not_nan()
    return rows.with_columns(mature=mature, label=pl.when(here).then(pl.col("label")))


def arrival_curve(rows: pl.DataFrame, now: datetime) -> tuple[AgeShare, ...]:
    """Of rows that tell when their label came: that is when it arrived, counted from the event."""
    arrived = pl.col("label_time")
    told = rows.filter(pl.col("label").is_null() | arrived.is_not_null()).with_columns(
        recorded=pl.col("time"), label_recorded=arrived, label_known=pl.col("label").is_not_null()
    )
    newest = max((end for end in (rows["label_time"].max(), rows["time"].max()) if isinstance(end, datetime)), default=now)
    return maturity_curve(told.filter(pl.col("time").is_not_null()), now=_micros(min(newest, now)))


def repeat_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """Every row as often as it stands for. Raises WeightMalformed."""
    weights = rows[WEIGHT].fill_null(1.0)
    if weights.len() == 0 or (weights == 1.0).all():
        return rows
    values = weights.to_numpy()
    if not np.isfinite(values).all() or (values < 0).any():
        raise WeightMalformed("a weight is a number of 0 or more", mend="--weight COLUMN, or leave it out with --ignore")
    total = float(values.sum())
    if not total > 0:
        raise WeightMalformed("all weights are 0", mend="--weight COLUMN, or leave it out with --ignore")
    return rows[repeated_rows(values * min(1.0, _MOST_ROWS / total))]


def repeat_values(rows: pl.DataFrame, values: NDArray[Any] | None) -> NDArray[Any] | None:
    if values is None:
        return None
    return repeat_rows(rows.select(WEIGHT).with_columns(pl.Series("value", values)))["value"].to_numpy()


def _micros(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp() * 1_000_000)
