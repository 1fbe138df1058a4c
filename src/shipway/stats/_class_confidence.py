"""Performance of several classes without labels (CBPE), one class against the rest; assumes what `_confidence_based` says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from shipway.stats._arrays import Floats, Ints, floats
from shipway.stats._confidence_based import CHUNKS_NEEDED, Bounds, Performance, bounds_of, expected_performance
from shipway.stats._isotonic import AS_THEY_ARE, Calibration, fit_isotonic, worth_calibrating

_UNKNOWN = float("nan")


@dataclass(frozen=True, slots=True)
class ClassConfidence:
    """A fitted estimator: what each class's score means, and bounds by the fields of Performance; None with too few chunks."""

    calibrations: tuple[Calibration, ...]
    bounds: tuple[Bounds, ...] | None

    def chances(self, scores: ArrayLike) -> Floats:
        """(n, classes) calibrated, the chances of a row summing to 1; alike where none has a chance.

        scores: (n, classes). Raises ValueError on another number of classes.
        """
        given = _scores(scores, len(self.calibrations))
        rates = np.column_stack([mean(column) for mean, column in zip(self.calibrations, given.T, strict=True)])
        total = rates.sum(axis=1, keepdims=True)
        return np.asarray(np.divide(rates, total, out=np.full_like(rates, 1 / rates.shape[1]), where=total > 0))

    def estimate(self, scores: ArrayLike, predicted: ArrayLike) -> Performance:
        """What these rows would be expected to show with their labels: means over the classes, accuracy over the rows.

        scores: (n, classes); predicted: (n,) places of the classes answered. Raises ValueError on unequal lengths.
        """
        given = _scores(scores, len(self.calibrations))
        return expected_of_classes(given, self.chances(given), predicted, together=False)

    def alerts(self, estimated: Performance) -> tuple[bool, ...]:
        """By field, whether the estimate is out of bounds; never without bounds."""
        if self.bounds is None:
            return (False,) * len(estimated)
        return tuple(bound.alert(value) for bound, value in zip(self.bounds, estimated, strict=True))


def fit_class_confidence(
    scores: ArrayLike, labels: ArrayLike, predicted: ArrayLike, *, chunks: Sequence[slice], chunks_needed: int = CHUNKS_NEEDED
) -> ClassConfidence:
    """CBPE for several classes, fitted on a labelled reference that the model has not seen.

    scores: (n, classes); labels, predicted: (n,) places of the classes that came true and were answered; chunks: spans of the
    rows as long as those that will be estimated. A class's scores are calibrated where that helps on held-out rows. Raises
    ValueError on unequal lengths or other places. Source: NannyML 0.13's CBPE.
    >>> scores = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]
    >>> round(fit_class_confidence(scores, [0, 1, 2], [0, 1, 2], chunks=[]).estimate(scores, [0, 1, 2]).accuracy, 3)
    0.7
    """
    given = floats(scores, "scores", dimensions=2)
    label, answer = (_places(values, name, given) for values, name in ((labels, "labels"), (predicted, "predicted")))
    calibrations = []
    for place, column in enumerate(given.T):
        here = label == place
        calibrations.append(fit_isotonic(column, here) if worth_calibrating(column, here) else AS_THEY_ARE)
    if len(chunks) < chunks_needed:
        return ClassConfidence(tuple(calibrations), None)
    realised = [_realised(given[chunk], label[chunk], answer[chunk]) for chunk in chunks]
    return ClassConfidence(tuple(calibrations), tuple(bounds_of(np.array(values)) for values in zip(*realised, strict=True)))


def expected_of_classes(scores: ArrayLike, chances: ArrayLike, predicted: ArrayLike, *, together: bool = True) -> Performance:
    """Performance of rows that are of each class with a chance; with chances of 0 and 1, the labels, it is the realised one.

    scores, chances: (n, classes); predicted: (n,) places; together: as in `expected_performance`, which is asked of each class
    against the rest: macro means, and accuracy the share of rows whose answer came true. Raises ValueError on other shapes.
    >>> expected_of_classes([[0.8, 0.2], [0.3, 0.7]], [[1.0, 0.0], [0.0, 1.0]], [0, 1]).accuracy
    1.0
    """
    given = floats(scores, "scores", dimensions=2)
    chance, answer = _scores(chances, given.shape[1]), _places(predicted, "predicted", given)
    if chance.shape != given.shape:
        raise ValueError(f"chances: expected shape {given.shape}, got {chance.shape}")
    each = [
        expected_performance(column, chance[:, place], answer == place, together=together)
        for place, column in enumerate(given.T)
    ]
    means = Performance(*(float(np.mean(values)) for values in zip(*each, strict=True)))
    return means._replace(accuracy=float(chance[np.arange(answer.size), answer].mean()))


def _realised(scores: Floats, label: Ints, answer: Ints) -> Performance:
    """What a chunk tells of how much metrics move: NaN for those that a class which is not there leaves without a meaning."""
    truth = np.zeros_like(scores)
    truth[np.arange(label.size), label] = 1.0
    found = expected_of_classes(scores, truth, answer)
    if label.min() == label.max() or answer.min() == answer.max():
        found = found._replace(**dict.fromkeys(("f1", "precision", "recall", "specificity", "accuracy"), _UNKNOWN))
    return found


def _scores(scores: ArrayLike, classes: int) -> Floats:
    given = floats(scores, "scores", dimensions=2)
    if given.shape[1] != classes:
        raise ValueError(f"scores: expected {classes} classes, got {given.shape[1]}")
    return given


def _places(values: ArrayLike, name: str, scores: Floats) -> Ints:
    """Whole numbers from 0 to the number of classes, one a row."""
    given = floats(values, name)
    if given.size != scores.shape[0]:
        raise ValueError(f"{name}: expected {scores.shape[0]} rows, got {given.size}")
    if ((given < 0) | (given >= scores.shape[1]) | (given != np.floor(given))).any():
        raise ValueError(f"{name}: expected whole numbers from 0 below {scores.shape[1]}, the classes")
    return given.astype(np.int64)
