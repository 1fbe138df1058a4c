"""Error of a number without labels, from what errors were like for such rows in the reference (DLE), and what it is worth.

An estimate of this kind assumes that the loss given features and prediction is what it was. It cannot see that the world
answers otherwise. So it is shown with that assumption and decides nothing alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from shipway.stats._arrays import Floats, floats, same_shape
from shipway.stats._confidence_based import CHUNKS_NEEDED, Bounds

LOSS_ASSUMPTION = (
    "estimated without labels: assumes that the loss given features and prediction is what it was in the reference"
)
Predict = Callable[[Floats], Floats]  # a table (n, columns) to (n,)
_DEVIATIONS = 3.0
_UNKNOWN = float("nan")


class Learner(NamedTuple):
    """Who regresses. name: of the library, with its version.

    fit: a table (n, columns), which of its columns are categories, and targets of (n,) each, to what predicts each of them. A
    category is a whole number from 1, 0 is one that was never seen; NaN is a value that is missing.
    """

    name: str
    fit: Callable[[Floats, Sequence[int], Sequence[Floats]], list[Predict]]


class Losses(NamedTuple):
    """Of one chunk of rows, realised or expected; NaN where a metric has no meaning.

    mae, rmse: in the unit of the number, mse in its square; mape: a share of the truth, NaN with a truth of 0 in the
    reference; msle, rmsle: of log(1 + number), NaN with a number below 0 there.
    """

    mae: float
    mape: float
    mse: float
    rmse: float
    msle: float
    rmsle: float


@dataclass(frozen=True, slots=True)
class DirectLoss:
    """A fitted estimator: by kind of loss what a row's would be, None where it has no meaning, and bounds by the fields of
    Losses; None with too few chunks. learner: the library that fitted it.
    """

    absolute: Predict
    relative: Predict | None
    squared: Predict
    logarithmic: Predict | None
    columns: int
    bounds: tuple[Bounds, ...] | None
    learner: str

    def estimate(self, features: ArrayLike, predictions: ArrayLike) -> Losses:
        """What these rows would be expected to show with their labels.

        features: (n, columns) as they were fitted; predictions: (n,). A loss below 0 counts as 0. Raises ValueError on other
        shapes.
        """
        table = _table(features, floats(predictions, "predictions"))
        if table.shape[1] != self.columns + 1:
            raise ValueError(f"features: {table.shape[1] - 1} columns, fitted were {self.columns}")
        each = (self.absolute, self.relative, self.squared, self.logarithmic)
        return _losses(*(None if predict is None else np.maximum(predict(table), 0.0) for predict in each))

    def alerts(self, estimated: Losses) -> tuple[bool, ...]:
        """By field, whether the estimate is out of bounds; never without bounds."""
        if self.bounds is None:
            return (False,) * len(estimated)
        return tuple(bound.alert(value) for bound, value in zip(self.bounds, estimated, strict=True))


def fit_direct_loss(
    features: ArrayLike,
    predictions: ArrayLike,
    truths: ArrayLike,
    *,
    learner: Learner,
    chunks: Sequence[slice],
    categories: Sequence[int] = (),
    chunks_needed: int = CHUNKS_NEEDED,
) -> DirectLoss:
    """DLE fitted on a labelled reference that the model has not seen: a regression of each loss on features and prediction.

    features: (n, columns) of numbers, NaN where missing; predictions, truths: (n,); learner: `monitor.find_learner` gives one;
    categories: columns that are, as Learner says; chunks: spans of the rows as long as those that will be estimated. Up to four
    regressions. Raises ValueError on unequal lengths. Source: NannyML 0.13's DLE.
    >>> means = Learner("means", lambda _, __, targets: [lambda rows, t=t: np.full(len(rows), t.mean()) for t in targets])
    >>> fit_direct_loss([[0.0], [1.0]], [2.0, 4.0], [1.0, 1.0], learner=means, chunks=[]).estimate([[5.0]], [3.0]).mae
    2.0
    """
    said, true = floats(predictions, "predictions"), floats(truths, "truths")
    same_shape(predictions=said, truths=true)
    table, each = _table(features, said), _each_loss(said, true)
    fitted = iter(learner.fit(table, categories, [loss for loss in each if loss is not None]))
    absolute, relative, squared, logarithmic = (None if loss is None else next(fitted) for loss in each)
    assert absolute is not None
    assert squared is not None
    bounds = _bounds([_losses(*(None if loss is None else loss[chunk] for loss in each)) for chunk in chunks], chunks_needed)
    return DirectLoss(absolute, relative, squared, logarithmic, table.shape[1] - 1, bounds, learner.name)


def realised_losses(predictions: ArrayLike, truths: ArrayLike) -> Losses:
    """Of rows whose truth is known. Raises ValueError on unequal lengths.

    >>> realised_losses([1.0, 3.0], [2.0, 3.0]).mae
    0.5
    """
    said, true = floats(predictions, "predictions"), floats(truths, "truths")
    same_shape(predictions=said, truths=true)
    return _losses(*_each_loss(said, true))


def _table(features: ArrayLike, predictions: Floats) -> Floats:
    """Features with the prediction as the last column."""
    given = np.asarray(features, dtype=np.float64)
    if given.ndim != 2 or given.shape[0] != predictions.size:
        raise ValueError(f"features: expected ({predictions.size}, columns), got shape {given.shape}")
    if np.isinf(given).any():
        raise ValueError("features: holds infinity; a missing value is NaN")
    return np.column_stack([given, predictions])


def _each_loss(said: Floats, true: Floats) -> tuple[Floats, Floats | None, Floats, Floats | None]:
    """By row: absolute, relative to the truth, squared, and squared of logarithms."""
    apart = np.abs(true - said)
    relative = apart / np.abs(true) if (true != 0).all() else None
    logarithmic = (np.log1p(true) - np.log1p(said)) ** 2 if min(true.min(), said.min()) >= 0 else None
    return apart, relative, apart**2, logarithmic


def _losses(absolute: Floats | None, relative: Floats | None, squared: Floats | None, logarithmic: Floats | None) -> Losses:
    mae, mape, mse, msle = (
        _UNKNOWN if one is None or not one.size else float(one.mean()) for one in (absolute, relative, squared, logarithmic)
    )
    return Losses(mae, mape, mse, float(np.sqrt(mse)), msle, float(np.sqrt(msle)))


def _bounds(realised: Sequence[Losses], needed: int) -> tuple[Bounds, ...] | None:
    """Mean of the chunks, three standard deviations to each side, never below 0."""
    if len(realised) < needed:
        return None
    values = np.array(realised)
    middle, away = values.mean(axis=0), _DEVIATIONS * values.std(axis=0)
    return tuple(
        Bounds(max(0.0, low), high) for low, high in zip((middle - away).tolist(), (middle + away).tolist(), strict=True)
    )
