"""Scores rows with a model that is in the store, in a process of the project's own Python, as a server would."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Descriptor, Digest
from shipway.models import Array
from shipway.pipeline._answers import score_series
from shipway.pipeline._environment import open_overlay
from shipway.pipeline._functions import functions_file
from shipway.pipeline._model_rows import ModelDeclared, model_inputs, read_reference
from shipway.pipeline._report import Report
from shipway.pipeline._scored import load_scores, put_scores
from shipway.pipeline._scoring import Scoring
from shipway.pipeline._work import open_work
from shipway.store import Store


def score_rows(
    store: Store, model: Digest, columns: Mapping[str, Array], *, python: Path, cache: Path, report: Report
) -> dict[str, Array]:
    """The model's answers to these rows, one array an output. Raises ScoringFailed, ObjectDamaged, ObjectMissing."""
    return score_manifest(store, store.get(model, "model"), columns, python=python, cache=cache, report=report)


def score_manifest(
    store: Store, manifest: JsonObject, columns: Mapping[str, Array], *, python: Path, cache: Path, report: Report
) -> dict[str, Array]:
    """As score_rows, of a model that no object need be, as one with the functions of another around it; nothing is kept."""
    file = store.objects.verify(Descriptor.from_json(manifest["file"]).digest)
    overlay = open_overlay(store, python, cache=cache, report=report.note)
    with open_work(cache) as work:
        (answers,) = Scoring(python, overlay, file, work, functions_file(store, manifest)).score(manifest, columns)
    return answers


def rescore_reference(
    store: Store,
    model: Digest,
    declared: ModelDeclared,
    reference: Descriptor,
    scores: Descriptor,
    *,
    python: Path,
    cache: Path,
    report: Report,
) -> Descriptor:
    """The scored reference of another model on the rows of `reference`; scores: that of the model made with it.

    Raises ModelRefused, ScoringFailed, ObjectDamaged, ObjectMissing.
    """
    table = read_reference(store.objects.verify(reference.digest), declared)
    inputs = model_inputs(table, declared)
    answers = score_rows(store, model, inputs.values, python=python, cache=cache, report=report)
    kept = load_scores(store, scores)
    return put_scores(store, kept.with_columns(score_series(answers, kept, declared)))
