"""Which predictions have a label, whether those are like the others, and how long labels take. Pure.

Labels that are missing not by chance make every number that is measured on the others a number about somebody else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shipway.kernel.canonical import JsonObject
from shipway.kernel.units import Seconds
from shipway.monitor._tables import AHEAD, SCORE, WEIGHT
from shipway.monitor._weights import effective_rows
from shipway.stats import psi

_ERROR = 0.05  # of the interval of a bias
NOTABLE = 0.1  # a difference of distributions below which nobody's numbers move much
_DECILES = np.arange(1, 10) / 10
AGES = tuple(
    Seconds(float(age))
    for age in (60, 3600, 6 * 3600, *(86400 * days for days in (1, 2, 3, 5, 7, 14, 21, 28, 60, 90, 180, 365)))
)
_MATURE = 0.95  # the share of the labels that ever come, at which they count as complete where nobody says when

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bias:
    """Scores of mature rows with a label against those without one. ks lies in [low, high] at 95 % whatever the scores.

    psi: over the deciles of all; both weighted. labelled, unlabelled: effective rows of either kind.
    """

    psi: float
    ks: float
    low: float
    high: float
    labelled: float
    unlabelled: float

    @property
    def notable(self) -> bool:
        """Surely a difference, and one that matters."""
        return self.low > 0.0 and self.ks > NOTABLE

    def to_json(self) -> JsonObject:
        return {name: getattr(self, name) for name in ("psi", "ks", "low", "high", "notable")}


class AgeShare(NamedTuple):
    """share of the predictions whose label arrived by this age, in seconds; at_risk: those that reached that age."""

    age: Seconds
    share: float
    at_risk: int


def measure_bias(frame: pl.DataFrame) -> Bias | None:
    """Of joined rows with SCORE, label, mature and perhaps weights; None where one kind has no score.

    Interval: both empirical distributions lie within their own band at once (Dvoretzky, Kiefer, Wolfowitz; Massart's
    constant), so the distance between them is off by no more than both bands. Holds for independent rows; days that share an
    effect make it too narrow.
    """
    rows = frame.filter(pl.col("mature") & pl.col(SCORE).is_not_nan() & pl.col(SCORE).is_not_null())
    score, weight = rows[SCORE].to_numpy(), _weights(rows)
    known = rows["label"].is_not_null().to_numpy()
    if known.all() or not known.any():
        return None
    order = np.argsort(score, kind="stable")
    score, weight, known = score[order], weight[order], known[order]
    one, other = weight[known], weight[~known]
    if not one.sum() or not other.sum():
        return None
    apart = np.cumsum(np.where(known, weight / one.sum(), -weight / other.sum()))
    last = np.append(score[1:] != score[:-1], True)
    ks = float(np.abs(apart[last]).max())
    sizes = effective_rows(one), effective_rows(other)
    band = sum(math.sqrt(math.log(4 / _ERROR) / (2 * size)) for size in sizes)
    return Bias(_psi(score, weight, known), ks, max(0.0, ks - band), min(1.0, ks + band), *sizes)


def maturity_curve(frame: pl.DataFrame, *, now: int | None = None) -> tuple[AgeShare, ...]:
    """The share of labels that had arrived by each of AGES, of rows old enough to have told; empty without labels.

    frame: time, recorded, label_time, label_recorded (INSTANT) and label_known, whether there is one, mature or not; now:
    microseconds of the epoch until which labels could arrive, the newest arrival when left out. A row that is too young for
    an age counts until it is (product-limit estimate; Kaplan, Meier 1958), so young rows do not look like missing labels.
    Arrival is when a label was recorded after its prediction was; of predictions that were replayed (recorded more than a
    day after their event) it is when it happened after the event.
    """
    aged = frame.select(_age().alias("age"), _reach(frame, now).alias("reach"), pl.col("label_known"))
    aged = aged.filter(pl.col("reach").is_not_null())
    known = aged["label_known"].to_numpy()
    reach = aged["reach"].to_numpy().astype(np.float64)
    age = aged["age"].cast(pl.Float64).fill_null(0.0).to_numpy()
    arrives = np.where(known, np.maximum(age, 0.0), np.inf)
    if not known.any():
        return ()
    found, missing, before = [], 1.0, -1.0
    for end in AGES:
        waits = (arrives > before) & (reach >= end * 1e6)
        at_risk = int(waits.sum())
        if not at_risk:
            break
        missing *= 1.0 - float((waits & (arrives <= end * 1e6)).sum()) / at_risk
        found.append(AgeShare(end, 1.0 - missing, at_risk))
        before = end * 1e6
    return tuple(found)


def matures_by(curve: tuple[AgeShare, ...]) -> Seconds | None:
    """The first age by which nearly all the labels that ever come have come; None for a curve that has not flattened."""
    if len(curve) < 2 or not curve[-1].share:
        return None
    enough = _MATURE * curve[-1].share
    found = next(point.age for point in curve if point.share >= enough)
    return found if found < curve[-1].age else None


def _weights(rows: pl.DataFrame) -> Floats:
    if WEIGHT not in rows.columns:
        return np.ones(rows.height)
    return rows[WEIGHT].fill_null(1.0).to_numpy()


def _psi(score: Floats, weight: Floats, known: NDArray[np.bool_]) -> float:
    """score ascending. Over the deciles of all rows, equal scores together."""
    below = np.cumsum(weight) / weight.sum()
    edges = np.unique(score[np.searchsorted(below, _DECILES - 1e-12)])
    place = np.searchsorted(edges, score, side="left")
    one, other = (np.bincount(place[kind], weight[kind], edges.size + 1) for kind in (known, ~known))
    return psi(one / one.sum(), other / other.sum())


def _age() -> pl.Expr:
    """Microseconds from a prediction to its label."""
    arrived = pl.col("label_recorded") - pl.col("recorded")
    happened = pl.coalesce("label_time", "label_recorded") - pl.col("time")
    return pl.when(_replayed()).then(happened).otherwise(arrived).cast(pl.Int64)


def _reach(frame: pl.DataFrame, now: int | None) -> pl.Expr:
    """Microseconds for which a label of the row could have arrived by now."""
    ends = [frame["label_recorded"].cast(pl.Int64).max(), frame["label_time"].cast(pl.Int64).max()]
    recorded, happened = (end if isinstance(end, int) else now for end in ends)
    replayed = pl.lit(now if now is not None else happened) - pl.col("time").cast(pl.Int64)
    asked = pl.lit(now if now is not None else recorded) - pl.col("recorded").cast(pl.Int64)
    return pl.when(_replayed()).then(replayed).otherwise(asked)


def _replayed() -> pl.Expr:
    return pl.col("recorded") - pl.col("time") > AHEAD
