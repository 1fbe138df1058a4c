"""What time the logs tell: late outcomes carry the day on which they became known."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl

from shipway.monitor._tables import scan_outcomes
from shipway.store import Store


def newest_outcome(store: Store) -> date | None:
    """The latest day that an outcome in the log speaks of; None when none has a time."""
    moment = scan_outcomes(store).select(pl.col("time").max()).collect().item()
    return moment.date() if isinstance(moment, datetime) else None
