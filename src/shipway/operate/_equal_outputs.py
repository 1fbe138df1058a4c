"""The check `equal_outputs`: the golden rows through a server, through batch scoring and in one's own Python, bit by bit.

Each way is walked as a user walks it: a predictor process asked over HTTP, a file scored into a file, a release loaded. A row
is also asked alone, for what looks at its neighbours answers otherwise from batch to batch.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import Digest
from shipway.kernel.workers import Threads
from shipway.models import Array, Distance, Signature, measure_distance, served_model
from shipway.operate._asked_over_http import ask_predictor, predictor_process
from shipway.operate._loaded import LoadedRelease, load_release
from shipway.operate._measured import Measured, attest_check
from shipway.operate._score import BATCH, score_files, score_task
from shipway.operate._score_rows import output_series
from shipway.operate._serving import lone_config, predictor_words
from shipway.pipeline import Hands
from shipway.release import Component, find_component, load_components
from shipway.serve import Arrays

EQUAL_OUTPUTS = "equal_outputs"
ALONE = 1e-9  # a library may answer a row otherwise among others, in its last bits; further off it looks at its neighbours


class _Ways(NamedTuple):
    """How far the answers of one model are from its golden ones, by how they were asked for; alone: each row by itself.

    Of a converted model they are compared with those that a loaded release gives, which is ready only when its golden rows are
    within the tolerance of the model; allowed: how far a row alone may be.
    """

    rows: int
    together: Mapping[str, Distance]
    alone: Distance
    allowed: float = ALONE


def measure_equal_outputs(
    hands: Hands,
    release: Digest,
    *,
    application: str,
    environ: Mapping[str, str],
    report: Callable[[str], None],
) -> Measured:
    """Ask the golden rows of each model in every way, and keep what was found as evidence about the release.

    environ: all that a predictor's process gets. Raises NotServable, EnvironmentFailed, NotAnswered, ScoringFailed.
    """
    components = load_components(hands.store, release)
    models = [component for component in components if component.kind == "model"]
    environment = find_component(components, "environment").digest
    found = {model.name: _walk(hands, release, model, environment, environ, report) for model in models}
    more: dict[str, Json] = {"ways": {name: _ways_json(ways) for name, ways in found.items()}, "environment": environment}
    return attest_check(hands, Component("release", application, release), judge_ways(found), more)


def judge_ways(found: Mapping[str, _Ways]) -> Check:
    """Pass when every way gave every golden row its bits, and no row looks at its neighbours. value: rows that differ."""
    rows = sum(ways.rows for ways in found.values())
    told: list[str] = []
    different = 0
    for name, ways in found.items():
        for way, distance in ways.together.items():
            if distance.different:
                told.append(f"{name} by {way}: {distance.different} of {distance.rows} differ, by up to {distance.largest:.3g}")
        different += max(distance.different for distance in ways.together.values())
        if ways.alone.largest > ways.allowed:
            told.append(f"{name}: a row alone is {ways.alone.largest:.3g} from the same row among others")
    text = "; ".join(told) or f"{rows} golden rows by {', '.join(next(iter(found.values())).together)}" if found else "no model"
    verdict = Verdict.FAIL if told else Verdict.PASS if found else Verdict.INCONCLUSIVE
    return Check(EQUAL_OUTPUTS, verdict, float(different), threshold=0.0, n=rows, text=text)


def _walk(
    hands: Hands,
    release: Digest,
    model: Component,
    environment: Digest,
    environ: Mapping[str, str],
    report: Callable[[str], None],
) -> _Ways:
    store, cache = hands.store, hands.cache
    config = lone_config(store, release, model)
    manifest = store.get(model.digest, "model")
    signature, tolerance = Signature.from_json(manifest["signature"]), served_model(manifest).get("tolerance")
    words = predictor_words(store, config, environment, cache=cache, report=report)
    with load_release(store, release, model=model.name, environ=environ, cache=cache, report=report) as loaded:
        given, expected = loaded.golden
        if tolerance is not None:
            expected = loaded.predict(given)
        together = {"load": measure_distance(expected, loaded.predict(given))}
        alone = measure_distance(expected, _alone(loaded, given))
    with predictor_process(words, environ) as port:
        together["API"] = measure_distance(expected, ask_predictor(port, model.name, given, signature.outputs))
    task = score_task(store, release, model=model.name, keep=(), batch=BATCH, environ=environ, cache=cache, report=report)
    with tempfile.TemporaryDirectory(prefix="shipway-outputs-") as folder:
        rows, out = Path(folder) / "golden.parquet", Path(folder) / "scored.parquet"
        pl.DataFrame([output_series(*item) for item in given.items()]).write_parquet(rows)
        score_files(task, rows, out, workers=Threads(1), tell=lambda *_: None, report=report)
        together["batch"] = measure_distance(expected, _scored(pl.read_parquet(out), expected))
    allowed = max(ALONE, float(str(tolerance))) if tolerance is not None else ALONE
    return _Ways(len(next(iter(expected.values()))), together, alone, allowed)


def _alone(loaded: LoadedRelease, given: Arrays) -> dict[str, Array]:
    count = len(next(iter(given.values())))
    answers = [loaded.predict({name: array[row : row + 1] for name, array in given.items()}) for row in range(count)]
    return {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}


def _scored(table: pl.DataFrame, expected: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs of a scored file; a row that has an error has none."""
    found: dict[str, Array] = {}
    for name, array in expected.items():
        column = table[name]
        found[name] = np.array(column.to_list(), dtype=object) if array.dtype.hasobject else column.to_numpy()
    return found


def _ways_json(ways: _Ways) -> JsonObject:
    told: dict[str, Json] = {name: _distance_json(distance) for name, distance in ways.together.items()}
    return {"rows": ways.rows, **told, "alone": _distance_json(ways.alone)}


def _distance_json(distance: Distance) -> JsonObject:
    """largest: null where there is no distance, as between texts."""
    largest = distance.largest if np.isfinite(distance.largest) else None
    return {"different": distance.different, "largest": largest}
