"""How good a model is on the rows it has not seen: metrics with intervals whose errors are clustered by day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from shipway.kernel.digest import Descriptor
from shipway.kernel.errors import ShipwayError
from shipway.pipeline._answers import class_scores
from shipway.pipeline._model_rows import LABEL, SCORE, TIME
from shipway.pipeline._scored import load_scores
from shipway.stats import (
    Interval,
    auc_interval,
    brier_interval,
    calibration_interval,
    log_loss_interval,
    mean_interval,
    share_interval,
)
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
    """The metrics of a scored reference (`ModelMade.scores`), by what the model answers.

    Of one probability auc, brier, log_loss (nats) and calibration_error; of classes accuracy and log_loss; of a number mae
    and rmse, in its own unit. Errors are clustered by the calendar day of `time`; rows are independent when there is none.
    Raises EvaluationImpossible, ObjectMissing, ObjectDamaged.
    """
    table = load_scores(store, scores)
    classes = class_scores(table)
    if classes is not None:
        return _of_classes(classes, table[LABEL].to_numpy(), _days(table), level=level)
    if table[LABEL].dtype == pl.Float64:
        return _of_number(table[SCORE].to_numpy() - table[LABEL].to_numpy(), _days(table), level=level)
    score, label, days = table[SCORE].to_numpy(), table[LABEL].to_numpy().astype(np.float64), _days(table)
    return (
        _metric("auc", lambda: auc_interval(score, label, days, level=level)),
        _metric("brier", lambda: brier_interval(score, label, days, level=level)),
        _metric("log_loss", lambda: log_loss_interval(score, label, days, level=level)),
        _metric("calibration_error", lambda: _calibration(score, label, days, level=level)),
    )


def _of_classes(scores: Floats, label: Ints, days: Ints, *, level: float) -> tuple[Metric, ...]:
    """scores: (rows, classes); label: the place of each row's class."""
    right = (scores.argmax(axis=1) == label).astype(np.float64)
    surprise = -np.log(np.clip(scores[np.arange(label.size), label], 1e-15, 1.0))
    return (
        _metric("accuracy", lambda: share_interval(right, days, level=level)),
        _metric("log_loss", lambda: mean_interval(surprise, days, level=level)),
    )


def _of_number(error: Floats, days: Ints, *, level: float) -> tuple[Metric, ...]:
    """The root of a mean has the roots of its interval's ends, the lower one not below 0."""

    def root() -> Interval:
        squares = mean_interval(error**2, days, level=level)
        value, low, high = (float(np.sqrt(max(part, 0.0))) for part in squares[:3])
        return squares._replace(value=value, low=low, high=high)

    return (_metric("mae", lambda: mean_interval(np.abs(error), days, level=level)), _metric("rmse", root))


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
