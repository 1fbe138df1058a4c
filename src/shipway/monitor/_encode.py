"""Features of any kind as the numbers that a regression learns from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_MISSING = "\0missing"  # a word of its own, as NannyML has one


class Encoded(NamedTuple):
    """reference, current: (n, columns), NaN where a number is missing; categories: columns of words, from 1 by how often the
    reference has them, 0 for one that it has not.
    """

    reference: Floats
    current: Floats
    categories: tuple[int, ...]


def encode_features(reference: pl.DataFrame, current: pl.DataFrame, names: Sequence[str]) -> Encoded:
    """The named columns of both. A number that is not finite is missing; yes and no are words."""
    before, now, categories = [], [], []
    for place, name in enumerate(names):
        one, other = reference[name], current[name]
        if one.dtype.is_numeric():
            before.append(_numbers(one))
            now.append(_numbers(other))
            continue
        words = _words(one)
        order = words.value_counts(sort=False).sort(["count", words.name], descending=[True, False])[words.name]
        places = {word: at for at, word in enumerate(order.to_list(), start=1)}
        for column, kept in ((words, before), (_words(other), now)):
            kept.append(column.replace_strict(places, default=0, return_dtype=pl.Float64).to_numpy())
        categories.append(place)
    return Encoded(_table(before, reference.height), _table(now, current.height), tuple(categories))


def _table(columns: Sequence[Floats], rows: int) -> Floats:
    return np.column_stack(columns) if columns else np.zeros((rows, 0))


def _numbers(column: pl.Series) -> Floats:
    values = column.cast(pl.Float64).to_numpy()
    return np.where(np.isfinite(values), values, np.nan)


def _words(column: pl.Series) -> pl.Series:
    return column.cast(pl.String).fill_null(_MISSING).alias("word")
