"""A released model made again: the steps behind it run, the model is made of their values, and both are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from shipway.data import Profile
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Descriptor, Digest
from shipway.models import read_golden
from shipway.pipeline import (
    MADE,
    EvaluationImpossible,
    Metric,
    ModelDeclared,
    ModelMade,
    Report,
    RunRequest,
    RunResult,
    functions_of,
    make_model,
    measure_evaluation,
    open_environment,
    open_overlay,
    origins_of,
    recorded_options,
    rescore_reference,
    run_pipeline,
    score_rows,
)
from shipway.release._manifest import Component, find_component
from shipway.release._rebuild_compare import (
    MetricCompared,
    PredictionsCompared,
    Tolerances,
    compare_metrics,
    compare_predictions,
)
from shipway.release._rebuild_folder import RebuildRefused
from shipway.release._rebuild_show import first_difference
from shipway.release._rebuilt import Equality, Rebuilt
from shipway.store import Store


@dataclass(frozen=True, slots=True)
class _Declared:
    """A model as its release remembers it (pipeline.ModelDeclared)."""

    name: str
    step: str
    reference: str
    target: str
    key: tuple[str, ...]
    time: str | None
    texts: tuple[str, ...]


class ModelRebuild:
    """One rebuild of a release with a model: run, make the model, compare."""

    def __init__(
        self,
        store: Store,
        fresh: Store,
        components: tuple[Component, ...],
        environment: Digest,
        tolerances: Tolerances,
        *,
        cache: Path,
        report: Report,
    ) -> None:
        self._store, self._fresh, self._components = store, fresh, components
        self._environment, self._tolerances, self._cache, self._report = environment, tolerances, cache, report
        self._model = find_component(components, "model")
        self._declared = _declared(fresh, self._model, find_component(components, "profile").digest)

    def run(self, *, offline: bool) -> Rebuilt:
        """The answer, whose release and folder are for the caller to say."""
        self._python = self._open(offline=offline)
        result, manifest = self._run(), self._fresh.get(self._model.digest, "model")
        made = make_model(
            self._fresh,
            result,
            self._declared,
            python=self._python,
            cache=self._cache,
            report=self._report,
            origins=origins_of(manifest),
            code=find_component(self._components, "code").digest,
            names=functions_of(manifest),
            onnx=_onnx_of(manifest),
            allow_pickle=manifest.get("allow_pickle") is True,
        )
        difference = first_difference(self._store, self._fresh, self._components, self._environment, result, made)
        changed = self._environment != find_component(self._components, "environment").digest
        profile = find_component(self._components, "profile").digest
        answer = Rebuilt(
            Equality.BYTES, made.model, made.model, Path(), difference, environment=self._environment if changed else None
        )
        if (made.model, made.profile) == (self._model.digest, profile):
            return answer
        predictions = self._predictions(made)
        metrics = self._metrics(result, made)
        return replace(answer, equality=_strongest(predictions, metrics), predictions=predictions, metrics=metrics)

    def _open(self, *, offline: bool) -> Path:
        """Environment and overlay before anything runs, so that what has to be fetched is said, or refused, first.

        The wheels are those that the release's own store keeps.
        """
        if self._environment not in {component.digest for component in self._components}:
            value = self._fresh.get(self._environment, "environment")
            lock = Descriptor.from_json(value["lock"])
            self._store.objects.put(self._fresh.objects.get(lock.digest))
            self._store.put(value)
        note = self._report.note
        python = open_environment(self._store, self._environment, cache=self._cache, report=note, offline=offline)
        open_overlay(self._store, python, cache=self._cache, report=note, offline=offline)
        return python

    def _run(self) -> RunResult:
        """The steps behind the model, every one of them."""
        record = self._fresh.get(find_component(self._components, "pipeline").digest, "pipeline")
        request = RunRequest(
            find_component(self._components, "code").digest,
            {component.name: component.digest for component in self._components if component.kind == "data"},
            self._environment,
            cast("Mapping[str, Json]", record["parameters"]),
            (self._declared.step, self._declared.reference),
            recorded_options(record),
        )
        return run_pipeline(self._fresh, request, cache=self._cache, report=self._report, environ={}, reuse=False)

    def _predictions(self, made: ModelMade) -> PredictionsCompared:
        """The new model's answers to the old one's golden rows."""
        self._report.note("asking the golden rows")
        golden = Descriptor.from_json(self._store.get(self._model.digest, "model")["golden"]).digest
        columns, expected = read_golden(self._store.objects.get(golden))
        given = score_rows(self._fresh, made.model, columns, python=self._python, cache=self._cache, report=self._report)
        return compare_predictions(expected, given, self._tolerances)

    def _metrics(self, result: RunResult, made: ModelMade) -> tuple[MetricCompared, ...]:
        """None where a metric has no value on one of the sides."""
        try:
            before, after = self._measured_before(result, made), measure_evaluation(self._fresh, made.scores)
        except EvaluationImpossible as problem:
            self._report.note(f"metrics are not compared: {problem.what}")
            return ()
        return compare_metrics(before, after, self._tolerances)

    def _measured_before(self, result: RunResult, made: ModelMade) -> tuple[Metric, ...]:
        """From the scores that were recorded; where none were (an imported release), its model scores the rebuilt rows."""
        known = self._store.state(MADE, self._model.digest)
        scores = Descriptor.from_json(known.value["scores"]) if known else None
        if scores and self._store.objects.keeps(scores.digest, scores.size):
            return measure_evaluation(self._store, scores)
        self._report.note("scoring the held-out rows with the released model")
        reference = result.output(self._declared.reference)
        rescored = rescore_reference(
            self._fresh,
            self._model.digest,
            self._declared,
            reference,
            made.scores,
            python=self._python,
            cache=self._cache,
            report=self._report,
        )
        return measure_evaluation(self._fresh, rescored)


def _strongest(predictions: PredictionsCompared, metrics: tuple[MetricCompared, ...]) -> Equality:
    if predictions.equal:
        return Equality.PREDICTIONS
    return Equality.METRICS if metrics and all(metric.equal for metric in metrics) else Equality.DIFFERENT


def _onnx_of(manifest: JsonObject) -> float | None:
    """The tolerance that a converted model was kept within."""
    converted = manifest.get("onnx")
    return float(str(converted["tolerance"])) if isinstance(converted, Mapping) else None


def _declared(fresh: Store, model: Component, profile: Digest) -> ModelDeclared:
    manifest = fresh.get(model.digest, "model")
    if not manifest["step"]:
        raise RebuildRefused(f"no pipeline made model {model.name}", where=model.digest, mend="verify it by its digest instead")
    key = tuple(cast("list[str]", manifest["key"]))
    time = str(manifest["time"]) if manifest["time"] else None
    step, reference, target = (str(manifest[name]) for name in ("step", "reference", "target"))
    texts = tuple(Profile.from_json(fresh.get(profile, "profile")).texts)
    return _Declared(model.name, step, reference, target, key, time, texts)
