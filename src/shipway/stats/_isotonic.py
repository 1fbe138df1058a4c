"""Scores to the rates that came true: an isotonic fit, and whether it is worth having."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from shipway.stats._arrays import Floats, Ints, scored
from shipway.stats._auc import roc_auc

_SHUFFLES, _HELD_OUT, _BINS = 10, 0.1, 10
_RANKED = 0.999  # an AUC from which there is nothing left to calibrate


class Calibration(NamedTuple):
    """Knots of a rising line: scores ascend, rates never fall. Beyond the ends it is flat."""

    scores: Floats
    rates: Floats

    def __call__(self, scores: ArrayLike) -> Floats:
        """The rate at each score, linear between knots."""
        return np.asarray(np.interp(np.asarray(scores, dtype=np.float64), self.scores, self.rates), dtype=np.float64)


AS_THEY_ARE = Calibration(np.array([0.0, 1.0]), np.array([0.0, 1.0]))


def fit_isotonic(scores: ArrayLike, labels: ArrayLike) -> Calibration:
    """The rising line nearest to the labels in squares.

    scores: (n,); labels: (n,) of 0 and 1. Equal scores are one point. Raises ValueError on unequal lengths or other labels.
    Source: Ayer et al. (1955), pool adjacent violators. Equal to sklearn's IsotonicRegression(out_of_bounds="clip").
    >>> fit_isotonic([0.1, 0.2, 0.3, 0.4], [0, 1, 0, 1]).rates.tolist()
    [0.0, 0.5, 0.5, 1.0]
    """
    score, label = scored(scores, labels)
    places, group = np.unique(score, return_inverse=True)
    rows = np.bincount(group).astype(np.float64)
    return Calibration(places, pooled(np.bincount(group, weights=label).astype(np.float64), rows))


def pooled(sums: Floats, weights: Floats) -> Floats:
    """The never falling means nearest to sums / weights, each weight above 0, in their order.

    >>> pooled(np.array([3.0, 0.0]), np.array([2.0, 1.0])).tolist()
    [1.0, 1.0]
    """
    totals: list[float] = []
    masses: list[float] = []
    points: list[int] = []
    for total, mass in zip(sums.tolist(), weights.tolist(), strict=True):
        count = 1
        while totals and totals[-1] * mass >= total * masses[-1]:
            total, mass, count = total + totals.pop(), mass + masses.pop(), count + points.pop()
        totals.append(total)
        masses.append(mass)
        points.append(count)
    return np.repeat(np.array(totals) / np.array(masses), points)


def worth_calibrating(scores: ArrayLike, labels: ArrayLike, *, seed: int = 42) -> bool:
    """Whether an isotonic fit has less calibration error on rows that it has not seen than the scores have.

    Ten shuffles, each with a tenth of either label held out; errors over ten bins of equal rows of all held-out ones. False
    for one label alone and for a near perfect ranking. Arguments, errors: `fit_isotonic`. Source: NannyML, shuffles included.
    >>> worth_calibrating([0.1, 0.2, 0.9], [1, 1, 1])
    False
    """
    score, label = scored(scores, labels)
    if label.min() == label.max() or roc_auc(score, label) > _RANKED:
        return False
    random, held = np.random.RandomState(seed), []
    for _ in range(_SHUFFLES):
        out = _held_out(label, random)
        rest = np.ones(label.size, dtype=bool)
        rest[out] = False
        held.append((score[out], fit_isotonic(score[rest], label[rest])(score[out]), label[out]))
    raw, fitted, truth = (np.concatenate(parts) for parts in zip(*held, strict=True))
    edges = _bin_edges(raw.size)
    return edges.size > 2 and _error(raw, truth, edges) > _error(fitted, truth, edges)


def _held_out(label: Floats, random: np.random.RandomState) -> Ints:
    """A tenth of the rows of either label, in the order in which sklearn's StratifiedShuffleSplit draws them."""
    rows = [np.flatnonzero(label == value) for value in (0.0, 1.0)]
    counts = np.array([one.size for one in rows])
    tests = math.ceil(_HELD_OUT * label.size)
    trained = _apportioned(counts, label.size - tests, random)
    tested = _apportioned(counts - trained, tests, random)
    out = []
    for one, skipped, taken in zip(rows, trained, tested, strict=True):
        out.append(one[random.permutation(one.size)[skipped : skipped + taken]])
    random.permutation(label.size - tests)  # of those that are trained on
    return np.asarray(random.permutation(np.concatenate(out)), dtype=np.int64)


def _apportioned(counts: Ints, draws: int, random: np.random.RandomState) -> Ints:
    """draws in proportion to counts, whole; what is left goes to the largest remainders, of equal ones by lot."""
    shares = counts / counts.sum() * draws
    whole = np.floor(shares)
    left, rest = int(draws - whole.sum()), shares - whole
    for value in np.unique(rest)[::-1] if left else ():
        chosen = np.flatnonzero(rest == value)
        chosen = random.choice(chosen, size=min(chosen.size, left), replace=False)
        whole[chosen] += 1
        left -= chosen.size
        if not left:
            break
    return np.asarray(whole, dtype=np.int64)


def _bin_edges(rows: int) -> Ints:
    bins = _BINS if rows > 2 * _BINS else rows // 2
    if bins < 2:
        return np.array([0, rows])
    edges = np.arange(0, rows + 1, rows // bins)
    edges[-1] = rows
    return edges


def _error(scores: Floats, labels: Floats, edges: Ints) -> float:
    order = np.argsort(scores)  # as NannyML sorts: among rounded scores a close verdict hangs on the order of equal ones
    apart = np.add.reduceat(scores[order] - labels[order], edges[:-1])
    return float(np.abs(apart).sum() / scores.size)
