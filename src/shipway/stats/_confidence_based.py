"""Performance without labels, from what the scores say of themselves (CBPE), and what it is worth.

An estimate of this kind assumes that a score means today what it meant in the reference: P(label | score) has not changed. It
cannot see that the world answers otherwise. So it is shown with that assumption and decides nothing alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from shipway.stats._arrays import Floats, floats, labels_of, same_shape
from shipway.stats._isotonic import AS_THEY_ARE, Calibration, fit_isotonic, worth_calibrating

ASSUMPTION = "estimated without labels: assumes that P(label | score) is what it was in the reference"
CHUNKS_NEEDED = 10  # of the reference: fewer say nothing of how much a metric moves by itself
_DEVIATIONS = 3.0
_NONE, _UNKNOWN = 1e-5, float("nan")  # rows of a label that count as none


class Performance(NamedTuple):
    """Of one chunk of rows, realised or expected; NaN where a metric has no meaning (one label alone)."""

    roc_auc: float
    average_precision: float
    f1: float
    precision: float
    recall: float
    specificity: float
    accuracy: float


class Bounds(NamedTuple):
    """Where a metric was within the reference: the mean of its chunks, three standard deviations to each side, in 0..1."""

    low: float
    high: float

    def alert(self, value: float) -> bool:
        return value < self.low or value > self.high


@dataclass(frozen=True, slots=True)
class Confidence:
    """A fitted estimator: what a score means, and bounds by the fields of Performance; None with too few chunks."""

    calibration: Calibration
    bounds: tuple[Bounds, ...] | None

    def estimate(self, scores: ArrayLike, predicted: ArrayLike) -> Performance:
        """What these rows would be expected to show with their labels.

        scores, predicted: (n,) probabilities and the answers 0 and 1 made of them. Raises ValueError on unequal lengths.
        """
        score = floats(scores, "scores")
        return expected_performance(score, self.calibration(score), predicted, together=False)

    def alerts(self, estimated: Performance) -> tuple[bool, ...]:
        """By field, whether the estimate is out of bounds; never without bounds."""
        if self.bounds is None:
            return (False,) * len(estimated)
        return tuple(bound.alert(value) for bound, value in zip(self.bounds, estimated, strict=True))


def fit_confidence(
    scores: ArrayLike, labels: ArrayLike, predicted: ArrayLike, *, chunks: Sequence[slice], chunks_needed: int = CHUNKS_NEEDED
) -> Confidence:
    """CBPE fitted on a labelled reference that the model has not seen.

    scores, labels, predicted: (n,); chunks: spans of it as long as those that will be estimated. Scores are calibrated where
    that helps on held-out rows. Raises ValueError on unequal lengths or other labels. Source: NannyML 0.13's CBPE.
    >>> fit_confidence([0.2, 0.8, 0.3, 0.9], [0, 1, 0, 1], [0, 1, 0, 1], chunks=[slice(0, 4)]).bounds is None
    True
    """
    score, label = floats(scores, "scores"), labels_of(labels)
    answer = labels_of(predicted)
    same_shape(scores=score, labels=label, predicted=answer)
    calibration = fit_isotonic(score, label) if worth_calibrating(score, label) else AS_THEY_ARE
    if len(chunks) < chunks_needed:
        return Confidence(calibration, None)
    realised = [_realised(score[chunk], label[chunk], answer[chunk]) for chunk in chunks]
    return Confidence(calibration, tuple(bounds_of(np.array(values)) for values in zip(*realised, strict=True)))


def expected_performance(scores: ArrayLike, chances: ArrayLike, predicted: ArrayLike, *, together: bool = True) -> Performance:
    """Performance of rows whose label is 1 with a chance each; with chances of 0 and 1, the labels, it is the realised one.

    scores, chances, predicted: (n,); together: equal scores are one step of the ranking, as they are for a realised average
    precision; NannyML's estimate takes them row by row, which is a little more. Raises ValueError on none, or unequal lengths.
    >>> expected_performance([0.2, 0.8], [0.0, 1.0], [0, 1]).roc_auc
    1.0
    """
    score, chance, answer = floats(scores, "scores"), floats(chances, "chances"), labels_of(predicted)
    same_shape(scores=score, chances=chance, predicted=answer)
    yes, positive, rows = answer == 1, float(chance.sum()), score.size
    hit, called = float(chance[yes].sum()), int(np.count_nonzero(yes))
    negative = rows - positive
    area, average = _ranking(score, chance, together=together)
    return Performance(
        roc_auc=area,
        average_precision=average,
        f1=_share(hit, hit + 0.5 * (called - hit + positive - hit)),
        precision=_share(hit, called),
        recall=_share(hit, positive),
        specificity=_share(negative - (called - hit), negative),
        accuracy=(hit + negative - (called - hit)) / rows,
    )


def _ranking(score: Floats, chance: Floats, *, together: bool) -> tuple[float, float]:
    """Area under the ROC curve and average precision."""
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), score.size - 1) if together else np.arange(score.size)
    hits = np.cumsum(chance[order])[ends]
    misses = ends + 1 - hits
    if hits[-1] < _NONE:
        return _UNKNOWN, _UNKNOWN
    risen = np.diff(hits, prepend=0.0) / hits[-1]
    average = float((risen * hits / (ends + 1)).sum())
    if misses[-1] < _NONE:
        return _UNKNOWN, average
    along = np.diff(misses, prepend=0.0) / misses[-1]
    return float(((hits / hits[-1] - risen / 2) * along).sum()), average


def _realised(score: Floats, label: Floats, answer: Floats) -> Performance:
    """What a chunk tells of how much metrics move: NaN for those that one label or one answer alone decides."""
    found = expected_performance(score, label, answer)
    if label.min() == label.max() or answer.min() == answer.max():
        found = found._replace(f1=_UNKNOWN, precision=_UNKNOWN, recall=_UNKNOWN)
    return found if label.min() == 0 else found._replace(specificity=_UNKNOWN)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def bounds_of(values: Floats) -> Bounds:
    """Of a metric in 0..1 by chunk, NaN where it had no meaning."""
    known = values[~np.isnan(values)]
    if not known.size:
        return Bounds(0.0, 1.0)
    middle, away = float(known.mean()), _DEVIATIONS * float(known.std())
    return Bounds(max(0.0, middle - away), min(1.0, middle + away))
