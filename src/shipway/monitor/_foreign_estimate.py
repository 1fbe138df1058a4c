"""What a window of somebody else's predictions would be expected to show with its labels. Reports; never judges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shipway.data import Profile
from shipway.kernel.canonical import JsonObject
from shipway.monitor._encode import Encoded, encode_features
from shipway.monitor._estimate import estimate_window
from shipway.monitor._foreign_doubts import is_label, is_probability
from shipway.monitor._foreign_table import ANSWER, CLASS, FEATURE, classes_of
from shipway.monitor._learner import LearnerMissing, find_learner
from shipway.monitor._tables import SCORE
from shipway.stats import (
    ASSUMPTION,
    LOSS_ASSUMPTION,
    Performance,
    brier_score,
    expected_of_classes,
    fit_class_confidence,
    fit_direct_loss,
    realised_losses,
    roc_auc,
)

Floats = NDArray[np.float64]
_LABELS_NEEDED = 100  # in the reference, of each class: fewer tell of no prediction what it means
MOST_ROWS, _MOST_CELLS = 100_000, 10_000_000  # evenly spaced ones, that losses are learnt from and estimated for
_MOST_WORDS = 1000  # of a column that says something of a loss; one of more is taken for an id
_BELIEVED = 1e15  # size of a number; beyond, its square fits no tree
_BINS, _BESIDE = 1000, 5  # of a score between 0 and 1; bins that count as seen beside one that was


class EstimatedMetric(NamedTuple):
    """reference: of its rows with a label; realised: of the window's, None with too few."""

    estimated: float
    reference: float
    realised: float | None


@dataclass(frozen=True, slots=True)
class ForeignEstimate:
    """of: probability, classes or number; rows: of the window that were estimated; supported: the share of them that is like
    rows of the reference; assumes: what has to hold; text: why there are no metrics.
    """

    text: str = ""
    of: str | None = None
    rows: int = 0
    supported: float | None = None
    assumes: str | None = None
    learner: str | None = None
    metrics: tuple[tuple[str, EstimatedMetric], ...] = ()

    def to_json(self) -> JsonObject:
        return {
            "of": self.of,
            "rows": self.rows,
            "supported": self.supported,
            "assumes": self.assumes,
            "learner": self.learner,
            "metrics": {name: dict(one._asdict()) for name, one in self.metrics},
            "text": self.text,
        }


Estimate = Callable[[pl.DataFrame], ForeignEstimate]  # of rows as take_columns gives them, as often as they weigh


def estimate_foreign(
    known: pl.DataFrame, rows: pl.DataFrame, reference: Profile, current: Profile, features: Sequence[str]
) -> ForeignEstimate:
    """known, rows: of reference and window, as often as they weigh; reference, current: their profiles; features: of both."""
    labelled = known.filter(pl.col("label").is_not_null(), pl.col("label").is_finite())
    if not labelled.height:
        return ForeignEstimate("the reference has no label, so nothing is estimated without those of the window")
    if classes := classes_of(known):
        if classes != classes_of(rows):
            return ForeignEstimate("the window has not the scores of the reference's classes", "classes")
        return fit_classes(labelled, classes)(rows)
    if reference.score is not None and is_label(labelled["label"]):
        return _of_probability(labelled, rows, reference, current)
    if not labelled[SCORE].count() or is_label(labelled["label"]):
        return ForeignEstimate("an estimate is of probabilities of yes and no, of classes, or of numbers")
    if reference.score is not None and not is_probability(labelled["label"]):
        return ForeignEstimate("predictions lie between 0 and 1 and labels do not, so one is no guess of the other")
    return fit_number(labelled, features)(rows)


def _of_probability(labelled: pl.DataFrame, rows: pl.DataFrame, reference: Profile, current: Profile) -> ForeignEstimate:
    found = estimate_window(reference, current)
    if found is None:
        return ForeignEstimate(f"the reference has fewer than {_LABELS_NEEDED} labels of yes or of no", "probability")
    sides = []
    for part in (labelled, rows):
        both = part.filter(pl.col("label").is_not_null(), pl.col(SCORE).is_not_null(), pl.col(SCORE).is_not_nan())
        score, label = both[SCORE].to_numpy(), both["label"].to_numpy()
        enough = is_label(both["label"]) and min((label == 0).sum(), (label == 1).sum()) > 0
        sides.append((float(label.mean()), roc_auc(score, label), brier_score(score, label)) if enough else (None,) * 3)
    values = found.base_rate, found.roc_auc, found.brier
    return ForeignEstimate(
        of="probability",
        rows=found.rows,
        supported=found.supported,
        assumes=ASSUMPTION,
        metrics=_metrics(("base_rate", "roc_auc", "brier"), values, *sides),
    )


def fit_classes(labelled: pl.DataFrame, classes: Sequence[str]) -> Estimate:
    """What rows would be expected to show, by what the scores of these meant. labelled: as take_columns, all with a label."""
    columns = [CLASS + name for name in classes]
    whole = [pl.col(name).is_between(0.0, 1.0) for name in columns]
    before = labelled.filter(*whole, pl.col(ANSWER).is_not_null())
    least = min((before["label"] == float(place)).sum() for place in range(len(classes)))
    if least < _LABELS_NEEDED:
        few = ForeignEstimate(f"the reference has fewer than {_LABELS_NEEDED} labels of a class", "classes")
        return lambda _: few
    scores = before[columns].to_numpy()
    estimator = fit_class_confidence(scores, before["label"].to_numpy(), before[ANSWER].to_numpy(), chunks=[])
    reference = _realised_classes(before, columns)

    def estimate(rows: pl.DataFrame) -> ForeignEstimate:
        now = rows.filter(*whole, pl.col(ANSWER).is_not_null())
        if not now.height:
            return ForeignEstimate("no row of the window has a probability of each class", "classes")
        said, late = now[columns].to_numpy(), now.filter(pl.col("label").is_not_null())
        found = estimator.estimate(said, now[ANSWER].to_numpy())
        realised = _realised_classes(late, columns) if late.height else (None,) * len(found)
        return ForeignEstimate(
            of="classes",
            rows=now.height,
            supported=float(_seen(scores, said).mean()),
            assumes=ASSUMPTION,
            metrics=_metrics(found._fields, found, reference, realised),
        )

    return estimate


def _realised_classes(rows: pl.DataFrame, columns: Sequence[str]) -> Performance:
    truth = np.eye(len(columns))[rows["label"].to_numpy().astype(np.int64)]
    return expected_of_classes(rows[columns].to_numpy(), truth, rows[ANSWER].to_numpy())


def fit_number(labelled: pl.DataFrame, features: Sequence[str]) -> Estimate:
    """As fit_classes, by the losses that rows like these had; features: of both."""
    names = [FEATURE + name for name in features if _tells(labelled[FEATURE + name])]
    most = min(MOST_ROWS, _MOST_CELLS // (len(names) + 1))
    believed = [pl.col(name).abs() < _BELIEVED for name in (SCORE, "label")]
    before = _spaced(labelled.filter(believed), most)
    if before.height < _LABELS_NEEDED:
        few = ForeignEstimate(f"the reference has fewer than {_LABELS_NEEDED} labels of a prediction", "number")
        return lambda _: few
    try:
        learner = find_learner()
    except LearnerMissing as problem:
        missing = ForeignEstimate(f"{problem.what}: {problem.mend}", "number")
        return lambda _: missing
    table, said, truths = encode_features(before, before.clear(), names), before[SCORE].to_numpy(), before["label"].to_numpy()
    estimator = fit_direct_loss(table.reference, said, truths, learner=learner, categories=table.categories, chunks=[])

    def estimate(rows: pl.DataFrame) -> ForeignEstimate:
        now = _spaced(rows.filter(believed[0]), most)
        if not now.height:
            return ForeignEstimate("no row of the window has a prediction", "number")
        both, saying = encode_features(before, now, names), now[SCORE].to_numpy()
        found, late = estimator.estimate(both.current, saying), now.filter(believed[1])
        realised = realised_losses(late[SCORE], late["label"]) if late.height else (None,) * len(found)
        return ForeignEstimate(
            of="number",
            rows=now.height,
            supported=float((_within(both) & (saying >= said.min()) & (saying <= said.max())).mean()),
            assumes=LOSS_ASSUMPTION,
            learner=learner.name,
            metrics=_metrics(found._fields, found, realised_losses(said, truths), realised),
        )

    return estimate


def _metrics(
    names: Sequence[str],
    estimated: Sequence[float | None],
    reference: Sequence[float | None],
    realised: Sequence[float | None],
) -> tuple[tuple[str, EstimatedMetric], ...]:
    """Those that have a meaning in the window and in the reference."""
    found = []
    for name, here, before, true in zip(names, estimated, reference, realised, strict=True):
        if here is not None and before is not None and np.isfinite([here, before]).all():
            found.append((name, EstimatedMetric(here, before, true if true is not None and np.isfinite(true) else None)))
    return tuple(found)


def _tells(column: pl.Series) -> bool:
    """Numbers and few words do; of a vector no number stands alone."""
    return column.dtype.is_numeric() or (not column.dtype.is_nested() and column.n_unique() <= _MOST_WORDS)


def _spaced(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    return rows if rows.height <= most else rows.gather_every(-(-rows.height // most))


def _within(table: Encoded) -> NDArray[np.bool_]:
    """Rows whose numbers lie in the range of the reference's and whose words it has; a value may be missing where one was."""
    inside = np.ones(table.current.shape[0], dtype=bool)
    for place, (before, now) in enumerate(zip(table.reference.T, table.current.T, strict=True)):
        if place in table.categories:
            inside &= now > 0
            continue
        there = before[~np.isnan(before)]
        low, high = (there.min(), there.max()) if there.size else (np.inf, -np.inf)
        inside &= ((now >= low) & (now <= high)) | (np.isnan(now) & np.isnan(before).any())
    return inside


def _seen(before: Floats, now: Floats) -> NDArray[np.bool_]:
    """Rows of which every class's score lies in or beside a bin that the reference has."""
    found = np.ones(now.shape[0], dtype=bool)
    for was, is_ in zip(before.T, now.T, strict=True):
        bins, here = (np.minimum((column * _BINS).astype(np.int64), _BINS - 1) for column in (was, is_))
        found &= (np.convolve(np.bincount(bins, minlength=_BINS) > 0, np.ones(_BESIDE), mode="same") > 0)[here]
    return found
