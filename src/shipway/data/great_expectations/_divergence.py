"""How far the values of a column are from a distribution that was expected: the Kullback-Leibler divergence, in nats."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np
import polars as pl

from shipway.data.great_expectations._asked import Ask, Asked, Found, Numbers, Refused, is_text, numeric
from shipway.kernel.canonical import Json

_MOST_BINS = 1000
Weights = np.ndarray[Any, np.dtype[np.float64]]


def compile_divergence(ask: Ask) -> Asked:
    """Of values, or of bins with or without tails; what is met where a weight of 0 was expected is infinitely far."""
    expected, threshold = ask.get("partition_object"), ask.number("threshold")
    if expected is None:
        ask.unsupported("without a partition_object, of the column and itself,")
    if threshold is not None and threshold < 0:
        raise Refused("threshold is not negative")
    if not isinstance(expected, Mapping):
        ask.malformed("partition_object is an object")
    values, bins = expected.get("values"), expected.get("bins")
    weights = _numbers(ask, "weights", expected.get("weights"))
    tails = _numbers(ask, "tail_weights", expected["tail_weights"]) if "tail_weights" in expected else None
    if (values is None) == (bins is None) or not np.isclose(sum(weights) + sum(tails or ()), 1):
        ask.malformed("partition_object has weights that sum to 1, and values or bins")
    if values is not None:
        return _of_values(ask, values, weights)
    return _of_bins(ask, _numbers(ask, "bins", bins), weights, tails)


def _numbers(ask: Ask, word: str, found: Json) -> list[float]:
    if not isinstance(found, list) or not found or not all(type(one) in (int, float) for one in found):
        ask.malformed(f"{word} of partition_object is a list of numbers")
    return [float(cast("float", one)) for one in found]


def _share(ask: Ask, word: str) -> float:
    value = ask.number(word) or 0
    return value if 0 <= value <= 1 else ask.malformed(f"{word} is a share from 0 to 1")


def _of_values(ask: Ask, values: Json, weights: list[float]) -> Asked:
    column, kind = ask.column(ask.text("column"))
    text = is_text(kind)
    subject = column.cast(pl.String) if text else numeric(ask, ask.text("column")).cast(pl.Float64)
    if not isinstance(values, list) or len(values) != len(weights):
        ask.malformed("partition_object has as many weights as values")
    if not all(type(value) in ((str,) if text else (int, float)) for value in values):
        ask.unsupported(f"with values of another type than the column, {kind}")
    if len(set(cast("list[object]", values))) < len(values):
        raise Refused("a value of partition_object comes twice")
    if _share(ask, "internal_weight_holdout"):
        raise Refused("internal_weight_holdout cannot be used for values, only for bins")
    tail = _share(ask, "tail_weight_holdout")
    counts = ask.only(subject).drop_nulls().value_counts().implode()

    def judge(numbers: Numbers) -> Found:
        met = {
            next(iter(one.values())): cast("int", one["count"])
            for one in cast("Sequence[Mapping[str, Any]]", numbers["counts"])
        }
        rows = sum(met.values())
        others = sorted(value for value in met if value not in values)
        every = [*values, *others]
        observed = np.array([met.get(value, 0) / rows if rows else 0.0 for value in every])
        scale = 1 - tail if others else 1
        asked = np.array([weight * scale for weight in weights] + [tail / len(others) for _ in others])
        plain = [int(value) if kind.is_integer() and float(value).is_integer() else value for value in every]
        return _found(ask, observed, asked, {"values": plain, "weights": observed.tolist()},
                      {"values": plain, "weights": asked.tolist()})  # fmt: skip

    return Asked(numbers={"counts": counts}, judge=judge)


def _of_bins(ask: Ask, bins: list[float], weights: list[float], tails: list[float] | None) -> Asked:
    """Bins hold their lower end and not their upper one, the last one both; an end may be infinite."""
    if len(bins) != len(weights) + 1 or any(one >= other for one, other in pairwise(bins)):
        ask.malformed("partition_object has bins that rise, one more than weights")
    if len(bins) > _MOST_BINS:
        ask.unsupported(f"with more than {_MOST_BINS} bins")
    if not ask.flag("bucketize_data", default=True):
        raise Refused("bins ask for bucketize_data")
    tail, internal = _share(ask, "tail_weight_holdout"), _share(ask, "internal_weight_holdout")
    open_low, open_high = bins[0] == -math.inf, bins[-1] == math.inf
    if tails is not None and (tail or open_low or open_high or len(tails) != 2):
        raise Refused("tail_weights are two, and go with neither tail_weight_holdout nor infinite ends")
    if tail and open_low and open_high:
        raise Refused("tail_weight_holdout does not go with infinite ends")
    value = ask.only(numeric(ask, ask.text("column"))).cast(pl.Float64).drop_nulls()
    last = len(weights) - 1
    inside = [
        ((value >= low) & ((value <= high) if place == last else (value < high))).sum()
        for place, (low, high) in enumerate(pairwise(bins))
    ]
    counts = pl.concat_list([(value < bins[0]).sum(), *inside, (value > bins[-1]).sum(), value.len()])
    held = np.array(weights) * (1 - tail - internal)
    if internal and (held == 0).any():
        held[held == 0] = internal / (held == 0).sum()
    ends = tails or ([tail, tail] if open_low or open_high else [tail / 2, tail / 2])

    def judge(numbers: Numbers) -> Found:
        below, *middle, above, rows = np.array(numbers["counts"], dtype=np.float64)
        with np.errstate(invalid="ignore"):
            observed = np.array([below, *middle, above]) / rows
        asked = np.array([ends[0], *held, ends[1]])
        # an infinite end is a tail of its own
        cut = slice(1 if open_low else 0, -1 if open_high else None)
        observed, asked = observed[cut], asked[cut]
        shown: Json = bins[cut]
        return _found(ask, observed, asked, _partition(shown, observed), _partition(shown, asked))

    return Asked(numbers={"counts": counts}, judge=judge)


def _partition(bins: Json, weights: Weights) -> Json:
    first, *middle, last = [None if math.isnan(weight) else weight for weight in weights.tolist()]
    return {"bins": bins, "weights": middle, "tail_weights": [first, last]}


def _found(ask: Ask, observed: Weights, asked: Weights, seen: Json, wanted: Json) -> Found:
    far, threshold = divergence(observed, asked), ask.number("threshold")
    details: Json = {"observed_partition": seen, "expected_partition": wanted}
    return Found(
        threshold is None or far <= threshold,
        {"observed_value": far if math.isfinite(far) else None, "details": details},
    )


def divergence(observed: Weights, expected: Weights) -> float:
    """Kullback and Leibler's (1951), in nats, of two lists of weights, each divided by its sum; NaN where one has none.

    >>> round(divergence(np.array([0.5, 0.5]), np.array([0.9, 0.1])), 4)
    0.5108
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        p, q = observed / observed.sum(), expected / expected.sum()
        if np.isnan(p).any() or np.isnan(q).any():
            return math.nan
        return float(np.where(p > 0, p * np.log(p / q), 0.0).sum())
