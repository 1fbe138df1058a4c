"""How far a population stability index goes by chance alone, when rows of one day are more alike than rows of a month."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from shipway.stats._arrays import amounts
from shipway.stats._quantiles import normal_quantile
from shipway.stats._samples import chi_square_tail


class DriftChance(NamedTuple):
    """noise: by how much more than independent rows the days of a window differ, at least 1.

    chance: of an index as large as the observed one where nothing has changed; rows_needed: of a window in which an index at
    the limit would be told from noise 99 times of 100, None where the reference itself is too small for that.
    """

    noise: float
    chance: float
    rows_needed: int | None


def drift_chance(index: float, *, reference: ArrayLike, days: ArrayLike, limit: float) -> DriftChance:
    """The chance of a population stability index under no drift, by the days' own noise.

    index: of the days together against the reference, nats; reference: (bins,) rows per bin; days: (days, bins), the same
    bins; limit: above 0, the index that matters. Where nothing has changed the index over (1/n + 1/m) is chi-square with one
    degree less than there are bins; days that differ more than rows do stretch it (Pearson's statistic over its degrees, as in
    quasi-likelihood), and the reference is days too. Raises ValueError for other shapes or a limit of 0.
    >>> drift_chance(0.0001, reference=[500, 500], days=[[60, 40], [40, 60]], limit=0.2).noise
    8.0
    """
    before, table = amounts(reference, "reference"), amounts(days, "days", dimensions=2)
    if table.shape[1:] != before.shape or limit <= 0:
        raise ValueError("expected days over the bins of the reference, and a limit above 0")
    after = table.sum(axis=0)
    used = int(np.count_nonzero(before + after))
    n, m, freedom = float(after.sum()), float(before.sum()), max(1, used - 1)
    if not n or not m:
        return DriftChance(1.0, 1.0, None)
    noise = _overdispersion(table)
    floor = _chi_square_quantile(freedom) * noise
    needed = math.ceil(floor / (limit - floor / m)) if limit > floor / m else None
    return DriftChance(noise, chi_square_tail(index / (noise * (1 / n + 1 / m)), freedom), needed)


def _overdispersion(table: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """Pearson's statistic of days by bins over its degrees of freedom; 1 of a single day, which has no noise of its own."""
    held = table[table.sum(axis=1) > 0]
    held = held[:, held.sum(axis=0) > 0]
    freedom = (len(held) - 1) * (int(held.shape[1]) - 1)
    if freedom < 1:
        return 1.0
    expected = held.sum(axis=1, keepdims=True) * held.sum(axis=0) / held.sum()
    return max(1.0, float(((held - expected) ** 2 / expected).sum()) / float(freedom))


def _chi_square_quantile(freedom: float) -> float:
    """99 % of it, by Wilson and Hilferty's cube root: right to a few thousandths, less than the noise of the noise."""
    spread = 2 / (9 * freedom)
    root = 1 - spread + normal_quantile(0.99) * math.sqrt(spread)
    return freedom * root * root * root
