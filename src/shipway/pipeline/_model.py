"""From the values of two steps to a model: object, golden rows, profile and scored reference.

A model is made only when a fresh process, loading it as a server would, has given the golden rows again bit by bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import polars as pl

from shipway.data import Profile, reference_profile
from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Descriptor, Digest
from shipway.models import Array, Signature, check_golden, golden_blob, model_object
from shipway.pipeline._answers import Answering, AnswerKind, answering_of, score_columns, truth_of
from shipway.pipeline._converted import take_converted
from shipway.pipeline._environment import open_overlay
from shipway.pipeline._functions import FunctionNames, TakenFunctions, take_functions
from shipway.pipeline._made import ModelMade, Origins, find_made, model_key, record_made
from shipway.pipeline._model_file import model_file, table_of
from shipway.pipeline._model_rows import (
    LABEL,
    SCORE,
    Inputs,
    ModelDeclared,
    golden_places,
    model_inputs,
    read_reference,
)
from shipway.pipeline._report import Report
from shipway.pipeline._request import RunResult
from shipway.pipeline._scored import put_scores, scored_table
from shipway.pipeline._scoring import Scoring
from shipway.pipeline._work import open_work
from shipway.store import Edge, Store

GOLDEN = media.media_type("golden")


NO_ORIGINS = Origins()
NO_FUNCTIONS = FunctionNames()


def make_model(
    store: Store,
    result: RunResult,
    model: ModelDeclared,
    *,
    python: Path,
    cache: Path,
    report: Report,
    origins: Origins = NO_ORIGINS,
    environment: Digest | None = None,
    code: Digest | None = None,
    names: FunctionNames = NO_FUNCTIONS,
    onnx: float | None = None,
    allow_pickle: bool = False,
) -> ModelMade:
    """Puts the model of a run. python: the project's, as ensure_environment gave it. Equal values give equal digests.

    environment: the object that python is of; where it is given, a model that was made there of the same values is taken as
    it is. names: of functions around the model, in `code`, on which its steps ran. onnx: how far the answers of the model
    converted to ONNX may be; None: it is not converted. allow_pickle: whether a file may run code when it is loaded. Raises
    ModelRefused (the steps' values make no model that can be measured), ScoringFailed, GoldenMismatch (a fresh process answers
    otherwise), ObjectDamaged, ObjectMissing, EnvironmentFailed.
    """
    file, format = model_file(store, result, model, own=names.own is not None, allow_pickle=allow_pickle)
    reference = table_of(result, model.reference, f"the reference of model {model.name}")
    overlay = open_overlay(store, python, cache=cache, report=report.note)
    functions = None
    if code is not None and any(names):
        with open_work(cache) as work:
            functions = take_functions(store, code, names, model=model.name, work=work / "code")

    def make() -> ModelMade:
        around = _Around(origins, functions, onnx, report, format, allow_pickle)
        return _make(store, model, file, reference, python=python, overlay=overlay, cache=cache, around=around)

    if environment is None:
        return make()
    key = model_key(
        model,
        file=file,
        reference=reference,
        environment=environment,
        overlay=overlay,
        origins=origins,
        functions=functions,
        onnx=onnx,
        allow_pickle=allow_pickle,
    )
    if (made := find_made(store, key)) is None:
        made = make()
        record_made(store, key, made)
    return made


def _make(
    store: Store,
    model: ModelDeclared,
    file: Descriptor,
    reference: Descriptor,
    *,
    python: Path,
    overlay: Path,
    cache: Path,
    around: _Around,
) -> ModelMade:
    functions = around.functions
    table = read_reference(store.objects.verify(reference.digest), model)
    inputs = model_inputs(table, model)
    with open_work(cache) as work:
        own = store.objects.verify(functions.source.digest) if functions else None
        scoring = Scoring(python, overlay, store.objects.verify(file.digest), work, own)
        described = _describe(scoring, around, inputs)
        more = functions is not None and bool(functions.after or functions.own)
        answering = answering_of(model, described.answers, described.classes, more=more)
        label = truth_of(table[model.target], answering)
        golden = golden_blob(described.rows, described.answers)
        manifest = _manifest(model, file, described, store.put_bytes(golden, GOLDEN), around)
        answers = _ready(scoring, manifest, inputs, golden)
        if around.onnx is not None:
            tables = ((described.rows, described.answers), (inputs.values, answers))
            found = take_converted(store, scoring, manifest, tables, tolerance=around.onnx, report=around.report)
            manifest = {**manifest, "onnx": found} if found else manifest
    scored = scored_table(table, model, score_columns(answers, answering), label)
    profile = _profile(inputs, scored, answering, model.texts)
    made = ModelMade(store.put(manifest), store.put(profile.to_json()), put_scores(store, scored), table.height)
    _record_lineage(store, made, file, reference)
    return made


class _Around(NamedTuple):
    """What belongs to a model beside the values of its steps, and who hears what becomes of it."""

    origins: Origins
    functions: TakenFunctions | None
    onnx: float | None
    report: Report
    format: str
    allow_pickle: bool


def _profile(inputs: Inputs, scored: pl.DataFrame, answering: Answering, texts: Sequence[str]) -> Profile:
    """Of features, and of scores and outcomes where an answer is one probability."""
    if answering.kind is not AnswerKind.PROBABILITY:
        return reference_profile(inputs.values, texts=texts)
    return reference_profile(inputs.values, score=scored[SCORE].to_numpy(), label=scored[LABEL].to_numpy(), texts=texts)


class _Described(NamedTuple):
    """A model as it first shows itself: signature, classes, the golden rows and its answers to them.

    inputs: of the model between its functions, where it has some.
    """

    signature: Signature
    inputs: Json
    classes: Sequence[Json] | None
    rows: Mapping[str, Array]
    answers: Mapping[str, Array]


def origins_of(manifest: JsonObject) -> Origins:
    """The origins that a model object holds."""
    base, adapters = manifest.get("base"), manifest.get("adapters")
    kept = tuple(one for one in adapters if isinstance(one, Mapping)) if isinstance(adapters, list) else ()
    return Origins(base if isinstance(base, Mapping) else None, kept)


def _manifest(
    model: ModelDeclared,
    file: Descriptor,
    described: _Described,
    golden: Descriptor,
    around: _Around,
) -> JsonObject:
    origins, functions = around.origins, around.functions
    return model_object(
        format=around.format,
        file=file,
        signature=described.signature,
        golden=golden,
        key=model.key,
        time=model.time,
        target=model.target,
        step=model.step,
        reference=model.reference,
        base=origins.base,
        adapters=origins.adapters,
        functions={**functions.to_json(), "inputs": described.inputs} if functions else None,
        allow_pickle=around.allow_pickle,
    )


def _describe(scoring: Scoring, around: _Around, inputs: Inputs) -> _Described:
    """Asks the golden rows alone: a library may answer the same row otherwise among others, in the last bit."""
    rows = inputs.take(golden_places(inputs.rows))
    one = around.functions
    given = {"before": one.before, "after": one.after, "class": one.own} if one else {}
    names = {name: text for name, text in given.items() if text}
    record, answers = scoring.describe(around.format, inputs, rows, names, allow_pickle=around.allow_pickle)
    classes = record.get("classes")
    signature = Signature.from_json({"inputs": inputs.to_json(), "outputs": record["outputs"]})
    return _Described(signature, record.get("inputs"), classes if isinstance(classes, list) else None, rows, answers)


def _ready(scoring: Scoring, manifest: JsonObject, inputs: Inputs, golden: bytes) -> dict[str, Array]:
    """The answers to every row, once a fresh process that loads the model as a server has given the golden rows again."""
    golden_rows = inputs.take(golden_places(inputs.rows))
    again, everything = scoring.score(manifest, golden_rows, inputs.values)
    check_golden(_Answered(Signature.from_json(manifest["signature"]), again), golden)
    return everything


@dataclass(frozen=True, slots=True)
class _Answered:
    """A Predictable that has been asked already, in another process."""

    signature: Signature
    answers: dict[str, Array]

    def predict(self, columns: Mapping[str, Array]) -> dict[str, Array]:  # noqa: ARG002  the Protocol's form
        return self.answers


def _record_lineage(store: Store, made: ModelMade, file: Descriptor, reference: Descriptor) -> None:
    pairs = [
        (file.digest, made.model),
        (reference.digest, made.profile),
        (made.model, made.profile),
        (made.model, made.scores.digest),
    ]
    store.add_edges([Edge(source, target, "input") for source, target in pairs])
