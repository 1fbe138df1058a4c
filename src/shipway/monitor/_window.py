"""A window: the sum of the leaves of consecutive days. Loads each leaf once; never reads a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shipway.data import AnswerProfile, OutcomeProfile, Profile, merge_profiles
from shipway.kernel.digest import Digest
from shipway.monitor._leaf import Leaf, load_profile
from shipway.store import Store

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """The days with labels, in time order.

    positives, negatives: (days, score bins), rows by score and label; count, score_sum, label_sum: (days, calibration
    bins), the calibration table of each day; squared_error: (days,), sums of (score - label) squared.
    """

    days: tuple[date, ...]
    positives: Floats
    negatives: Floats
    count: Floats
    score_sum: Floats
    label_sum: Floats
    squared_error: Floats

    @property
    def labels(self) -> int:
        return round(float(self.count.sum()))

    @property
    def predicted(self) -> float | None:
        """Mean score of the rows with a label."""
        return float(self.score_sum.sum()) / self.labels if self.labels else None

    @property
    def realised(self) -> float | None:
        """Share of positive labels."""
        return float(self.label_sum.sum()) / self.labels if self.labels else None


def outcomes_of(days: Sequence[tuple[date, OutcomeProfile]]) -> Outcomes:
    """The outcomes of days that have some, in time order."""
    tables = [table for _, table in days]
    return Outcomes(
        tuple(day for day, _ in days),
        positives=_stacked([table.positive.counts for table in tables]),
        negatives=_stacked([table.negative.counts for table in tables]),
        count=_stacked([table.calibration.count for table in tables]),
        score_sum=_stacked([table.calibration.score_sum for table in tables]),
        label_sum=_stacked([table.calibration.label_sum for table in tables]),
        squared_error=np.array([table.squared_error for table in tables]),
    )


class Windows:
    """Adds leaves up. Keeps what it has loaded: neighbouring windows share nearly all of their leaves."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loaded: dict[Digest, Profile] = {}

    def outcomes(self, leaves: Sequence[Leaf]) -> Outcomes:
        """The outcomes of these leaves of one release, in the order of their days."""
        held = [(leaf.day, found) for leaf in leaves if (found := self._load(leaf.outcomes).outcomes) and found.n]
        return outcomes_of(held)

    def answers(self, leaves: Sequence[Leaf]) -> list[tuple[date, AnswerProfile]]:
        """The days whose answers are no probability and have a label, in their order."""
        held = [(leaf.day, self._load(leaf.outcomes).answers) for leaf in leaves]
        return [(day, answers) for day, answers in held if answers is not None and answers.n]

    def features(self, leaves: Sequence[Leaf]) -> Profile:
        """The features and scores of all rows of these leaves of one release."""
        return merge_profiles(*(self._load(leaf.features) for leaf in leaves))

    def each(self, leaves: Sequence[Leaf]) -> list[Profile]:
        """The features and scores of each leaf apart, in their order."""
        return [self._load(leaf.features) for leaf in leaves]

    def forget(self, leaves: Sequence[Leaf]) -> None:
        """Lets go of leaves that no later window holds."""
        for leaf in leaves:
            for digest in (leaf.features, leaf.outcomes):
                if digest is not None:
                    self._loaded.pop(digest, None)

    def _load(self, digest: Digest | None) -> Profile:
        if digest is None:
            return Profile(0)
        if digest not in self._loaded:
            self._loaded[digest] = load_profile(self._store, digest)
        return self._loaded[digest]


def _stacked(rows: Sequence[ArrayLike]) -> Floats:
    return np.array(rows, dtype=np.float64) if rows else np.zeros((0, 0))
