"""Model cards and data of a bill of materials, as CycloneDX 1.6 writes them. Plain JSON: the library has no types for these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from shipway.kernel.canonical import Json, JsonObject, canonical_json
from shipway.kernel.check import Check
from shipway.release._facts import Measured, PartFacts, ReleaseFacts, text_at

_DATA = {"data": "dataset", "index": "dataset", "profile": "dataset", "code": "source-code"}  # else configuration


def model_card(facts: ReleaseFacts, part: PartFacts, about: str = "") -> JsonObject:
    """The card of a model that was trained here: task, columns, data, every metric with its interval. about: intended use."""
    classes = part.record.get("signature")
    inputs, outputs = (_columns(classes, side) for side in ("inputs", "outputs"))
    parameters: JsonObject = {
        "approach": {"type": "supervised"},
        "task": "classification",
        "modelArchitecture": text_at(part.record, "format"),
        "datasets": [{"ref": reference(other)} for other in facts.of("data")],
        "inputs": inputs,
        "outputs": outputs,
    }
    return {"modelParameters": parameters, **_measured(part.checks), **_considered(about), **_properties(part)}


def provider_card(facts: ReleaseFacts, part: PartFacts, about: str = "") -> JsonObject:
    """The card of a model that somebody else serves: what it was asked with, and how the release that asks it was measured."""
    parameters: JsonObject = {
        "task": "text generation",
        "datasets": [{"ref": reference(other)} for other in facts.of("index")],
    }
    return {"modelParameters": parameters, **_measured(facts.checks), **_considered(about), **_properties(part)}


def component_data(part: PartFacts) -> list[Json]:
    """What a component of type `data` holds."""
    kind = part.component.kind
    sizes = {key: part.record.get(key) for key in ("files", "bytes", "documents", "chunks")} | {"rows": part.rows}
    known = ", ".join(f"{value:,} {key}" for key, value in sizes.items() if isinstance(value, int))
    found: dict[str, Json] = {"type": _DATA.get(kind, "configuration"), "name": part.component.name or kind}
    return [found | ({"description": known} if known else {})]


def reference(part: PartFacts) -> str:
    """The bom-ref of a component: its kind, name and digest."""
    component = part.component
    return f"{component.kind}/{component.name}@{component.digest}"


def metric(check: Check, slice_name: str = "") -> JsonObject:
    """A performance metric; numbers are text there, as long as they have to be.

    >>> from shipway.kernel.check import Verdict
    >>> metric(Check("auc", Verdict.PASS, 0.7, 0.65, 0.75))
    {'type': 'auc', 'value': '0.7', 'confidenceInterval': {'lowerBound': '0.65', 'upperBound': '0.75'}}
    """
    found: dict[str, Json] = {"type": check.name, "value": _number(check.value)}
    if check.low is not None and check.high is not None:
        found["confidenceInterval"] = {"lowerBound": _number(check.low), "upperBound": _number(check.high)}
    return found | ({"slice": slice_name} if slice_name else {})


def _measured(checks: Iterable[Measured]) -> JsonObject:
    """Metrics by themselves first; those against another release carry it as their slice."""
    metrics: list[Json] = [
        metric(one.check, f"against {one.against}" if one.against else "") for one in checks if one.check.value is not None
    ]
    return {"quantitativeAnalysis": {"performanceMetrics": metrics}} if metrics else {}


def _considered(about: str) -> JsonObject:
    return {"considerations": {"useCases": [about]}} if about else {}


def _properties(part: PartFacts) -> JsonObject:
    """What the standard has no place for: our own names."""
    kept = ("target", "key", "time", "step", "reference", "model", "url", "shape", "local", "weights", "parameters")
    found: list[Json] = [
        {"name": f"shipway:{key}", "value": _plain(part.record[key])}
        for key in kept
        if part.record.get(key) not in (None, "", [], {})
    ]
    for one in part.checks:
        n = {} if one.check.n is None else {"n": one.check.n}
        level = {} if one.check.level is None else {"level": one.check.level}
        value = _plain({"evidence": one.statement.envelope, **n, **level})
        found.append({"name": f"shipway:measured:{one.check.name}", "value": value})
    return {"properties": found} if found else {}


def _columns(signature: Json, side: str) -> list[Json]:
    columns = signature.get(side) if isinstance(signature, Mapping) else None
    return [
        {"format": f"{text_at(column, 'name')}: {text_at(column, 'datatype')}"}
        for column in (columns if isinstance(columns, Sequence) else [])
    ]


def _number(value: float | None) -> str:
    return "" if value is None else repr(value)


def _plain(value: Json) -> str:
    return value if isinstance(value, str) else canonical_json(value).decode()
