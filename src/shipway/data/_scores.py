"""The profile of predicted probabilities, and of the outcomes that arrive later.

Scores count every prediction, outcomes only those whose label is known; they add up apart, so that a late label
costs one small profile and no feature is read again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from shipway.data._errors import ProfileMismatch
from shipway.data._histogram import (
    BINS,
    Floats,
    Histogram,
    empty_histogram,
    histogram_from_json,
    histogram_of,
    numbers,
    steady_sum,
    unit_place,
)
from shipway.kernel.canonical import JsonObject
from shipway.stats import CalibrationTable, calibration_table

_QUANTILES = 20  # bins of equal mass in the reference


@dataclass(frozen=True, slots=True, eq=False)
class ScoreProfile:
    """n predictions; `bins` holds them in BINS uniform bins of [0, 1], but for `nans` without a number."""

    n: int
    nans: int
    bins: Histogram

    @property
    def mean(self) -> float | None:
        return self.bins.total / self.bins.rows if self.bins.rows else None

    def __add__(self, other: ScoreProfile) -> ScoreProfile:
        return ScoreProfile(self.n + other.n, self.nans + other.nans, self.bins + other.bins)

    def to_json(self) -> JsonObject:
        return {"n": self.n, "nans": self.nans, "bins": self.bins.to_json()}


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeProfile:
    """Predictions with a known label: their scores in BINS bins per label, and the calibration table.

    calibration: count, score sum and label sum per bin of `edges` (fixed by the reference, ascending cuts);
    squared_error: sum of (score - label) squared, so that over `n` it is the Brier score.
    """

    negative: Histogram
    positive: Histogram
    edges: Floats
    calibration: CalibrationTable
    squared_error: float

    @property
    def n(self) -> int:
        return self.negative.rows + self.positive.rows

    @property
    def base_rate(self) -> float | None:
        """Share of positive labels."""
        return self.positive.rows / self.n if self.n else None

    @property
    def predicted_rate(self) -> float | None:
        """Mean score of the same rows."""
        return (self.negative.total + self.positive.total) / self.n if self.n else None

    def __add__(self, other: OutcomeProfile) -> OutcomeProfile:
        """Raises ProfileMismatch when the edges differ."""
        if not np.array_equal(self.edges, other.edges):
            raise ProfileMismatch("outcomes with different edges do not add up", mend="measure both against one reference")
        return OutcomeProfile(
            self.negative + other.negative,
            self.positive + other.positive,
            self.edges,
            CalibrationTable(*map(np.add, self.calibration, other.calibration)),
            self.squared_error + other.squared_error,
        )

    def to_json(self) -> JsonObject:
        table = self.calibration
        return {
            "negative": self.negative.to_json(),
            "positive": self.positive.to_json(),
            "edges": self.edges.tolist(),
            "calibration": {
                "count": table.count.tolist(),
                "score_sum": table.score_sum.tolist(),
                "label_sum": table.label_sum.tolist(),
            },
            "squared_error": self.squared_error,
        }


def score_from_json(record: JsonObject) -> ScoreProfile:
    bins = histogram_from_json(cast("JsonObject", record["bins"]), BINS)
    return ScoreProfile(int(cast("int", record["n"])), int(cast("int", record["nans"])), bins)


def outcomes_from_json(record: JsonObject) -> OutcomeProfile:
    table = cast("JsonObject", record["calibration"])
    return OutcomeProfile(
        histogram_from_json(cast("JsonObject", record["negative"]), BINS),
        histogram_from_json(cast("JsonObject", record["positive"]), BINS),
        numbers(record, "edges"),
        CalibrationTable(numbers(table, "count").astype(np.int64), numbers(table, "score_sum"), numbers(table, "label_sum")),
        float(cast("float", record["squared_error"])),
    )


def probabilities_of(score: ArrayLike) -> Floats:
    """(n,) scores, NaN where there is none; raises ProfileMismatch for what is no probability."""
    values = np.asarray(score, dtype=np.float64)
    if values.ndim != 1 or (values < 0).any() or (values > 1).any():
        raise ProfileMismatch(
            "a score is one probability in 0..1 per row", mend="profile the probability of the positive class"
        )
    return values


def calibration_edges(score: Floats) -> Floats:
    """The cuts between bins of equal mass; equal scores stay together, so there may be fewer."""
    kept = score[~np.isnan(score)]
    inner = np.linspace(0, 1, _QUANTILES + 1)[1:-1]
    return np.unique(np.quantile(kept, inner, method="inverted_cdf")) if kept.size else np.array([0.5])


def measure_score(score: Floats) -> ScoreProfile:
    kept = score[~np.isnan(score)]
    return ScoreProfile(score.size, score.size - kept.size, histogram_of(unit_place(kept), kept, BINS))


def measure_outcome(score: Floats, label: ArrayLike, edges: Floats) -> OutcomeProfile:
    """label: (n,) 0, 1, or NaN (None) where it is not known yet. Raises ProfileMismatch."""
    truth = np.asarray(label, dtype=np.float64)
    known = ~np.isnan(truth) & ~np.isnan(score) if truth.shape == score.shape else None
    if known is None or not np.isin(truth[known], (0.0, 1.0)).all():
        raise ProfileMismatch("a label is 0, 1 or unknown (NaN), one per score", mend="pass the outcomes of the same rows")
    scores, labels = score[known], truth[known]
    if not scores.size:
        bins = edges.size + 1
        nothing = CalibrationTable(np.zeros(bins, np.int64), np.zeros(bins), np.zeros(bins))
        return OutcomeProfile(empty_histogram(BINS), empty_histogram(BINS), edges, nothing, 0.0)
    place, yes = unit_place(scores), labels == 1
    return OutcomeProfile(
        histogram_of(place[~yes], scores[~yes], BINS),
        histogram_of(place[yes], scores[yes], BINS),
        edges,
        calibration_table(scores, labels, edges),
        steady_sum(place, (scores - labels) ** 2),
    )
