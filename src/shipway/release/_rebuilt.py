"""What a rebuild answers: how equal the release came out, and the numbers behind it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Digest
from shipway.release._rebuild_compare import MetricCompared, PredictionsCompared
from shipway.release._rebuild_show import Difference


class Equality(StrEnum):
    """How equal a rebuilt release came out, strongest first."""

    BYTES = "EQUAL (bytes)"
    LOCKED = "EQUAL (prompt and index as locked)"
    PREDICTIONS = "EQUAL (predictions on the golden rows)"
    METRICS = "EQUAL (metrics within tolerance)"
    DIFFERENT = "DIFFERENT"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The answer, with the numbers behind it.

    model: None for a release that holds none. difference: the first component that came out otherwise, None when nothing did.
    predictions, metrics: measured when the bytes differ. environment: the one it was rebuilt in, when that is not the
    release's own.
    """

    equality: Equality
    release: Digest
    model: Digest | None
    folder: Path
    difference: Difference | None
    predictions: PredictionsCompared | None = None
    metrics: tuple[MetricCompared, ...] = ()
    environment: Digest | None = None

    @property
    def different(self) -> str | None:
        """The first difference in one line."""
        return self.difference.what if self.difference else None

    def to_json(self) -> JsonObject:
        """What the proof and `--json` say alike; what was not measured is left out."""
        found: dict[str, Json] = {"equality": self.equality.value, "model": self.model, "different": self.different}
        if self.difference:
            found["difference"] = self.difference.to_json()
        if self.predictions:
            found["predictions"] = self.predictions.to_json()
        if self.metrics:
            found["metrics"] = [metric.to_json() for metric in self.metrics]
        if self.environment:
            found["environment"] = self.environment
        return found
