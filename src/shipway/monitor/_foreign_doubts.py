"""Predictions and labels of somebody else's log that are not what they are taken for, in words. Pure."""

from __future__ import annotations

import polars as pl

from shipway.kernel.check import Check, Verdict
from shipway.monitor._foreign_table import classes_of
from shipway.monitor._tables import SCORE
from shipway.monitor._verdict import Finding, Severity

PREDICTION = "schema.prediction"


def is_probability(column: pl.Series) -> bool:
    """Whether every value lies between 0 and 1, and there is one."""
    values = _values(column)
    return bool(values.len() and ((values >= 0) & (values <= 1)).all())


def is_label(column: pl.Series) -> bool:
    """Whether every value is 0 or 1, and there is one."""
    values = _values(column)
    return bool(values.len() and values.is_in([0.0, 1.0]).all())


def check_predictions(reference: pl.DataFrame, rows: pl.DataFrame) -> list[Finding]:
    """A finding where the predictions are gone, or are no probabilities where those of the reference are.

    Pages; where no label of yes and no says that the reference's are probabilities, it informs.
    """
    was, now = _values(reference[SCORE]), _values(rows[SCORE])
    if not was.len():
        return []
    if not now.len():
        return [Finding(Severity.PAGE, Check(PREDICTION, Verdict.FAIL, text="no row has a prediction, and the reference has"))]
    if not is_probability(was) or is_probability(now):
        return []
    severity = Severity.PAGE if is_label(reference["label"]) else Severity.INFORM
    text = f"{_outside(now)}, and all of the reference's are"
    return [Finding(severity, Check(PREDICTION, Verdict.FAIL, text=text, n=now.len()))]


def why_not_judged(reference: pl.DataFrame, rows: pl.DataFrame) -> str:
    """Why outcomes say nothing of the rows."""
    if not rows["time"].count():
        return "no column tells the time of an event, so days cannot be told apart: --time COLUMN"
    if not rows["mature"].any():
        return "no row is old enough for its label"
    if not rows["label"].count():
        return "no row has a label: --outcomes FILE, or --label COLUMN"
    if classes_of(rows):
        return "outcomes of several classes are judged of a deployment; here the estimate stands beside them"
    for whose, table in (("the log", rows), ("the reference", reference)):
        if not _values(table[SCORE]).len():
            return f"{whose} has no prediction: --score COLUMN"
        if not is_probability(table[SCORE]):
            return f"outcomes are judged where the score is a probability; in {whose} {_outside(_values(table[SCORE]))}"
    few = _values(rows["label"]).unique().sort().head(3).to_list()
    return f"outcomes are judged where they are 0 or 1, and labels here are {', '.join(f'{one:g}' for one in few)}"


def _outside(scores: pl.Series) -> str:
    odd = scores.filter((scores < 0) | (scores > 1))
    return f"{odd.len():,} of {scores.len():,} are no probability, from {_shown(odd.min())} to {_shown(odd.max())}"


def _shown(value: object) -> str:
    return f"{value:.8g}" if isinstance(value, float) else "-"


def _values(column: pl.Series) -> pl.Series:
    return column.drop_nulls().drop_nans()
