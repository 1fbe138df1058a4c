"""What a page says of a deployment of target `gateway`, as plain facts: readings, evaluations, what its parts are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shipway.kernel.check import Check
from shipway.kernel.digest import Digest
from shipway.monitor import Reading

GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class MetricFacts:
    """A metric of an evaluation, its interval in the check; slice: the part of the golden set, None for all of it."""

    check: Check
    slice: str | None


@dataclass(frozen=True, slots=True)
class Measured:
    """A number with its interval, as far as there is one."""

    value: float
    low: float | None
    high: float | None
    n: int | None


@dataclass(frozen=True, slots=True)
class EvaluationFacts:
    """One golden set over one release. judge: agreement, kappa and flip_rate of the judge, by name."""

    release: Digest
    golden: str
    at: datetime
    items: int
    metrics: tuple[MetricFacts, ...]
    judge: Mapping[str, Measured]


@dataclass(frozen=True, slots=True)
class GatewayFacts:
    """monitors: those that the deployment asks for; evaluations: of the live release, then of the candidate.

    notes: what a component is made of in words, by its digest.
    """

    monitors: tuple[str, ...]
    readings: tuple[Reading, ...]
    evaluations: tuple[EvaluationFacts, ...]
    notes: Mapping[Digest, str]
