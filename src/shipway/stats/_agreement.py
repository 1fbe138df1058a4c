"""Do two raters agree more than chance would: Cohen's kappa with a seeded bootstrap.

Resampling draws whole clusters, and is done on counts: a round costs as much for a million ratings as for fifty.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shipway.stats._arrays import Floats, cluster_codes
from shipway.stats._interval import Interval, check_level
from shipway.stats._proportions import clopper_pearson

Weights = Literal["none", "linear", "quadratic"]


def cohen_kappa(
    first: Sequence[object],
    second: Sequence[object],
    clusters: ArrayLike | None = None,
    *,
    weights: Weights = "none",
    level: float = 0.95,
    rounds: int = 2000,
    seed: int = 0,
) -> Interval:
    """Agreement of two raters beyond chance: 1 complete, 0 what chance gives, below 0 worse; with a bootstrap interval.

    first, second: (n,) ratings, text or numbers, of the same items; with `linear` or `quadratic` weights a disagreement
    counts by its distance in the sorted order of all ratings used. clusters: (n,) labels, resampled whole. Percentile
    interval over `rounds` resamples of this seed; resamples in which both raters use one rating only say nothing and are
    left out. Complete agreement has no spread: the lower bound is then what `clopper_pearson` leaves for the agreement of
    as many clusters. Raises ValueError on unequal lengths, no ratings, or one rating in all (kappa is then 0/0).
    Source: Cohen (1960, 1968); interval: Efron and Tibshirani (1993), chapter 13.
    >>> round(cohen_kappa([1, 1, 0, 0, 1, 0], [1, 1, 0, 0, 0, 0]).value, 3)
    0.667
    """
    check_level(level)
    tables = _tables(first, second, clusters)
    cost = _costs(tables.shape[1], weights)
    value = float(_kappas(tables.sum(axis=0)[None], cost)[0])
    if not np.isfinite(value):
        raise ValueError("kappa: both raters gave one rating to everything, so agreement by chance is complete")
    low, high = _bootstrap(tables, cost, level=level, rounds=rounds, seed=seed)
    if value == 1.0:
        low = min(low, _least_after_complete(tables, level=level))
    return Interval(value, min(low, value), max(high, value), level, int(tables.sum()), tables.shape[0])


def _tables(first: Sequence[object], second: Sequence[object], clusters: ArrayLike | None) -> Floats:
    """Counts (clusters, k, k) of the ratings, first by second."""
    one, other = np.asarray(first), np.asarray(second)
    if one.ndim != 1 or one.shape != other.shape or one.size == 0:
        raise ValueError(f"ratings: expected two rows of one length, got shapes {one.shape} and {other.shape}")
    codes = np.unique(np.concatenate([one, other]), return_inverse=True)[1]
    kinds, group = int(codes.max()) + 1, cluster_codes(clusters, one.size)
    tables = np.zeros((int(group.max()) + 1, kinds, kinds))
    np.add.at(tables, (group, codes[: one.size], codes[one.size :]), 1.0)
    return tables


def _costs(kinds: int, weights: Weights) -> Floats:
    """What a disagreement costs, (k, k)."""
    apart = np.abs(np.subtract.outer(np.arange(kinds), np.arange(kinds))).astype(np.float64)
    if weights == "none":
        return (apart > 0).astype(np.float64)
    if weights not in ("linear", "quadratic"):
        raise ValueError(f"weights: expected none, linear or quadratic, got {weights}")
    return apart if weights == "linear" else apart**2


def _kappas(tables: Floats, cost: Floats) -> NDArray[np.float64]:
    """Kappa of each table (b, k, k); NaN where it is 0/0."""
    total = tables.sum(axis=(1, 2))
    expected = np.einsum("bi,ij,bj->b", tables.sum(axis=2), cost, tables.sum(axis=1))
    seen = np.einsum("bij,ij->b", tables, cost) * total
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(expected > 0, 1 - seen / expected, np.nan)


def _bootstrap(tables: Floats, cost: Floats, *, level: float, rounds: int, seed: int) -> tuple[float, float]:
    """Percentiles of kappa over resampled clusters; equal tables are drawn together, as counts of each."""
    kinds = tables.shape[1]
    unlike, times = np.unique(tables.reshape(len(tables), -1), axis=0, return_counts=True)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(int(times.sum()), times / times.sum(), size=rounds) @ unlike
    kappas = _kappas(drawn.reshape(rounds, kinds, kinds), cost)
    low, high = np.quantile(kappas[np.isfinite(kappas)], [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _least_after_complete(tables: Floats, *, level: float) -> float:
    """Kappa if the agreement were at its lower bound and the raters' habits as seen."""
    shares = tables.sum(axis=(0, 2)) / tables.sum()
    chance = float(shares @ shares)
    clusters = tables.shape[0]
    return (clopper_pearson(clusters, clusters, level=level).low - chance) / (1 - chance)
