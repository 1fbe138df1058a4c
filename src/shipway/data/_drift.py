"""How far a window is from its reference, column by column, from the two profiles alone.

Distances are effect sizes. Whether one matters is a monitor's business, and feature drift never pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from shipway.data._category import CategoryProfile
from shipway.data._errors import ProfileMismatch
from shipway.data._histogram import Floats, Histogram, Ints
from shipway.data._numeric import NumericProfile
from shipway.data._profile import ColumnProfile, Profile
from shipway.stats import jensen_shannon, ks_binned, psi, wasserstein_binned

_DECILES = np.arange(1, 10) / 10
_FLAT = 1e-3  # the standard deviation that a constant reference counts as; Evidently takes the same


class Drift(NamedTuple):
    """None where a distance has no meaning: no rows, or words for wasserstein and ks.

    psi (nats) and jensen_shannon (0..0.833): over reference deciles, or categories and others, and a bin of missing
    values; wasserstein (in standard deviations of the reference) and ks (0..1): over the 1,002 bins of finite values.
    """

    psi: float | None
    jensen_shannon: float | None
    wasserstein: float | None
    ks: float | None


_UNKNOWN = Drift(None, None, None, None)


def measure_drift(reference: Profile, current: Profile) -> Mapping[str, Drift]:
    """Drift of every column that both profiles hold. Raises ProfileMismatch when they do not share their edges."""
    both = {name: current.columns[name] for name in reference.columns if name in current.columns}
    return {name: _column_drift(name, reference.columns[name], column) for name, column in both.items()}


def measure_score_drift(reference: Profile, current: Profile) -> Drift:
    """Drift of the predicted probabilities; wasserstein in standard deviations of the reference's binned scores."""
    if reference.score is None or current.score is None:
        return _UNKNOWN
    one, other = reference.score, current.score
    return _numbers_drift(one.bins, other.bins, missing=(one.nans, other.nans), std=_binned_std(one.bins))


def _column_drift(name: str, reference: ColumnProfile, current: ColumnProfile) -> Drift:
    if isinstance(reference, CategoryProfile) and isinstance(current, CategoryProfile):
        return _words_drift(reference, current)
    if isinstance(reference, NumericProfile) and isinstance(current, NumericProfile) and reference.same_edges(current):
        missing = reference.missing, current.missing
        return _numbers_drift(reference.bins, current.bins, missing=missing, std=reference.std or 0.0)
    raise ProfileMismatch(f"the profiles of {name} have different edges", where=name, mend="measure both against one reference")


def _words_drift(reference: CategoryProfile, current: CategoryProfile) -> Drift:
    names = sorted(reference.counts)
    one, other = (
        np.array([*(column.counts.get(name, 0) for name in names), column.other, column.missing])
        for column in (reference, current)
    )
    return _UNKNOWN._replace(**_share_distances(one, other))


def _numbers_drift(reference: Histogram, current: Histogram, *, missing: tuple[int, int], std: float) -> Drift:
    starts = _decile_starts(reference.counts)
    one = np.append(np.add.reduceat(reference.counts, starts), missing[0])
    other = np.append(np.add.reduceat(current.counts, starts), missing[1])
    drift = _UNKNOWN._replace(**_share_distances(one, other))
    if not reference.rows or not current.rows:
        return drift
    distance = wasserstein_binned(reference.counts, reference.sums, current.counts, current.sums)
    ks = ks_binned(_shares(reference.counts), _shares(current.counts))
    return drift._replace(wasserstein=distance / (std or _FLAT), ks=ks)


def _share_distances(reference: Ints, current: Ints) -> dict[str, float]:
    if not reference.sum() or not current.sum():
        return {}
    one, other = _shares(reference), _shares(current)
    return {"psi": psi(one, other), "jensen_shannon": jensen_shannon(one, other)}


def _decile_starts(counts: Ints) -> Ints:
    """The first bin of each group that holds about a tenth of the reference; fewer groups where a bin holds more."""
    below = np.cumsum(counts) / max(1, int(counts.sum()))
    starts = np.searchsorted(below, _DECILES - 1e-12) + 1
    kept = np.append(0, starts[starts < counts.size])  # ascending; np.unique would import numpy.ma, 60 ms
    return kept[np.diff(kept, prepend=-1) > 0]


def _shares(counts: Ints) -> Floats:
    return np.asarray(counts / counts.sum(), dtype=np.float64)


def _binned_std(bins: Histogram) -> float:
    """Standard deviation with each row at the mean of its bin; a bin is 0.001 wide, so it is off by less than that."""
    if not bins.rows:
        return 0.0
    held = bins.counts > 0
    means = bins.sums[held] / bins.counts[held]
    return float(np.sqrt(np.average((means - bins.total / bins.rows) ** 2, weights=bins.counts[held])))
