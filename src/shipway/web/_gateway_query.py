"""From the store to the facts of a deployment of target `gateway`. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import cast

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.check import Check
from shipway.kernel.clock import parse_instant
from shipway.kernel.digest import Digest, parse_digest
from shipway.monitor import READING, Reading
from shipway.release import Component
from shipway.store import Store
from shipway.web._gateway_facts import GATEWAY, EvaluationFacts, GatewayFacts, Measured, MetricFacts
from shipway.web._reading import Reading as StoreReading
from shipway.web._words import count

EVALUATED = "evaluated"  # the kind of state that an evaluation leaves
_JUDGE = ("agreement", "kappa", "flip_rate")


def load_gateway(
    reading: StoreReading, ref: str, deployment: Digest, components: tuple[Component, ...], releases: Iterable[Digest]
) -> GatewayFacts | None:
    """None for a deployment of another target; releases: those whose evaluations are wanted, in that order."""
    nothing: dict[str, Json] = {}
    value = reading.attempt(lambda: reading.store.get(deployment, "deployment"), nothing)
    if value.get("target") != GATEWAY:
        return None
    rows = reading.store.states(READING, f"{ref}/")
    readings = [reading.attempt(partial(Reading.from_json, row.value), None) for row in rows]
    monitors = value.get("monitors")
    return GatewayFacts(
        monitors=tuple(monitors) if isinstance(monitors, dict) else (),
        readings=tuple(found for found in readings if found),
        evaluations=tuple(_evaluations(reading, releases)),
        notes={c.digest: note for c in components if (note := reading.attempt(partial(_note, reading.store, c), ""))},
    )


def load_evaluations(store: Store, releases: Iterable[Digest] | None) -> list[JsonObject]:
    """Rows of state `evaluated` of these releases in their order, of all when None."""
    if releases is None:
        return [row.value for row in store.states(EVALUATED)]
    return [row.value for release in dict.fromkeys(releases) for row in store.states(EVALUATED, f"{release}/")]


def _evaluations(reading: StoreReading, releases: Iterable[Digest]) -> list[EvaluationFacts]:
    found = [reading.attempt(partial(_evaluation, row), None) for row in load_evaluations(reading.store, releases)]
    return [evaluation for evaluation in found if evaluation]


def _evaluation(row: JsonObject) -> EvaluationFacts:
    metrics = cast("list[JsonObject]", row["metrics"])
    judge = cast("Mapping[str, JsonObject | None]", row.get("judge") or {})
    return EvaluationFacts(
        release=parse_digest(str(row["release"])),
        golden=str(row["golden"]),
        at=parse_instant(str(row["at"])),
        items=int(cast("int", row["items"])),
        metrics=tuple(MetricFacts(Check.from_json(metric), _text(metric.get("slice"))) for metric in metrics),
        judge={name: _measured(part) for name in _JUDGE if (part := judge.get(name))},
    )


def _measured(part: JsonObject) -> Measured:
    """A number that is no number is an error that the page remarks on: the check's reader says so."""
    check = Check.from_json({"name": "judge", "verdict": "inconclusive", **part})
    if check.value is None:
        raise ValueError("a measurement without a value")
    return Measured(check.value, check.low, check.high, check.n)


def _note(store: Store, component: Component) -> str:
    """What a person wants to know of an index or a provider beside its digest."""
    if component.kind == "index":
        value = store.get(component.digest, "index")
        documents, chunks = (int(cast("int", value[name])) for name in ("documents", "chunks"))
        return f"{count(documents, 'document')}, {count(chunks, 'chunk')}"
    if component.kind == "provider":
        value = store.get(component.digest, "provider")
        return str(value["model"])
    return ""


def _text(value: object) -> str | None:
    return None if value is None else str(value)
