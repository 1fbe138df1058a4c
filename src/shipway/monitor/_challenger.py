"""The logged rows on which a challenger is asked what live was asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shipway.kernel.units import Seconds
from shipway.monitor._deployments import rows_of_ref
from shipway.monitor._entities import entity_rule
from shipway.monitor._join import AT_ONCE, with_labels
from shipway.monitor._tables import WEIGHT, input_column, scan_predictions
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


def inputs_of(rows: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The logged model inputs of these names, called and ordered as the model knows them."""
    return rows.select(pl.col(input_column(name)).alias(name) for name in names)


def weights_of(rows: pl.DataFrame) -> NDArray[np.float64] | None:
    """How many requests each row stands for, (n,); None where each stands for itself."""
    if WEIGHT not in rows.columns:
        return None
    weights = rows[WEIGHT].fill_null(1.0).to_numpy()
    return None if (weights == 1.0).all() else weights
