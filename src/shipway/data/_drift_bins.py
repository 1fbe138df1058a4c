"""The bins in which a population stability index is counted, day by day: what its noise is told from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shipway.data._category import CategoryProfile
from shipway.data._drift import _decile_starts
from shipway.data._histogram import Histogram, Ints
from shipway.data._numeric import NumericProfile
from shipway.data._profile import ColumnProfile, Profile


def drift_bins(reference: Profile, days: Sequence[Profile], name: str) -> tuple[Ints, Ints] | None:
    """Rows of the reference (bins,) and of each day (days, bins) in the bins of measure_drift; None where one lacks the column.

    The last bin holds the missing values.
    """
    held = [day.columns[name] for day in days if name in day.columns]
    before = reference.columns.get(name)
    if before is None or not held:
        return None
    if isinstance(before, CategoryProfile):
        names = sorted(before.counts)
        return _words(before, names), np.array([_words(day, names) for day in held])
    return _counted(before, held)


def score_bins(reference: Profile, days: Sequence[Profile]) -> tuple[Ints, Ints] | None:
    """As drift_bins, of the predicted probabilities."""
    held = [day.score for day in days if day.score is not None]
    if reference.score is None or not held:
        return None
    starts = _decile_starts(reference.score.bins.counts)
    rows = [_binned(score.bins, starts, score.nans) for score in held]
    return _binned(reference.score.bins, starts, reference.score.nans), np.array(rows)


def _counted(before: NumericProfile, held: Sequence[ColumnProfile]) -> tuple[Ints, Ints] | None:
    days = [day for day in held if isinstance(day, NumericProfile) and day.same_edges(before)]
    starts = _decile_starts(before.bins.counts)
    rows = [_binned(day.bins, starts, day.missing) for day in days]
    return (_binned(before.bins, starts, before.missing), np.array(rows)) if rows else None


def _words(column: ColumnProfile, names: Sequence[str]) -> Ints:
    assert isinstance(column, CategoryProfile)
    return np.array([*(column.counts.get(name, 0) for name in names), column.other, column.missing])


def _binned(bins: Histogram, starts: Ints, missing: int) -> Ints:
    return np.append(np.add.reduceat(bins.counts, starts), missing)
