"""Whether predicted probabilities come true: the calibration table, its error, and the base rate.

A table is counts and sums per score bin with edges fixed beforehand, so tables of hours and days merge by addition and
no score has to be read twice. The interval of the error has its own module, because the plain error is biased.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from shipway.stats._arrays import Floats, Ints, amounts, floats, probabilities, same_shape
from shipway.stats._interval import Interval
from shipway.stats._means import ratio_interval


class CalibrationTable(NamedTuple):
    """Rows, sum of scores and sum of labels per score bin, each (bins,). Merge two by adding field to field.

    The + of a tuple joins instead of adding: write `CalibrationTable(*map(np.add, first, second))`.
    """

    count: Ints  # type: ignore[assignment]  # tuples have a method of this name; the noun of the tables wins
    score_sum: Floats
    label_sum: Floats


def calibration_table(scores: ArrayLike, labels: ArrayLike, edges: ArrayLike) -> CalibrationTable:
    """Count, sum of scores and sum of labels per bin.

    scores: (n,) probabilities; labels: (n,) of 0 and 1; edges: (k,) strictly ascending cuts, which make k + 1 bins:
    bin b holds edges[b-1] <= score < edges[b], the first and last are open. Raises ValueError on unequal lengths,
    scores outside [0, 1] or edges that do not ascend. Additive: the table of two parts is the sum of their tables.
    >>> calibration_table([0.1, 0.2, 0.9], [0, 1, 1], [0.5]).count.tolist()
    [2, 1]
    """
    score, label = probabilities(scores, labels)
    cuts = floats(edges, "edges")
    if (np.diff(cuts) <= 0).any():
        raise ValueError("edges: expected strictly ascending cuts")
    return _table(score, label, cuts)


def calibration_error(scores: ArrayLike, labels: ArrayLike, *, bins: int = 10) -> float:
    """Expected calibration error: mean over rows of the gap |mean score - realised rate| of their bin.

    scores: (n,) probabilities; labels: (n,) of 0 and 1; bins of equal mass, equal scores stay together, so there may
    be fewer. Unit: probability, 0 is perfect. It is biased upwards (absolute values): a calibrated model never shows
    0. Judge with `calibration_interval`. Raises ValueError as `calibration_table`, or on bins below 1.
    Source: Naeini et al. (2015), with the equal-mass bins of Nixon et al. (2019).
    >>> round(calibration_error([0.1, 0.1, 0.8, 0.8], [0, 0, 1, 0], bins=2), 3)
    0.2
    """
    score, label = probabilities(scores, labels)
    if bins < 1:
        raise ValueError(f"bins: expected at least 1, got {bins}")
    cuts = np.unique(np.sort(score)[np.arange(1, bins) * score.size // bins])
    return calibration_error_binned(*_table(score, label, cuts))


def calibration_error_binned(count: ArrayLike, score_sum: ArrayLike, label_sum: ArrayLike) -> float:
    """`calibration_error` from the three columns of a calibration table, each (bins,); the same bias upwards.

    Raises ValueError on unequal shapes or a table without rows.
    >>> round(calibration_error_binned([10, 10], [2.0, 7.0], [1, 8]), 3)
    0.1
    """
    rows, score, label = amounts(count, "count"), amounts(score_sum, "score_sum"), amounts(label_sum, "label_sum")
    same_shape(count=rows, score_sum=score, label_sum=label)
    if rows.sum() == 0:
        raise ValueError("count: no rows")
    return float(np.abs(score - label).sum() / rows.sum())


def base_rate_interval(score_sum: ArrayLike, label_sum: ArrayLike, rows: ArrayLike, *, level: float = 0.95) -> Interval:
    """Mean predicted probability minus realised rate; above 0 the model says yes too often.

    score_sum, label_sum, rows: (G,) sums per cluster (day). Unit: probability. Student's t with G - 1 degrees of
    freedom; errors as `ratio_interval`. Simulated, 28 days of 900 rows that share an effect: a 95 % interval covers
    94.8 % (4,000 runs). Days that persist break it: 86, 76 and 47 % at autocorrelation 0.3, 0.5 and 0.8; with clusters
    of a week, 95 % at 0.5.
    >>> round(base_rate_interval([3.0, 2.5], [2, 2], [10, 10]).value, 3)
    0.075
    """
    score, label, count = floats(score_sum, "score_sum"), floats(label_sum, "label_sum"), amounts(rows, "rows")
    same_shape(score_sum=score, label_sum=label, rows=count)
    return ratio_interval(score - label, count, level=level, n=round(float(count.sum())))


def _table(score: Floats, label: Floats, cuts: Floats) -> CalibrationTable:
    place, bins = np.searchsorted(cuts, score, side="right"), cuts.size + 1
    return CalibrationTable(
        np.bincount(place, minlength=bins).astype(np.int64),
        np.bincount(place, weights=score, minlength=bins).astype(np.float64),
        np.bincount(place, weights=label, minlength=bins).astype(np.float64),
    )
