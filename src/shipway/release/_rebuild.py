"""Rebuild: restore a release's code, data and environment into a new folder, run its pipeline again, and compare.

Reads and hashes everything that it restores; caches nothing. The strongest equality that holds is the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import cast

import numpy as np

from shipway.access import Signer
from shipway.data import verify_snapshot
from shipway.gate import attest
from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.clock import instant
from shipway.kernel.digest import Descriptor, Digest, short
from shipway.kernel.errors import ShipwayError
from shipway.models import read_golden
from shipway.pipeline import (
    MADE,
    Metric,
    ModelDeclared,
    ModelMade,
    Report,
    RunRequest,
    RunResult,
    checkout_tree,
    make_model,
    measure_evaluation,
    open_environment,
    origins_of,
    run_pipeline,
    score_rows,
)
from shipway.release._describe_llm import prompt_lines
from shipway.release._manifest import Component, find_component, load_components, reach
from shipway.store import ObjectDamaged, ObjectMissing, Store, open_store

TOLERANCE = 0.005  # of a metric, where bytes and predictions differ: a fifth of a usual interval's half width


class Equality(StrEnum):
    """How equal a rebuilt release came out, strongest first."""

    BYTES = "EQUAL (bytes)"
    LOCKED = "EQUAL (prompt and index as locked)"
    PREDICTIONS = "EQUAL (predictions on the golden rows)"
    METRICS = "EQUAL (metrics within tolerance)"
    DIFFERENT = "DIFFERENT"


class RebuildRefused(ShipwayError):
    """The folder for the rebuild is in use, or a part of the release is not as it was made."""

    code = "release.rebuild-refused"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The answer; `different` names the first component that came out otherwise and why, None when bytes are equal.

    model: None for a release that holds none.
    """

    equality: Equality
    release: Digest
    model: Digest | None
    folder: Path
    different: str | None


@dataclass(frozen=True, slots=True)
class _Declared:
    """A model as its release remembers it (pipeline.ModelDeclared)."""

    name: str
    step: str
    reference: str
    target: str
    key: tuple[str, ...]
    time: str | None


def rebuild_release(store: Store, release: Digest, folder: Path, *, cache: Path, report: Report) -> Rebuilt:
    """Make a release again in a new folder, which keeps `code/`, `data/`, `prompt/`, `index/` and a store of its own.

    A release without a model is restored and read whole; its provider's answers cannot be made again, and `different` says so.
    Raises RebuildRefused (folder not empty), ObjectDamaged and ObjectMissing naming the user's file, StepFailed,
    EnvironmentFailed.
    """
    if folder.exists() and any(folder.iterdir()):
        raise RebuildRefused(f"{folder} is not empty", where=str(folder), mend="name a new folder")
    components = load_components(store, release)
    _verify(store, components)
    fresh = open_store(folder, store.project, create=True, clock=store.clock, ids=store.ids)
    _copy(store, fresh, release, components)
    _restore(fresh, components, folder)
    if any(part.kind == "prompt" for part in components) and not any(part.kind == "model" for part in components):
        return Rebuilt(Equality.LOCKED, release, None, folder, _not_rebuildable(fresh, components))
    model = find_component(components, "model")
    declared = _declared(fresh, model)
    result = _run(fresh, components, (declared.step, declared.reference), cache=cache, report=report)
    python = open_environment(fresh, find_component(components, "environment").digest, cache=cache, report=report.note)
    origins = origins_of(fresh.get(model.digest, "model"))
    made = make_model(fresh, result, declared, python=python, cache=cache, report=report, origins=origins)
    equality, different = _compare(store, fresh, components, result, made, python=python, cache=cache, report=report)
    return Rebuilt(equality, release, made.model, folder, different)


def attest_rebuild(store: Store, signer: Signer, rebuilt: Rebuilt) -> Digest:
    """Keep the proof as evidence about the release."""
    predicate: JsonObject = {
        "equality": rebuilt.equality.value,
        "model": rebuilt.model,
        "different": rebuilt.different,
        "at": instant(store.clock.now()),
    }
    kind = media.REBUILD_PREDICATE
    return attest(
        store, signer, subject=rebuilt.release, name="release", predicate_type=kind, predicate=predicate, label="rebuild"
    )


def _verify(store: Store, components: tuple[Component, ...]) -> None:
    """Every byte, before anything is made of it; damage is told with the name that a user knows."""
    for component in components:
        if component.kind == "data":
            verify_snapshot(store, component.digest, name=component.name)
            continue
        try:
            for leaf in reach(store, component.digest):
                if component.kind != "pipeline":
                    store.objects.verify(leaf.digest)
        except (ObjectDamaged, ObjectMissing) as problem:
            name = f"{component.kind} {component.name}".rstrip()
            raise RebuildRefused(f"the {name} is damaged: {problem.what}", where=problem.where, mend=problem.mend) from problem


def _copy(store: Store, fresh: Store, release: Digest, components: tuple[Component, ...]) -> None:
    fresh.objects.put(store.objects.get(release))
    for component in components:
        fresh.objects.put(store.objects.get(component.digest))
        if component.kind == "pipeline":
            continue  # what its steps made is what the rebuild has to make again
        for leaf in reach(store, component.digest):
            fresh.objects.put_file(store.objects.path(leaf.digest))


def _restore(fresh: Store, components: tuple[Component, ...], folder: Path) -> None:
    """The files as a person knows them, beside the store."""
    for component in components:
        if component.kind in ("code", "data"):
            root = Descriptor.from_json(fresh.get(component.digest)["root"]).digest
            checkout_tree(fresh, root, folder / component.kind / component.name)
        if component.kind == "index":
            checkout_tree(
                fresh, Descriptor.from_json(fresh.get(component.digest)["corpus"]).digest, folder / "index" / component.name
            )
        if component.kind == "prompt":
            (folder / "prompt").mkdir(exist_ok=True)
            lines = prompt_lines(fresh.get(component.digest, "prompt"))
            (folder / "prompt" / f"{component.name}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _not_rebuildable(fresh: Store, components: tuple[Component, ...]) -> str:
    """What stands behind a provider's name is not ours to make again; the golden set is asked again instead."""
    prompt = fresh.get(find_component(components, "prompt").digest, "prompt")
    provider = find_component(components, "provider", str(prompt["provider"]))
    model = fresh.get(provider.digest, "provider")["model"]
    return f"provider {provider.name} (model {model}) is not rebuildable; shipway eval asks it the golden set again"


def _declared(fresh: Store, model: Component) -> ModelDeclared:
    manifest = fresh.get(model.digest, "model")
    if not manifest["step"]:
        raise RebuildRefused(f"no pipeline made model {model.name}", where=model.digest, mend="verify it by its digest instead")
    key = tuple(cast("list[str]", manifest["key"]))
    time = str(manifest["time"]) if manifest["time"] else None
    step, reference, target = (str(manifest[name]) for name in ("step", "reference", "target"))
    return _Declared(model.name, step, reference, target, key, time)


def _run(fresh: Store, components: tuple[Component, ...], wanted: tuple[str, ...], *, cache: Path, report: Report) -> RunResult:
    """The steps behind the model, every one of them."""
    record = fresh.get(find_component(components, "pipeline").digest, "pipeline")
    request = RunRequest(
        find_component(components, "code").digest,
        {component.name: component.digest for component in components if component.kind == "data"},
        find_component(components, "environment").digest,
        cast("Mapping[str, Json]", record["parameters"]),
        wanted,
    )
    return run_pipeline(fresh, request, cache=cache, report=report, environ={}, reuse=False)


def _compare(
    store: Store,
    fresh: Store,
    components: tuple[Component, ...],
    result: RunResult,
    made: ModelMade,
    *,
    python: Path,
    cache: Path,
    report: Report,
) -> tuple[Equality, str | None]:
    model, profile = find_component(components, "model"), find_component(components, "profile")
    if (made.model, made.profile) == (model.digest, profile.digest):
        return Equality.BYTES, None
    different = _first_different(store, components, result) or f"model {short(model.digest)} came out as {short(made.model)}"
    if _same_answers(store, fresh, model.digest, made.model, python=python, cache=cache, report=report):
        return Equality.PREDICTIONS, different
    before = _metrics(store, Descriptor.from_json(_made_value(store, model.digest)["scores"]))
    after = _metrics(fresh, made.scores)
    if all(abs(before[name] - after[name]) <= TOLERANCE for name in before):
        return Equality.METRICS, different
    return Equality.DIFFERENT, different


def _first_different(store: Store, components: tuple[Component, ...], result: RunResult) -> str | None:
    """The first step, in the order they ran, whose value came out otherwise: those behind the model alone were run."""
    record = store.get(find_component(components, "pipeline").digest, "pipeline")
    steps = cast("list[Mapping[str, Json]]", record["steps"])
    before = {str(step["name"]): Descriptor.from_json(step["output"]).digest for step in steps}
    for outcome in result.steps:
        old = before.get(outcome.name)
        if old != outcome.output.digest:
            return f"step {outcome.name} made {short(outcome.output.digest)}, not {short(old or 'anything')}"
    return None


def _same_answers(
    store: Store, fresh: Store, before: Digest, after: Digest, *, python: Path, cache: Path, report: Report
) -> bool:
    """Whether the new model gives the old one's golden rows, bit by bit."""
    golden = Descriptor.from_json(store.get(before, "model")["golden"]).digest
    columns, expected = read_golden(store.objects.get(golden))
    answers = score_rows(fresh, after, columns, python=python, cache=cache, report=report)
    return answers.keys() == expected.keys() and all(np.array_equal(answers[name], expected[name]) for name in expected)


def _made_value(store: Store, model: Digest) -> JsonObject:
    made = store.state(MADE, model)
    if made is None:
        raise RebuildRefused("nothing is recorded of how the model was made", where=model)
    return made.value


def _metrics(store: Store, scores: Descriptor) -> dict[str, float]:
    metrics: tuple[Metric, ...] = measure_evaluation(store, scores)
    return {metric.name: metric.value for metric in metrics}
