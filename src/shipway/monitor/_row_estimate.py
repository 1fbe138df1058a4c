"""A window of a deployment's rows without its labels, learnt from the rows that its model was measured on. Never judges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shipway.monitor._foreign_estimate import ForeignEstimate, fit_classes, fit_number
from shipway.monitor._foreign_table import ANSWER, CLASS, FEATURE
from shipway.monitor._tables import SCORE

Floats = NDArray[np.float64]
_WORDS = (pl.Boolean, pl.String, pl.Categorical, pl.Enum)


class AnsweredRows(NamedTuple):
    """answers: (n,) numbers or (n, classes) chances; truth: (n,) numbers or places, NaN where not known; features: n rows."""

    answers: Floats
    truth: Floats
    features: pl.DataFrame


def fit_rows_estimate(known: AnsweredRows, classes: Sequence[str]) -> Callable[[AnsweredRows], ForeignEstimate]:
    """What rows would be expected to show with their labels. classes: in the order of their chances, none of a number.

    Learns once, for any number of windows: of a number up to four regressions of 100 trees. A feature that a window lacks is
    missing in all of its rows; one of another type than in `known` is taken as that where it can be.
    """
    kept = known.features.select(name for name, kind in known.features.schema.items() if kind.is_numeric() or kind in _WORDS)
    labelled = _table(known._replace(features=kept), classes).filter(pl.col("label").is_not_null())
    estimate = fit_classes(labelled, classes) if classes else fit_number(labelled, kept.columns)
    return lambda rows: estimate(_table(rows._replace(features=_alike(rows.features, kept.schema, len(rows.truth))), classes))


def _table(rows: AnsweredRows, classes: Sequence[str]) -> pl.DataFrame:
    """The rows under the names of take_columns; a label that is no class's place is none."""
    label = pl.Series("label", rows.truth, dtype=pl.Float64)
    features = {FEATURE + name: rows.features[name] for name in rows.features.columns}
    if not classes:
        finite = label.set(~label.is_finite(), None)
        return pl.DataFrame({SCORE: pl.Series(rows.answers, dtype=pl.Float64), "label": finite, **features})
    whole = np.isfinite(rows.answers).all(axis=1)
    likeliest = np.where(whole, np.nan_to_num(rows.answers, nan=-1.0).argmax(axis=1), np.nan)
    places = label.set(~label.is_in([float(place) for place in range(len(classes))]), None)
    scores = {CLASS + name: pl.Series(rows.answers[:, at], dtype=pl.Float64) for at, name in enumerate(classes)}
    return pl.DataFrame({**scores, ANSWER: pl.Series(likeliest).fill_nan(None), "label": places, **features})


def _alike(features: pl.DataFrame, wanted: pl.Schema, rows: int) -> pl.DataFrame:
    columns = []
    for name, kind in wanted.items():
        dtype = pl.Float64 if kind.is_numeric() else pl.String
        if name in features.columns:
            columns.append(features[name].cast(dtype, strict=False))
        else:
            columns.append(pl.Series(name, [None], dtype=dtype).new_from_index(0, rows))
    return pl.DataFrame(columns)
