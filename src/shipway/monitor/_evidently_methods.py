"""Evidently's drift methods by their own names: which one it takes where none is asked for, their values and their verdicts.

Each is what Evidently 0.7 computes, flaws included (bins of equal width over both samples, for one); what Shipway itself judges
by is in shipway.data.measure_drift.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from shipway.monitor._evidently_columns import Array, Numbers, Words, distinct
from shipway.stats import chi_square_test, jensen_shannon, ks_test, psi_filled, share_test, wasserstein

_BINNED_ABOVE = 20  # distinct values of the reference, from which numbers are binned
_LEAST_SPREAD = 1e-3  # standard deviation that a constant reference counts as
_FILL, _FILL_SHARE = 1e-4, 1e-6  # an empty bin: 1e-4, or a millionth of the least share where that is no more than 1e-4


class Method(NamedTuple):
    """name: as a user asks for it; shown: as reports print it; low: a value below the threshold is drift (a p-value)."""

    name: str
    shown: str
    threshold: float
    low: bool = False

    def drifted(self, value: float, threshold: float) -> bool:
        """As Evidently decides at the threshold itself: ks and distances are drift there, the other tests are not."""
        if self.name == "ks":
            return value <= threshold
        return value < threshold if self.low else value >= threshold


METHODS = {
    method.name: method
    for method in (
        Method("wasserstein", "Wasserstein distance (normed)", 0.1),
        Method("jensenshannon", "Jensen-Shannon distance", 0.1),
        Method("psi", "PSI", 0.1),
        Method("ks", "K-S p_value", 0.05, low=True),
        Method("chisquare", "chi-square p_value", 0.05, low=True),
        Method("z", "Z-test p_value", 0.05, low=True),
    )
}

FOR_NUMBERS, FOR_CATEGORIES = ("wasserstein", "ks"), ("chisquare", "z")  # when asked for by name; the others are for both


def numeric_method(numbers: Numbers) -> Method:
    """Evidently's choice for a column of numbers: tests up to 1,000 rows of the reference, distances beyond."""
    if numbers.reference.size > 1000:
        return METHODS["wasserstein" if numbers.few > 5 else "jensenshannon"]
    if numbers.few > 5:
        return METHODS["ks"]
    return METHODS["chisquare" if numbers.few > 2 else "z"]


def category_method(words: Words) -> Method:
    """Evidently's choice for a column of categories."""
    if words.reference.sum() > 1000:
        return METHODS["jensenshannon"]
    return METHODS["chisquare" if words.reference.size > 2 else "z"]


def numeric_value(method: Method, numbers: Numbers) -> float:
    """The value of a method for two samples of numbers."""
    one, other = numbers.reference, numbers.current
    if method.name == "wasserstein":
        spread = np.std(one, dtype=np.float64)
        if one.dtype.kind == "f":  # pandas rounds the deviation to the type of the column, which shows for 32 bits
            spread = one.dtype.type(spread)
        return wasserstein(one, other, ordered=True) / max(float(spread), _LEAST_SPREAD)
    if method.name == "ks":
        return ks_test(one, other, ordered=True)
    if method.name in ("jensenshannon", "psi") and distinct(one).size > _BINNED_ABOVE:
        return _of_shares(method, *_binned(one, other))
    return category_value(method, _as_words(one, other))


def category_value(method: Method, words: Words) -> float:
    """The value of a method for two samples of categories."""
    one, other = words
    if method.name == "chisquare":
        return chi_square_test(other, one * (other.sum() / one.sum()))
    if method.name == "z":
        if one.size == 1:
            return 1.0
        return share_test(int(one[1:].sum()), int(one.sum()), int(other[1:].sum()), int(other.sum()))
    return _of_shares(method, one / one.sum(), other / other.sum())


def _of_shares(method: Method, one: Array, other: Array) -> float:
    if method.name == "jensenshannon":
        return jensen_shannon(one / one.sum(), other / other.sum())
    return psi_filled(_filled(one), _filled(other))


def _filled(shares: Array) -> Array:
    least = float(shares[shares > 0].min())
    return np.where(shares == 0, least * _FILL_SHARE if least <= _FILL else _FILL, shares)


def _binned(one: Array, other: Array) -> tuple[Array, Array]:
    edges = np.histogram_bin_edges(np.concatenate([one, other]), bins="sturges")
    return np.histogram(one, edges)[0] / one.size, np.histogram(other, edges)[0] / other.size


def _as_words(one: Array, other: Array) -> Words:
    values = distinct(np.sort(np.concatenate([one, other])))
    counts = [np.diff(np.searchsorted(sample, np.append(values, math.inf))) for sample in (one, other)]
    return Words(*(np.asarray(count, dtype=np.int64) for count in counts))
