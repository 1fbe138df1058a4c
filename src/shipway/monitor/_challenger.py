"""The logged rows on which a challenger is asked what live was asked, and some of them evenly."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shipway.kernel.digest import Digest
from shipway.kernel.units import Seconds
from shipway.monitor._deployments import rows_of_ref
from shipway.monitor._entities import entity_rule
from shipway.monitor._join import AT_ONCE, with_labels
from shipway.monitor._tables import PREDICTION_COLUMNS, WEIGHT, input_column, scan_predictions
from shipway.monitor._weights import repeated_rows
from shipway.store import Store


def window_rows(
    store: Store, ref: str, *, start: date, end: date, outcome: str, matures: Seconds = AT_ONCE, as_of: datetime | None = None
) -> pl.DataFrame:
    """Every prediction behind a ref on the event days start to end (both included), in the order of their events.

    The columns of the prediction table with all inputs and `probability` (the live score), and `label`, null where the
    outcome is not known, or not mature (as `joined`, with its matures and as_of). Rows of every release that answered are
    in it: `release` says of which. Take the inputs out with `inputs_of` and score the challenger.
    """
    rows = rows_of_ref(store, scan_predictions(store, first=start, last=end), ref)
    rule = entity_rule(store, ref, outcome, start, end)
    labelled = with_labels(store, rows, outcome=outcome, matures=matures, as_of=as_of, entity=rule)
    return labelled.sort("time", "id").collect()


def spaced_rows(
    store: Store,
    ref: str,
    release: Digest,
    days: Sequence[date],
    *,
    columns: Sequence[str],
    most: int,
    outcome: str,
    matures: Seconds = AT_ONCE,
    as_of: datetime | None = None,
) -> pl.DataFrame:
    """As window_rows, of one release, these days, and these of its columns where the log has them; read once.

    At most `most` rows, evenly spaced in the order of their events. Of a log that keeps a share of the requests each is there
    as often as it stands for, in proportion where that would be more than `most`.
    """
    first, last = min(days), max(days)
    rows = rows_of_ref(store, scan_predictions(store, first=first, last=last), ref)
    schema, wanted = rows.collect_schema(), dict.fromkeys((*PREDICTION_COLUMNS, WEIGHT, *columns))
    there = [name for name in wanted if name in schema]
    own = rows.filter(pl.col("release") == release, pl.col("day").is_in(list(days))).select(there).sort("time", "id")
    step = (pl.len() + most - 1) // most
    some = own.filter(pl.int_range(pl.len()) % step == 0)
    rule = entity_rule(store, ref, outcome, first, last)
    found = with_labels(store, some, outcome=outcome, matures=matures, as_of=as_of, entity=rule).collect()
    weights = weights_of(found)
    if weights is None:
        return found
    return found[repeated_rows(weights * min(1.0, most / max(1.0, float(weights.sum()))))]


def inputs_of(rows: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The logged model inputs of these names, called and ordered as the model knows them."""
    return rows.select(pl.col(input_column(name)).alias(name) for name in names)


def weights_of(rows: pl.DataFrame) -> NDArray[np.float64] | None:
    """How many requests each row stands for, (n,); None where each stands for itself."""
    if WEIGHT not in rows.columns:
        return None
    weights = rows[WEIGHT].fill_null(1.0).to_numpy()
    return None if (weights == 1.0).all() else weights
