"""An interval for the calibration error that does not cry wolf.

The plain error adds absolute values, so noise alone makes it positive. Here the signs of the gaps are learned on one
half of the days and the signed sum is taken on the other half, both ways round.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from shipway.stats._arrays import Bools, Floats, amounts, same_shape
from shipway.stats._interval import Interval, t_interval
from shipway.stats._means import check_clusters, ratio_variance

_BLOCK = 7  # days: a week stays together, so that a sign is not learned from yesterday
_SETTLED = 2.0  # standard errors, in each half


def calibration_interval(count: ArrayLike, score_sum: ArrayLike, label_sum: ArrayLike, *, level: float = 0.95) -> Interval:
    """Calibration error of a binned model, estimated without the upward bias, with a clustered interval.

    count, score_sum, label_sum: (clusters, bins), one calibration table per day, days in time order. Unit: probability.
    The error is the largest signed sum of the bins' gaps over all signs; with signs learned on other days the estimate
    is never above it in expectation, and 0 on average for a calibrated model. It is not floored: a negative value means
    no evidence of miscalibration. Halves are alternating weeks from 14 days on, alternating days below. A day without
    rows is not counted. Student's t with G - 1 degrees of freedom, signs held fixed.

    The two halves choose each other's signs, so their estimates are correlated by 2/pi where signs are a coin toss;
    bins whose sign the halves do not settle therefore count 2/pi of their variance on top. Without that, low > 0 came
    out in 4.7 to 6.7 % of calibrated windows instead of 2.5 % (6,000 runs each).

    Simulated, 28 days of 900 rows, 95 %, calibrated model: low > 0 in 1.7 % with a day effect shared by all bins, 2.9 %
    with one per bin, 3.0 % with none. An offset of 0.08 is found in 100 % with day effects of 0.3 logits (s.d.), 95 %
    with 0.5. Days that persist break it: autocorrelation 0.3, 0.5, 0.8 gives 5.7, 12 and 38 % false alarms. Clusters of
    a week (sums of 7 days) bring 0.5 back to 4 % with 4 weeks and 3 % with 12.

    Raises ValueError on unequal shapes, negative amounts or fewer than two days with rows.
    Source: the dual form of an L1 norm, cross-fitted as in Chernozhukov et al. (2018); variance as `ratio_interval`.
    >>> tables = [[50, 50]] * 4, [[10.0, 40.0]] * 4, [[5, 45], [5, 46], [6, 45], [4, 46]]
    >>> [round(x, 3) for x in calibration_interval(*tables)[:3]]
    [0.105, 0.084, 0.126]
    """
    rows, gaps = _rows_and_gaps(count, score_sum, label_sum)
    first = _first_half(rows.size)
    signed = _other_half_signs(gaps, first) * gaps
    open_bins = ~_settled(gaps, rows, first)
    variance = ratio_variance(signed.sum(axis=1), rows)
    variance += 2 / math.pi * ratio_variance(signed[:, open_bins].sum(axis=1), rows)
    value, n = float(signed.sum() / rows.sum()), round(float(rows.sum()))
    return t_interval(value, variance, df=rows.size - 1, level=level, n=n, clusters=rows.size)


def _rows_and_gaps(count: ArrayLike, score_sum: ArrayLike, label_sum: ArrayLike) -> tuple[Floats, Floats]:
    """Rows per cluster (G,), and predicted minus realised positives per cluster and bin (G, bins)."""
    filled = amounts(count, "count", dimensions=2)
    score, label = amounts(score_sum, "score_sum", dimensions=2), amounts(label_sum, "label_sum", dimensions=2)
    same_shape(count=filled, score_sum=score, label_sum=label)
    rows = filled.sum(axis=1)
    check_clusters(int(np.count_nonzero(rows)))
    return rows[rows > 0], (score - label)[rows > 0]


def _first_half(clusters: int) -> Bools:
    block = _BLOCK if clusters >= 2 * _BLOCK else 1
    return np.asarray(np.arange(clusters) // block % 2 == 0)


def _other_half_signs(gaps: Floats, first: Bools) -> Floats:
    """For each cluster the signs of the bins as the half it does not belong to sees them; (G, bins)."""
    of_first, of_second = np.sign(gaps[first].sum(axis=0)), np.sign(gaps[~first].sum(axis=0))
    return np.asarray(np.where(first[:, None], of_second, of_first))


def _settled(gaps: Floats, rows: Floats, first: Bools) -> Bools:
    """Bins whose sign both halves agree on, each by more than two standard errors; (bins,)."""
    share = rows / rows.sum()
    spread = gaps - np.outer(share, gaps.sum(axis=0))
    error = np.sqrt((spread**2).sum(axis=0) * rows.size / (rows.size - 1))
    one = gaps[first].sum(axis=0) / math.sqrt(share[first].sum())
    two = gaps[~first].sum(axis=0) / math.sqrt(share[~first].sum())
    clear = np.minimum(np.abs(one), np.abs(two)) > _SETTLED * error
    return np.asarray(clear & (np.sign(one) == np.sign(two)))
