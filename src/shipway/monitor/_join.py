"""Predictions joined with what became true: by id, within their release, the last recorded outcome wins; where the deployment
says so by entity and time (`_entities`), unless an outcome names the prediction itself.

An outcome counts once its prediction has matured; younger rows are without a label, not wrong. An outcome that nobody
asked for (an orphan) joins nothing, nor does one of an id that stands for several rows: it would be wrong for all but
one of them. Those rows are counted as ambiguous and keep their features.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import NamedTuple

import polars as pl

from shipway.kernel.digest import Digest
from shipway.kernel.units import Seconds
from shipway.monitor._entities import EntityRule, entity_labels
from shipway.monitor._tables import INSTANT, ROW, SCORE, WEIGHT, ambiguous_requests, scan_outcomes, scan_predictions
from shipway.store import Store

_LABEL, _OTHER = ["label", "label_time", "label_recorded"], " of the entity"
AT_ONCE = Seconds(0.0)


class Coverage(NamedTuple):
    """How many rows there are, how many are old enough for a label, how many have one; mean scores of both kinds, by weight.

    Scores of labelled rows far from those of unlabelled ones say that labels are missing not by chance. ambiguous: rows
    that can have no label because their release was asked something else under the same request id.
    """

    rows: int
    mature: int
    labels: int
    score_labelled: float | None
    score_unlabelled: float | None
    ambiguous: int = 0


def joined(
    store: Store,
    *,
    release: Digest | None,
    start: date,
    end: date,
    outcome: str,
    matures: Seconds = AT_ONCE,
    as_of: datetime | None = None,
    entity: EntityRule | None = None,
) -> pl.LazyFrame:
    """Predictions of the event days start to end, both included, with label, its times, mature and ambiguous.

    release: only its predictions, None for all. mature: event time + matures (seconds) is not after as_of (always,
    without one). label: the last recorded value of the outcome, null where there is none, the row is not mature or its id is
    ambiguous. entity: how outcomes of an entity join, if they do; for that an id does not matter.
    """
    predictions = scan_predictions(store, first=start, last=end)
    if release is not None:
        predictions = predictions.filter(pl.col("release") == release)
    rule = entity.between(start, end) if entity else None
    return with_labels(store, predictions, outcome=outcome, matures=matures, as_of=as_of, entity=rule)


def with_labels(
    store: Store,
    predictions: pl.LazyFrame,
    *,
    outcome: str,
    matures: Seconds,
    as_of: datetime | None,
    entity: EntityRule | None = None,
) -> pl.LazyFrame:
    """As `joined`, for any predictions of the log; entity: of the days that they are of, and of their ref."""
    return of_mature(known_labels(store, predictions, outcome=outcome, entity=entity), matures=matures, as_of=as_of)


def known_labels(store: Store, predictions: pl.LazyFrame, *, outcome: str, entity: EntityRule | None = None) -> pl.LazyFrame:
    """As `with_labels`, however young the rows are; `ambiguous` is of the ids alone, whatever an entity tells."""
    newest = (
        scan_outcomes(store)
        .filter(pl.col("name") == outcome, pl.col("entity").is_null())
        .unique("id", keep="last", maintain_order=True)
        .select("id", label="value", label_time="time", label_recorded="recorded")
    )
    labelled = predictions.join(newest, on="id", how="left", maintain_order="left")
    counted = pl.when(~pl.col("ambiguous")).then(pl.col(_LABEL)).name.keep()
    marked = _marked(labelled, ambiguous_requests(store)).with_columns(counted)
    return marked if entity is None else _by_entity(marked, entity_labels(store, entity, outcome))


def of_mature(known: pl.LazyFrame, *, matures: Seconds, as_of: datetime | None) -> pl.LazyFrame:
    """Of rows with all that is known of them: `mature` beside, and the labels of mature ones alone."""
    mature = pl.lit(True) if as_of is None else pl.col("time") + timedelta(seconds=matures) <= pl.lit(as_of, dtype=INSTANT)
    counted = pl.when(pl.col("mature")).then(pl.col(_LABEL)).name.keep()
    rows = known.with_columns(mature=mature).with_columns(counted)
    return rows.with_columns(ambiguous=pl.col("ambiguous") & pl.col("label").is_null())


def _by_entity(rows: pl.LazyFrame, labels: pl.LazyFrame) -> pl.LazyFrame:
    """Rows without a label of their own take their entity's, ambiguous ones too: an entity and a time tell them apart."""
    joined = rows.join(labels, on=list(ROW), how="left", suffix=_OTHER, maintain_order="left")
    takes = pl.col("label").is_null()
    taken = [pl.when(takes).then(pl.col(name + _OTHER)).otherwise(pl.col(name)).alias(name) for name in _LABEL]
    return joined.with_columns(taken).drop([name + _OTHER for name in _LABEL])


def _marked(predictions: pl.LazyFrame, ambiguous: pl.DataFrame) -> pl.LazyFrame:
    if ambiguous.is_empty():
        return predictions.with_columns(ambiguous=False)
    marks = ambiguous.lazy().with_columns(ambiguous=True)
    marked = predictions.join(marks, on=["request", "release"], how="left", maintain_order="left")
    return marked.with_columns(pl.col("ambiguous").fill_null(value=False))


def measure_coverage(frame: pl.LazyFrame) -> Coverage:
    """How many of the joined rows have a label, and whether those are like the others."""
    labelled = pl.col("label").is_not_null()
    logged = WEIGHT in frame.collect_schema()
    weight = pl.col(WEIGHT).fill_null(1.0) if logged else pl.lit(1.0)
    found = frame.select(
        pl.len().alias("rows"),
        pl.col("mature").sum().alias("mature"),
        labelled.sum().alias("labels"),
        _mean_score(weight, labelled).alias("score_labelled"),
        _mean_score(weight, ~labelled).alias("score_unlabelled"),
        pl.col("ambiguous").sum().alias("ambiguous"),
    ).collect()
    return Coverage(*found.row(0))


def _mean_score(weight: pl.Expr, rows: pl.Expr) -> pl.Expr:
    """Of rows of a log that keeps a share each counts as many requests as it stands for; null without a score."""
    counts = rows & pl.col(SCORE).is_not_null()
    total = pl.when(counts).then(weight).sum()
    return pl.when(total > 0).then(pl.when(counts).then(pl.col(SCORE) * weight).sum() / total)
