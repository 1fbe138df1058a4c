"""A window of somebody else's predictions as one JSON value, from which text and page are drawn. Pure."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from shipway.data import CategoryProfile, NumericProfile, Profile
from shipway.data import Histogram as Bins
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.clock import instant
from shipway.monitor._coverage import Bias
from shipway.monitor._foreign import SCORE_NAME, ForeignWindow
from shipway.monitor._new_values import new_values_json
from shipway.monitor._projections import told_names

PICTURES = 30  # features with a picture, those that drifted most first: a page of any table stays small
_BARS = 20
_WORDS = 8


def window_document(found: ForeignWindow) -> JsonObject:
    """As in the document of `shipway watch --predictions`; `features` by how far they drifted, shares in `reference` and
    `current` for the first of them.
    """
    return {
        "verdict": found.verdict.value,
        "window": {
            "first": instant(found.first) if found.first else None,
            "last": instant(found.last) if found.last else None,
            "rows": found.rows,
            "weighted_rows": found.weighted,
            "untimed": found.untimed,
            "mistimed": found.mistimed,
            "reference_rows": found.reference_rows,
        },
        "coverage": {
            "mature": found.mature,
            "labels": found.labels,
            "share": found.labels / found.mature if found.mature else None,
            "bias": found.bias.to_json() if found.bias else None,
            "text": _coverage_words(found),
        },
        "maturity": {
            "matures_seconds": found.matures,
            "estimated": found.estimated,
            "curve": [{"age_seconds": age, "share": share, "rows": rows} for age, share, rows in found.curve],
        },
        "columns": {name: list(names) for name, names in found.columns._asdict().items()},
        "checks": [finding.to_json() for finding in found.findings],
        "estimated": found.estimate.to_json(),
        "days": [{**day._asdict(), "day": day.day.isoformat()} for day in found.days],
        "features": _features(found),
    }


def _coverage_words(found: ForeignWindow) -> str:
    if not found.mature:
        return "no row is old enough for its label"
    words = f"{found.labels:,} of {found.mature:,} mature rows have a label"
    if found.rows > found.mature:
        words += f", {found.rows - found.mature:,} are too young for one"
    return f"{words}; {_bias_words(found.bias)}" if found.bias else words


def _bias_words(bias: Bias) -> str:
    interval = f"KS {bias.ks:.3f} [{bias.low:.3f}, {bias.high:.3f}], PSI {bias.psi:.3f}"
    if bias.notable:
        return f"labels are missing not by chance: scores with and without one differ, {interval}"
    return f"scores with and without a label: {interval}"


def _features(found: ForeignWindow) -> list[Json]:
    told = told_names(found.drifts.keys(), {name: drift.psi for name, drift in found.drifts.items()}, found.reference)
    order = sorted(told, key=lambda name: (name != SCORE_NAME, -(found.drifts[name].psi or 0.0), name))
    rows: list[Json] = []
    for place, name in enumerate(order):
        shapes = _shapes(found.reference, found.current, name) if place < PICTURES else {}
        rows.append({"name": told[name], **found.drifts[name]._asdict(), **new_values_json(found.current, name), **shapes})
    return rows


def _shapes(reference: Profile, current: Profile, name: str) -> JsonObject:
    """Shares of rows by bar, the last for rows without a value; words: what each bar stands for."""
    if name == SCORE_NAME and name not in reference.columns and reference.score and current.score:
        pair = [_bars(one.bins, one.nans) for one in (reference.score, current.score)]
        return _shares(*pair, words=_edges(0.0, 1.0))
    then, now = reference.columns[name], current.columns[name]
    if isinstance(then, NumericProfile) and isinstance(now, NumericProfile):
        return _shares(_bars(then.bins, then.missing), _bars(now.bins, now.missing), words=_edges(then.low, then.high))
    assert isinstance(then, CategoryProfile)
    assert isinstance(now, CategoryProfile)
    top = sorted(then.counts, key=lambda word: (-then.counts[word], word))[:_WORDS]
    pair = [_counts(one, top) for one in (then, now)]
    return _shares(*pair, words=[*(word[:40] for word in top), "others", "missing"])


def _counts(column: CategoryProfile, words: list[str]) -> list[int]:
    counts = [column.counts.get(word, 0) for word in words]
    return [*counts, column.n - column.missing - sum(counts), column.missing]


def _bars(bins: Bins, missing: int) -> list[int]:
    """Twenty bars of equal width, with what lies beyond in the outermost."""
    counts = bins.counts
    tails = counts.size % _BARS  # a tail on each side, where the values have no bounds
    inner = counts[tails // 2 : counts.size - tails // 2].reshape(_BARS, -1).sum(axis=1)
    if tails:
        inner[0] += counts[0]
        inner[-1] += counts[-1]
    return [*map(int, inner), int(missing)]


def _edges(low: float, high: float) -> list[str]:
    cuts = np.linspace(low, high, _BARS + 1)
    return [*(f"{one:.4g} to {other:.4g}" for one, other in pairwise(cuts)), "missing"]


def _shares(reference: list[int], current: list[int], *, words: list[str]) -> JsonObject:
    one, other = ([round(count / max(1, sum(counts)), 5) for count in counts] for counts in (reference, current))
    return {"words": list(words), "reference": list(one), "current": list(other)}
