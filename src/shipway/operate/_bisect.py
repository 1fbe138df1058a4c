"""What `bisect` finds, whatever kind of release it replayed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.operate._parted import Pair, Parted, Swap
from shipway.stats import Interval

LOWER_IS_BETTER = frozenset({"brier", "log_loss", "absolute_error", "squared_error", "cost_usd", "seconds"})
POINTS = ("auc", "exact", "contains", "mrr", "recall_at_", "ndcg_at_")  # shares, told in points of a hundred


Tell = Callable[[int, int, str], None]
"""How many replays are done, of how many, and which one begins."""


class BisectImpossible(ShipwayError):
    """There is nothing to tell two releases apart by: no requests with outcomes, too few, or releases that do not compare."""

    code = "operate.bisect-impossible"


@dataclass(frozen=True, slots=True)
class Replayed:
    """How a release that answered some of the rows itself answers them now: rows that it answered, and how many alike."""

    release: Digest
    rows: int
    equal: int


@dataclass(frozen=True, slots=True)
class Bisection:
    """Which component moved the metric from one release to another.

    ends: the metric of both; over: of what rows, for people; asked: their facts, for machines.
    """

    source: Digest
    target: Digest
    metric: str
    ends: tuple[float, float]
    parted: Parted
    over: str
    asked: JsonObject
    replayed: tuple[Replayed, ...] = ()

    @property
    def better(self) -> str:
        """In which direction the metric improves: `higher` or `lower`."""
        return "lower" if self.metric in LOWER_IS_BETTER else "higher"

    @property
    def in_points(self) -> bool:
        """Whether it is a share, whose hundredths people call points."""
        return self.metric.startswith(POINTS)

    def to_json(self) -> JsonObject:
        """The same for machines, without kind and version."""
        parted = self.parted
        return {
            "from": self.source,
            "to": self.target,
            "metric": self.metric,
            "better": self.better,
            "values": list(self.ends),
            "total": _interval(parted.total),
            "components": [_swap(swap) for swap in parted.swaps],
            "interaction": _interval(parted.interaction),
            "remainder": _interval(parted.remainder),
            "pairs": [_pair(pair) for pair in parted.pairs],
            "level": parted.level,
            "moved": [swap.component for swap in parted.moved],
            "decided": parted.decided,
            "rows": self.asked,
            "replayed": [{"release": one.release, "rows": one.rows, "equal": one.equal} for one in self.replayed],
        }


def _swap(swap: Swap) -> JsonObject:
    behind: list[Json] = list(swap.because)
    return {
        "component": swap.component,
        "verdict": swap.said,
        "effect": _interval(swap.effect),
        "alone": _interval(swap.alone),
        "last": _interval(swap.last),
        "still_needed": swap.still_needed,
        "because": behind,
        "why": swap.why,
    }


def _pair(pair: Pair) -> JsonObject:
    return {"components": list(pair.components), "effect": _interval(pair.effect), "surely": pair.surely}


def _interval(found: Interval | None) -> Json:
    if found is None:
        return None
    number: JsonObject = {"value": found.value, "low": found.low, "high": found.high}
    return {**number, "level": found.level, "n": found.n, "clusters": found.clusters}
