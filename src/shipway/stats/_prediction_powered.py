"""A few ratings by people and many by a judge: the judge's mean, corrected by how wrong it was where people looked."""

import math

import numpy as np
from numpy.typing import ArrayLike

from shipway.stats._arrays import Floats, floats, same_shape
from shipway.stats._interval import Interval, check_level
from shipway.stats._quantiles import t_quantile


def prediction_powered_mean(
    labels: ArrayLike, predicted: ArrayLike, predicted_unlabelled: ArrayLike, *, level: float = 0.95, tuned: bool = True
) -> Interval:
    """Mean of what people would say of all items, from few of their labels and a judge's word on every item.

    labels, predicted: (n,) of the items that people rated; predicted_unlabelled: (N,) of those that they did not. tuned:
    the judge counts by the weight in [0, 1] that makes the interval shortest (PPI++; a useless judge counts nothing);
    False is weight 1 (PPI). Student's t with n - 1 degrees of freedom and variances over n - 1, where the paper has the
    normal and n: with thirty labels that is the difference between 92.7 % and 94.2 % covered. n of the interval: labels.
    Items must be drawn for people at random and be independent. Where the judge never errs on the labelled items, the
    correction's variance is taken as that of one error, 1/n^2 of the labels' range squared. Raises ValueError on fewer
    than two labels, no unlabelled ones, or unequal lengths.
    Source: Angelopoulos et al. (2023), Science 382; power tuning: Angelopoulos, Duchi and Zrnic (2023), arXiv 2311.01453.
    >>> round(prediction_powered_mean([1, 0, 1, 1], [1, 0, 1, 0], [1, 1, 0, 1, 1, 0], tuned=False).value, 4)
    0.9167
    """
    check_level(level)
    label, near = floats(labels, "labels"), floats(predicted, "predicted")
    far = floats(predicted_unlabelled, "predicted_unlabelled")
    same_shape(labels=label, predicted=near)
    if label.size < 2 or far.size < 2:
        raise ValueError(f"labels: expected at least two, and two unlabelled items, got {label.size} and {far.size}")
    weight = power_weight(label, near, far) if tuned else 1.0
    rest = label - weight * near
    value = float(weight * far.mean() + rest.mean())
    variance = weight**2 * float(far.var(ddof=1)) / far.size + _correction_variance(label, near, rest)
    reach = t_quantile((1 + level) / 2, label.size - 1) * math.sqrt(variance)
    return Interval(value, value - reach, value + reach, level, label.size, label.size)


def power_weight(label: Floats, near: Floats, far: Floats) -> float:
    """How much the judge should count: covariance with the labels over its variance, less the fewer items are unlabelled."""
    every = np.concatenate([near, far])
    spread = (1 + near.size / far.size) * float(every.var(ddof=1))
    if spread == 0:
        return 0.0
    shared = float(((label - label.mean()) * (near - near.mean())).mean())
    return min(1.0, max(0.0, shared / spread))


def _correction_variance(label: Floats, near: Floats, rest: Floats) -> float:
    if (label == near).all():
        return max(float(rest.var(ddof=1)) / label.size, (float(np.ptp(label)) or 1.0) ** 2 / label.size**2)
    return float(rest.var(ddof=1)) / label.size
