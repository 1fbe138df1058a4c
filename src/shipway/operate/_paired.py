"""Two models on the same rows, by each metric that `run` measures of such answers: candidate minus live. Pure.

Paired by row, so that what is hard for both cancels, with days as clusters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shipway.models import Signature
from shipway.stats import Interval, auc_difference, mean_interval, paired_interval, ratio_interval

SCORE, NUMBER = "probability", "prediction"
_LEAST = 1e-15  # a chance below it counts as this, so that one surprise is not endless
Floats = NDArray[np.float64]


class Answers(NamedTuple):
    """What of a model's outputs is compared: `probability`, `prediction`, or `probability_CLASS` of each class by name."""

    outputs: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes by name, none of a model of one probability or one number."""
        return () if len(self.outputs) == 1 else tuple(name.removeprefix(f"{SCORE}_") for name in self.outputs)


def answers_of(signature: Signature) -> Answers | None:
    """What of its outputs is compared; None of a model that no metric of ours measures."""
    names = [column.name for column in signature.outputs]
    for one in (SCORE, NUMBER):
        if one in names:
            return Answers((one,))
    classes = tuple(name for name in names if name.startswith(f"{SCORE}_"))
    return Answers(classes) if len(classes) > 1 else None


class Pairs(NamedTuple):
    """Rows that both answered: challenger, live, (n,) or (n, classes); truth: (n,) 0 and 1, numbers or places; days: (n,)."""

    challenger: Floats
    live: Floats
    truth: Floats
    days: NDArray[np.int32]

    def known(self) -> Pairs:
        """Without the rows in which something is missing."""
        held = [np.isfinite(side.reshape(len(self.truth), -1)).all(axis=1) for side in (self.challenger, self.live, self.truth)]
        return self.only(np.logical_and.reduce(held))

    def only(self, rows: NDArray[np.bool_]) -> Pairs:
        """These rows alone; rows: (n,)."""
        return Pairs(self.challenger[rows], self.live[rows], self.truth[rows], self.days[rows])


def paired_metrics(answers: Answers, pairs: Pairs, *, level: float) -> Mapping[str, Interval | str]:
    """The difference of every metric, or in words why it has none.

    Of a probability auc, brier and log_loss (nats); of a number mae and rmse, in the target's unit, and relative_mae, mae as a
    share of live's; of classes accuracy and log_loss. Source of the intervals: `stats`; of two roots and a quotient their
    linear part (Cochran 1977, 6.3).
    """
    whole = pairs.known()
    if answers.outputs == (SCORE,):
        return _measured(_of_probability(whole, level))
    return _measured(_of_classes(whole, level) if answers.classes else _of_number(whole, level))


Measures = Sequence[tuple[str, Callable[[], Interval]]]


def _measured(measures: Measures) -> dict[str, Interval | str]:
    found: dict[str, Interval | str] = {}
    for name, measure in measures:
        try:
            found[name] = measure()
        except ValueError as problem:
            found[name] = str(problem)
    return found


def _of_probability(pairs: Pairs, level: float) -> Measures:
    challenger, live, label, days = pairs

    def loss(score: Floats) -> Floats:
        kept = np.clip(score, _LEAST, 1 - _LEAST)
        return np.asarray(-(label * np.log(kept) + (1 - label) * np.log1p(-kept)))

    return [
        ("auc", lambda: auc_difference(challenger, live, label, days, level=level)),
        ("brier", lambda: mean_interval((challenger - label) ** 2 - (live - label) ** 2, days, level=level)),
        ("log_loss", lambda: mean_interval(loss(challenger) - loss(live), days, level=level)),
    ]


def _of_number(pairs: Pairs, level: float) -> Measures:
    theirs, ours = (np.abs(side - pairs.truth) for side in (pairs.challenger, pairs.live))

    def roots() -> Interval:
        """Of two roots of means, by their linear part."""
        one, other = (float(np.sqrt(np.mean(error**2))) for error in (theirs, ours))
        if not one or not other:
            raise ValueError("one of the two makes no error, and its root has no slope")
        halves = mean_interval(theirs**2 / (2 * one) - ours**2 / (2 * other), pairs.days, level=level)
        value = one - other
        return halves._replace(value=value, low=value + halves.low - halves.value, high=value + halves.high - halves.value)

    def share() -> Interval:
        if not ours.any():
            raise ValueError("live makes no error, and no share can be told of it")
        days = np.unique(pairs.days, return_inverse=True)[1]
        return ratio_interval(np.bincount(days, theirs - ours), np.bincount(days, ours), level=level, n=ours.size)

    return [
        ("mae", lambda: mean_interval(theirs - ours, pairs.days, level=level)),
        ("rmse", roots),
        ("relative_mae", share),
    ]


def _of_classes(pairs: Pairs, level: float) -> Measures:
    known = (pairs.truth >= 0) & (pairs.truth < pairs.live.shape[1])
    challenger, live, truth, days = pairs.only(known)
    rows, place = np.arange(truth.size), truth.astype(np.int64)

    def right(chances: Floats) -> Floats:
        return np.asarray(chances.argmax(axis=1) == place, dtype=np.float64)

    def loss(chances: Floats) -> Floats:
        return np.asarray(-np.log(np.clip(chances[rows, place], _LEAST, 1.0)))

    return [
        ("accuracy", lambda: paired_interval(right(challenger), right(live), days, level=level)),
        ("log_loss", lambda: mean_interval(loss(challenger) - loss(live), days, level=level)),
    ]
