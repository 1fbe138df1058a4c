"""Of a deployment: what is known of its predictions, by release and arm. Reads the log, judges nothing.

How many rows are old enough for a label, how many have one, whether those are like the others, and how labels arrive.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest
from shipway.monitor._coverage import AgeShare, Bias, maturity_curve, measure_bias
from shipway.monitor._deployments import rows_of_ref
from shipway.monitor._entities import entity_rule
from shipway.monitor._join import known_labels, of_mature
from shipway.monitor._leaf import Question
from shipway.monitor._tables import SCORE, WEIGHT, scan_weights
from shipway.store import Store

_SPAN = timedelta(days=28)


@dataclass(frozen=True, slots=True)
class Labels:
    """Of one arm of one release, over the event days since `first`. weighted: requests that the rows stand for."""

    release: Digest
    arm: str
    rows: int
    weighted: float
    mature: int
    labels: int
    ambiguous: int
    bias: Bias | None
    curve: tuple[AgeShare, ...]

    def to_json(self) -> JsonObject:
        """As in the document of `shipway outcomes`."""
        counts = {name: getattr(self, name) for name in ("rows", "weighted", "mature", "labels", "ambiguous")}
        curve = [{"age_seconds": age, "share": share, "rows": rows} for age, share, rows in self.curve]
        bias = self.bias.to_json() if self.bias else None
        return {"release": self.release, "arm": self.arm, **counts, "bias": bias, "curve": list(curve)}


def measure_labels(store: Store, question: Question) -> tuple[Labels, ...]:
    """The four weeks until the event clock, by release and arm; shadows left out, nobody acted on their answers."""
    first = (question.clock - _SPAN).date()
    rows = rows_of_ref(store, scan_weights(store, first=first), question.ref)
    outcome, matures = question.outcome, question.matures
    rule = entity_rule(store, question.ref, outcome, first)
    known = known_labels(store, rows, outcome=outcome, entity=rule)
    known = known.with_columns(known_label="label", known_time="label_time", known_recorded="label_recorded")
    found = of_mature(known, matures=matures, as_of=question.clock).collect()
    parts = found.partition_by("release", "arm", maintain_order=True)
    return tuple(sorted((_labels(part) for part in parts), key=lambda one: (one.release, one.arm)))


def _labels(part: pl.DataFrame) -> Labels:
    arrived = part.select(
        "time",
        "recorded",
        label_time="known_time",
        label_recorded="known_recorded",
        label_known=pl.col("known_label").is_not_null(),
    )
    return Labels(
        release=Digest(part["release"][0]),
        arm=part["arm"][0],
        rows=part.height,
        weighted=float(part[WEIGHT].sum()),
        mature=int(part["mature"].sum()),
        labels=int(part["label"].count()),
        ambiguous=int(part["ambiguous"].sum()),
        bias=measure_bias(part) if SCORE in part.columns else None,
        curve=maturity_curve(arrived),
    )
