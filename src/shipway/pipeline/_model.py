"""From the values of two steps to a model: object, golden rows, profile and scored reference.

A model is made only when a fresh process, loading it as a server would, has given the golden rows again bit by bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from shipway.data import reference_profile
from shipway.environment import ensure_overlay
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Descriptor, Digest
from shipway.models import Array, Signature, check_golden, golden_blob, model_object
from shipway.models import Column as ModelColumn
from shipway.pipeline._model_rows import (
    Inputs,
    ModelDeclared,
    ModelRefused,
    golden_places,
    labels_of,
    model_inputs,
    read_reference,
)
from shipway.pipeline._report import Report
from shipway.pipeline._request import RunResult
from shipway.pipeline._scored import put_scores, scored_table
from shipway.pipeline._scoring import Scored, Scoring
from shipway.pipeline._work import open_work
from shipway.store import Edge, Store

GOLDEN = media.media_type("golden")
_ANSWER = "probability"  # what a classifier of two classes answers; the profile and the metrics are those of one


@dataclass(frozen=True, slots=True)
class ModelMade:
    """The model and its reference profile as objects; `scores` is the scored reference (Parquet), `rows` how many it has."""

    model: Digest
    profile: Digest
    scores: Descriptor
    rows: int


def make_model(
    store: Store, result: RunResult, model: ModelDeclared, *, python: Path, cache: Path, report: Report
) -> ModelMade:
    """Puts the model of a run. python: the project's, as ensure_environment gave it. Equal values give equal digests.

    Raises ModelRefused (the steps' values make no model of two classes), ScoringFailed, GoldenMismatch (a fresh process
    answers otherwise), ObjectDamaged, ObjectMissing, EnvironmentFailed.
    """
    file = _leaf(result, model.step, media.SKOPS, f"model {model.name}")
    reference = _leaf(result, model.reference, media.PARQUET, f"the reference of model {model.name}")
    table = read_reference(store.objects.verify(reference.digest), model)
    inputs = model_inputs(table, model)
    overlay = ensure_overlay(python, cache=cache, report=report.note)
    with open_work(cache) as work:
        scoring = Scoring(python, overlay, store.objects.verify(file.digest), work)
        made, classes, scores = _ready(store, model, file, inputs, scoring)
    scored = scored_table(table, model, scores, labels_of(table[model.target], classes))
    profile = reference_profile(inputs.values, scored["score"].to_numpy(), scored["label"].to_numpy())
    return _put(store, file, reference, made, profile, scored, work=cache)
