"""Months of a deployment without their labels, where its model answers a number or classes. Looked at when somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from functools import cache
from typing import NamedTuple

import polars as pl

from shipway.kernel.digest import Digest
from shipway.models import Signature
from shipway.monitor import (
    MOST_ROWS,
    AnsweredRows,
    ByRows,
    ForeignEstimate,
    event_clock,
    fit_rows_estimate,
    input_column,
    logged_outputs,
    spaced_rows,
    truth_of_rows,
)
from shipway.operate._control import outcome_of
from shipway.operate._paired import SCORE, Answers, answers_of
from shipway.pipeline import HeldOut, class_scores, held_out_rows
from shipway.release import find_component, load_components, outcomes_of
from shipway.store import Store

_ELSEWHERE = "the held-out rows of this release are not in this store, so nothing can be learnt from them"
_NOT_LOGGED = "what this release answered is not in the log"


class _Learnt(NamedTuple):
    """What a release's held-out rows teach. features: by name the log's column; estimate: None where the rows are elsewhere."""

    of: str
    answers: Answers
    inputs: tuple[str, ...]
    features: dict[str, str]
    estimate: Callable[[AnsweredRows], ForeignEstimate] | None


def months_by_rows(store: Store, ref: str, *, most: int = MOST_ROWS) -> ByRows:
    """Says of days of a release what they would be expected to show; None of one that answers neither a number nor classes.

    Reads at most `most` evenly spaced rows of the days, and learns of a release once. Raises ObjectMissing, ObjectDamaged and
    ReleaseMalformed for a release that cannot be read.
    """
    deployment = store.get(store.resolve(ref), "deployment")
    outcome = outcome_of(store, deployment)
    clock, learnt = cache(lambda: event_clock(store, ref)), cache(lambda release: _learn(store, release))

    def estimate(release: Digest, days: Sequence[date]) -> ForeignEstimate | None:
        known = learnt(release) if outcome is not None else None
        if known is None or outcome is None:
            return None
        if known.estimate is None:
            return ForeignEstimate(_ELSEWHERE, known.of)
        # an output that is called like an input is logged under a name of its own
        wanted = [*known.features.values(), *known.answers.outputs, *(f"output.{name}" for name in known.answers.outputs)]
        rows = spaced_rows(
            store, ref, release, days, columns=wanted, most=most,
            outcome=outcome, matures=outcomes_of(deployment)[outcome], as_of=clock(),
        )  # fmt: skip
        logged = logged_outputs(rows, known.inputs, known.answers.outputs)
        if logged is None:
            return ForeignEstimate(_NOT_LOGGED, known.of)
        features = rows.select(pl.col(column).alias(name) for name, column in known.features.items() if column in rows.columns)
        return known.estimate(AnsweredRows(logged, truth_of_rows(rows, known.answers.classes), features))

    return estimate


def _learn(store: Store, release: Digest) -> _Learnt | None:
    model = find_component(load_components(store, release), "model").digest
    signature = Signature.from_json(store.get(model, "model")["signature"])
    answers, inputs = answers_of(signature), tuple(column.name for column in signature.inputs)
    if answers is None or answers.outputs == (SCORE,):
        return None
    of, held = "classes" if answers.classes else "number", held_out_rows(store, model)
    known = _held_out(held, answers, inputs) if held else None
    if known is None:
        return _Learnt(of, answers, inputs, {}, None)
    features = {name: input_column(name) for name in known.features.columns}
    return _Learnt(of, answers, inputs, features, fit_rows_estimate(known, answers.classes))


def _held_out(held: HeldOut, answers: Answers, inputs: Sequence[str]) -> AnsweredRows | None:
    """None where they are not of these classes."""
    chances, truth = class_scores(held.scored), held.scored["label"].cast(pl.Float64).to_numpy()
    if (0 if chances is None else chances.shape[1]) != len(answers.classes):
        return None
    given = held.scored["score"].cast(pl.Float64).to_numpy() if chances is None else chances
    return AnsweredRows(given, truth, held.table.select(name for name in inputs if name in held.table.columns))
