"""A model converted to ONNX when it is made: kept only while a fresh process answers every held-out row as the model does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Descriptor, digest_bytes
from shipway.models import Array, measure_distance, served_model
from shipway.pipeline._report import Report
from shipway.pipeline._scoring import Scoring, ScoringFailed
from shipway.store import Store

Answered = tuple[Mapping[str, Array], Mapping[str, Array]]  # rows, and what the model answers to them


def take_converted(
    store: Store, scoring: Scoring, manifest: JsonObject, tables: tuple[Answered, ...], *, tolerance: float, report: Report
) -> JsonObject | None:
    """What a model object says of its converted form, whose file is put; None where there is none, which is said and no error.

    tables: each asked alone. tolerance: the largest difference of a number that is kept.
    """
    if manifest["format"] != "skops":
        report.note(f"no ONNX beside a model of {manifest['format']}: only models of scikit-learn are converted")
        return None
    own = manifest.get("functions")
    inputs = own["inputs"] if isinstance(own, Mapping) else cast("JsonObject", manifest["signature"])["inputs"]
    try:
        file = scoring.convert(inputs)
        data = file.read_bytes()
        leaf = Descriptor(media.ONNX, digest_bytes(data), len(data))
        found: dict[str, Json] = {"file": leaf.to_json(), "tolerance": tolerance}
        given = scoring.of(file).score(served_model({**manifest, "onnx": found}), *(rows for rows, _ in tables))
    except ScoringFailed as problem:
        report.note(f"no ONNX beside the model: {problem.what}")
        return None
    largest = max(measure_distance(then, now).largest for (_, then), now in zip(tables, given, strict=True))
    rows = sum(len(next(iter(then.values()))) for _, then in tables)
    if not largest <= tolerance:
        report.note(f"no ONNX beside the model: its answers differ by up to {largest:.3g}, and {tolerance:g} is allowed")
        return None
    report.note(f"the model is served as ONNX: its answers to {rows:,} rows differ by at most {largest:.3g}")
    store.put_bytes(data, media.ONNX)
    return {**found, "largest": largest, "rows": rows}
