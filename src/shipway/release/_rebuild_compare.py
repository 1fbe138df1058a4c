"""How far a rebuilt model is from the one that was released: answers on the golden rows, metrics on the held-out ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from shipway.kernel.canonical import JsonObject
from shipway.models import Array, measure_distance
from shipway.pipeline import Metric

PREDICTIONS = 1e-6  # of an answer between 0 and 1: far above the last bits of a sum, far below what any metric shows
TOLERANCE = 0.005  # of a metric: a fifth of a usual interval's half width


@dataclass(frozen=True, slots=True)
class Tolerances:
    """What counts as equal, absolute: of an answer on the golden rows, and of each metric; TOLERANCE where none is said."""

    predictions: float = PREDICTIONS
    metrics: Mapping[str, float] = field(default_factory=dict)

    @staticmethod
    def of(declared: Mapping[str, float]) -> Tolerances:
        """Of a model's `rebuild:` in the spec."""
        metrics = {name: value for name, value in declared.items() if name != "predictions"}
        return Tolerances(declared.get("predictions", PREDICTIONS), metrics)


@dataclass(frozen=True, slots=True)
class PredictionsCompared:
    """The golden rows: how many, how many whose answer has other bits, the largest difference, what was allowed.

    largest: infinite where an answer has no distance (another type, NaN).
    """

    rows: int
    different: int
    largest: float
    tolerance: float

    @property
    def equal(self) -> bool:
        """Never so when no row was asked: then nothing is known of the answers."""
        return self.rows > 0 and self.largest <= self.tolerance

    def to_json(self) -> JsonObject:
        """JSON knows no infinity: a largest difference without a number is null."""
        return {
            "rows": self.rows,
            "different": self.different,
            "largest": self.largest if math.isfinite(self.largest) else None,
            "tolerance": self.tolerance,
            "equal": self.equal,
        }


@dataclass(frozen=True, slots=True)
class MetricCompared:
    """One metric of the released and of the rebuilt model on the held-out rows, and what was allowed between them."""

    name: str
    before: float
    after: float
    tolerance: float

    @property
    def difference(self) -> float:
        return self.after - self.before

    @property
    def equal(self) -> bool:
        return abs(self.difference) <= self.tolerance

    def to_json(self) -> JsonObject:
        return {
            "name": self.name,
            "before": self.before,
            "after": self.after,
            "difference": self.difference,
            "tolerance": self.tolerance,
            "equal": self.equal,
        }


def compare_predictions(
    expected: Mapping[str, Array], given: Mapping[str, Array], tolerances: Tolerances
) -> PredictionsCompared:
    return PredictionsCompared(*measure_distance(expected, given), tolerances.predictions)


def compare_metrics(
    before: tuple[Metric, ...], after: tuple[Metric, ...], tolerances: Tolerances
) -> tuple[MetricCompared, ...]:
    """In the order of the release's own; both sides are measured by the same code, so they have the same names."""
    rebuilt = {metric.name: metric.value for metric in after}
    return tuple(
        MetricCompared(metric.name, metric.value, rebuilt[metric.name], tolerances.metrics.get(metric.name, TOLERANCE))
        for metric in before
    )
