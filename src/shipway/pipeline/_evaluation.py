"""How good a model is on the rows it has not seen: four metrics with intervals whose errors are clustered by day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from shipway.kernel.digest import Descriptor
from shipway.kernel.errors import ShipwayError
from shipway.pipeline._model_rows import LABEL, SCORE, TIME
from shipway.pipeline._scored import load_scores
from shipway.stats import Interval, auc_interval, brier_interval, calibration_interval, log_loss_interval
from shipway.store import Store

_BINS = 10  # of equal mass, as in stats.calibration_error

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class EvaluationImpossible(ShipwayError):
    """A metric has no value or no interval on these rows: one class only, one day only."""

    code = "pipeline.evaluation-impossible"


@dataclass(frozen=True, slots=True)
class Metric:
    """A measured quality: value within [low, high] at `level` coverage, on n rows in so many clusters (days)."""

    name: str
    value: float
    low: float
    high: float
    level: float
    n: int
    clusters: int


def measure_evaluation(store: Store, scores: Descriptor, *, level: float = 0.95) -> tuple[Metric, ...]:
    """auc, brier, log_loss (nats) and calibration_error of a scored reference (`ModelMade.scores`).

    Errors are clustered by the calendar day of `time`; rows are independent when there is none. Raises
    EvaluationImpossible, ObjectMissing, ObjectDamaged.
    """
    table = load_scores(store, scores)
    score, label, days = table[SCORE].to_numpy(), table[LABEL].to_numpy().astype(np.float64), _days(table)
    return (
        _metric("auc", lambda: auc_interval(score, label, days, level=level)),
        _metric("brier", lambda: brier_interval(score, label, days, level=level)),
        _metric("log_loss", lambda: log_loss_interval(score, label, days, level=level)),
        _metric("calibration_error", lambda: _calibration(score, label, days, level=level)),
    )


def _days(table: pl.DataFrame) -> Ints:
    """The number of each row's day in the order of time; without a time each row is a day of its own."""
    if TIME not in table.columns:
        return np.arange(table.height, dtype=np.int64)
    return np.unique(table[TIME].dt.date().to_physical().to_numpy(), return_inverse=True)[1].astype(np.int64)


def _metric(name: str, measure: Callable[[], Interval]) -> Metric:
    try:
        return Metric(name, *measure())
    except ValueError as problem:
        raise EvaluationImpossible(f"{name}: {problem}", mend="hold out more rows, over at least two days") from problem


def _calibration(score: Floats, label: Floats, days: Ints, *, level: float) -> Interval:
    """Over a table of days by score bins, days in the order of time."""
    cuts = np.unique(np.quantile(score, np.linspace(0, 1, _BINS + 1)[1:-1], method="inverted_cdf"))
    place, shape = np.searchsorted(cuts, score, side="right"), (int(days.max()) + 1, cuts.size + 1)
    cell, cells = days * shape[1] + place, shape[0] * shape[1]
    tables = (np.bincount(cell, weights, minlength=cells).reshape(shape) for weights in (None, score, label))
    return calibration_interval(*tables, level=level)
