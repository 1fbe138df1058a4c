"""Area under the ROC curve, alone and in pairs, from rows or from counts per score bin, with clustered intervals.

One idea serves all: each positive's share of negatives below it, each negative's share of positives above it (the
structural components), summed per cluster. The difference of two models is the difference of their components.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from shipway.stats._arrays import Bools, Floats, Ints, amounts, cluster_codes, floats, same_shape, scored, sums_by
from shipway.stats._interval import Interval, check_level, t_interval, wilson
from shipway.stats._means import check_clusters


class _Components(NamedTuple):
    """Per cluster: the components of its positives summed and counted, the same for its negatives; each (G,)."""

    above: Floats
    positives: Floats
    below: Floats
    negatives: Floats


def roc_auc(scores: ArrayLike, labels: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """Chance that a random positive scores above a random negative; ties count a half.

    scores: (n,) finite, any scale; labels: (n,) of 0 and 1; sample_weight: (n,) how many rows each stands for, 0 or more,
    None for one each. Raises ValueError when only one class is present, or has a weight.
    Source: Hanley and McNeil (1982), the Mann-Whitney form.
    >>> roc_auc([0.1, 0.4, 0.4, 0.8], [0, 0, 1, 1])
    0.875
    """
    score, positive = _two_classes(scores, labels)
    weight = _weights(sample_weight, positive)
    placed = _placements(score, positive, weight)[positive]
    return float(placed.mean() if weight is None else np.average(placed, weights=weight[positive]))


def auc_interval(scores: ArrayLike, labels: ArrayLike, clusters: ArrayLike | None = None, *, level: float = 0.95) -> Interval:
    """AUC with an interval that is robust to dependence inside clusters, inside [0, 1].

    scores, labels, clusters: (n,); clusters None takes rows as independent, which is DeLong's interval. Student's t
    with one degree of freedom less than there are clusters with a positive (or with a negative, if fewer).
    Complete separation (AUC 0 or 1) has no variance to estimate: then Wilson's bound on that many clusters.
    Raises ValueError on one class only, or on fewer than two clusters with a positive, or with a negative.
    Simulated, 28 days with a shared effect: a 95 % interval covers 94.7 % (2,000 runs).
    Source: DeLong et al. (1988); Obuchowski (1997) for clusters.
    >>> [round(x, 3) for x in auc_interval([0.1, 0.5, 0.3, 0.4, 0.7, 0.9], [0, 0, 0, 1, 1, 1])[:3]]
    [0.889, 0.213, 1.0]
    """
    score, positive = _two_classes(scores, labels)
    codes = cluster_codes(clusters, score.size)
    return _interval_inside(_summed(_placements(score, positive), positive, codes), level=level)


def auc_difference(
    a: ArrayLike, b: ArrayLike, labels: ArrayLike, clusters: ArrayLike | None = None, *, level: float = 0.95
) -> Interval:
    """AUC(a) - AUC(b) of two models on the same rows: paired, so shared luck cancels.

    a, b: (n,) scores, each on a scale of its own; labels, clusters, degrees of freedom and errors as in
    `auc_interval`. Width 0 when the two rank alike, and also when both separate the classes completely.
    Simulated, 28 days with a shared effect: a 95 % interval covers 95.5 % (2,000 runs).
    Source: DeLong et al. (1988); Obuchowski (1997) for clusters.
    >>> auc_difference([1, 2, 3, 4], [2, 1, 4, 3], [0, 0, 1, 1]).value
    0.0
    """
    score, positive = _two_classes(a, labels)
    other = floats(b, "b")
    same_shape(a=score, b=other)
    gain = _placements(score, positive) - _placements(other, positive)
    return _interval(_summed(gain, positive, cluster_codes(clusters, score.size)), level=level)


def auc_contrast(
    scores: ArrayLike,
    weights: ArrayLike,
    labels: ArrayLike,
    clusters: ArrayLike | None = None,
    *,
    sample_weight: ArrayLike | None = None,
    level: float = 0.95,
) -> Interval:
    """Sum of weights times AUC over several models on the same rows: a difference of differences, with its interval.

    scores: (k, n), each model on a scale of its own; weights: (k,), which sum to 0; labels, clusters, degrees of freedom and
    errors as in `auc_interval`; sample_weight: as in `roc_auc`, of rows that were drawn independently of their clusters. With
    weights 1 and -1 it is `auc_difference`. Raises ValueError on other shapes or sums too.
    Source: DeLong et al. (1988), whose contrast this is; Obuchowski (1997) for clusters. With a sample_weight their sums per
    cluster are Horvitz and Thompson's (1952), and the spread between clusters holds that of the drawing.
    >>> auc_contrast([[1, 2, 3, 4], [2, 1, 4, 3]], [1, -1], [0, 0, 1, 1]).value
    0.0
    """
    each, weight = floats(scores, "scores", dimensions=2), floats(weights, "weights")
    if len(each) != weight.size:
        raise ValueError(f"scores: expected one row for each of {weight.size} weights, got {len(each)}")
    if abs(float(weight.sum())) > 1e-9:
        raise ValueError(f"weights: expected a sum of 0, got {weight.sum()}")
    positive = _two_classes(each[0], labels)[1]
    stand = _weights(sample_weight, positive)
    placed = (one * _placements(row, positive, stand) for one, row in zip(weight, each, strict=True))
    gain = sum(placed, np.zeros(positive.size))
    parts = _summed(gain, positive, cluster_codes(clusters, positive.size), stand)
    return _interval(parts, level=level, rows=positive.size)


def auc_interval_binned(positives: ArrayLike, negatives: ArrayLike, *, level: float = 0.95) -> Interval:
    """`auc_interval` from counts: rows of each class per cluster and score bin; ties inside a bin count a half.

    positives, negatives: (clusters, bins) counts over the same bins, scores ascending. Equal to the estimate from rows
    when each distinct score has a bin of its own. A cluster without rows is not counted. Raises as `auc_interval`.
    >>> auc_interval_binned([[0, 1, 1], [0, 0, 1]], [[1, 1, 0], [2, 0, 0]]).value
    0.9583333333333334
    """
    pos, neg = amounts(positives, "positives", dimensions=2), amounts(negatives, "negatives", dimensions=2)
    same_shape(positives=pos, negatives=neg)
    filled = (pos + neg).sum(axis=1) > 0
    pos, neg = pos[filled], neg[filled]
    m, n = pos.sum(axis=0), neg.sum(axis=0)
    if m.sum() == 0 or n.sum() == 0:
        raise ValueError("one class only: an AUC needs positives and negatives")
    above = pos @ ((np.cumsum(n) - n / 2) / n.sum())
    below = neg @ (1 - (np.cumsum(m) - m / 2) / m.sum())
    return _interval_inside(_Components(above, pos.sum(axis=1), below, neg.sum(axis=1)), level=level)


def binned_auc(positives: ArrayLike, negatives: ArrayLike) -> float:
    """AUC from rows per score bin, (bins,) each, ascending in score; rows of one bin tie. Raises ValueError on one class only.

    >>> binned_auc([0, 1, 3], [3, 1, 0])
    0.96875
    """
    yes, no = amounts(positives, "positives"), amounts(negatives, "negatives")
    same_shape(positives=yes, negatives=no)
    if not yes.sum() or not no.sum():
        raise ValueError("expected rows of both classes")
    below = np.cumsum(no) - no / 2
    return float(yes @ below / (yes.sum() * no.sum()))


def auc_row_variance(value: float, positives: int, negatives: int) -> float:
    """Variance of an AUC over independent rows, from its value alone. Source: Hanley and McNeil (1982), formula 1.

    >>> round(auc_row_variance(0.5, 100, 100), 6)
    0.001675
    """
    first, second = value / (2 - value), 2 * value**2 / (1 + value)
    own = value * (1 - value) + (positives - 1) * (first - value**2) + (negatives - 1) * (second - value**2)
    return max(0.0, own / (positives * negatives))


def _two_classes(scores: ArrayLike, labels: ArrayLike) -> tuple[Floats, Bools]:
    score, label = scored(scores, labels)
    positive = label == 1
    if positive.all() or not positive.any():
        raise ValueError("one class only: an AUC needs positives and negatives")
    return score, positive


def _weights(sample_weight: ArrayLike | None, positive: Bools) -> Floats | None:
    if sample_weight is None:
        return None
    weight = amounts(sample_weight, "sample_weight")
    if weight.shape != positive.shape:
        raise ValueError(f"sample_weight: expected one per row, shape {positive.shape}, got {weight.shape}")
    if not weight[positive].any() or not weight[~positive].any():
        raise ValueError("one class only: an AUC needs positives and negatives with a weight")
    return weight


def _placements(score: Floats, positive: Bools, weight: Floats | None = None) -> Floats:
    """For a positive the share of negatives below it, for a negative the share of positives above it; (n,)."""
    yes, no = (None, None) if weight is None else (weight[positive], weight[~positive])
    placed = np.empty_like(score)
    placed[positive] = _share_below(score[positive], score[~positive], no)
    placed[~positive] = 1 - _share_below(score[~positive], score[positive], yes)
    return placed


def _share_below(points: Floats, sample: Floats, weight: Floats | None) -> Floats:
    """By weight where there is one; equal ones count a half. O((points + sample) log sample)."""
    if weight is None:
        ordered, below = np.sort(sample), np.arange(sample.size + 1.0)
    else:
        order = np.argsort(sample)
        ordered, below = sample[order], np.concatenate(([0.0], np.cumsum(weight[order])))
    low, high = (np.searchsorted(ordered, points, side="left"), np.searchsorted(ordered, points, side="right"))
    return np.asarray((below[low] + below[high]) / (2 * below[-1]))


def _summed(placed: Floats, positive: Bools, codes: Ints, weight: Floats | None = None) -> _Components:
    each = np.ones(positive.size) if weight is None else weight
    yes, no = np.where(positive, each, 0.0), np.where(positive, 0.0, each)
    above, below = yes * placed, no * placed
    return _Components(sums_by(codes, above), sums_by(codes, yes), sums_by(codes, below), sums_by(codes, no))


def _interval_inside(parts: _Components, *, level: float) -> Interval:
    found = _interval(parts, level=level)
    if found.value in (0.0, 1.0):
        units = _units(parts)
        bound = wilson(round(units * found.value), units, level=level)
        return found._replace(low=bound.low, high=bound.high)
    return found._replace(low=max(0.0, found.low), high=min(1.0, found.high))


def _interval(parts: _Components, *, level: float, rows: int | None = None) -> Interval:
    """rows: how many there are, where the parts are weighted and do not count them."""
    check_level(level)
    value = float(parts.above.sum() / parts.positives.sum())
    df, counted = _units(parts) - 1, round(float((parts.positives + parts.negatives).sum()))
    n = counted if rows is None else rows
    return t_interval(value, _variance(parts, value), df=df, level=level, n=n, clusters=parts.above.size)


def _units(parts: _Components) -> int:
    for name, held in (("positive", parts.positives), ("negative", parts.negatives)):
        check_clusters(int(np.count_nonzero(held)), f"clusters with a {name}")
    return int(min(np.count_nonzero(parts.positives), np.count_nonzero(parts.negatives)))


def _variance(parts: _Components, value: float) -> float:
    # Obuchowski (1997), formulas 4 to 6. With rows as clusters the cross term is 0 and DeLong's variance is left.
    m, n = parts.positives.sum(), parts.negatives.sum()
    ten = (parts.above - value * parts.positives) / m
    one = (parts.below - value * parts.negatives) / n
    i10, i01 = np.count_nonzero(parts.positives), np.count_nonzero(parts.negatives)
    i = np.count_nonzero(parts.positives + parts.negatives)
    own = i10 / (i10 - 1) * (ten @ ten) + i01 / (i01 - 1) * (one @ one)
    return max(0.0, float(own + 2 * i / (i - 1) * (ten @ one)))
