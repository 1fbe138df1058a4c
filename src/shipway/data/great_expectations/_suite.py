"""Reads suites of Great Expectations: the JSON of 1.x (`type`) and that of before (`expectation_type`)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

from shipway.data._errors import SuiteMalformed
from shipway.data.great_expectations._parameters import fill_parameters
from shipway.kernel.canonical import Json, JsonObject

_MOST_BYTES = 16 << 20  # a suite is written by people


@dataclass(frozen=True, slots=True)
class Expectation:
    """What one entry of a suite asks; number: its place, from 1, for messages."""

    type: str
    kwargs: JsonObject
    meta: JsonObject
    number: int
    severity: str = "critical"
    id: str | None = None

    @property
    def where(self) -> str:
        return f"expectation {self.number}, {self.type}"

    def to_json(self) -> JsonObject:
        """Its form in 1.x, as results cite it."""
        record: dict[str, Json] = {"type": self.type, "kwargs": self.kwargs, "meta": self.meta, "severity": self.severity}
        return record if self.id is None else {**record, "id": self.id}


@dataclass(frozen=True, slots=True)
class Suite:
    """Expectations in their order, whichever version wrote them."""

    name: str
    expectations: tuple[Expectation, ...]
    parameters: JsonObject = field(default_factory=dict)

    def to_json(self) -> JsonObject:
        """The suite in the form of 1.x."""
        return {"name": self.name, "expectations": [one.to_json() for one in self.expectations], "meta": {}, "notes": None}


def parse_suite(text: str, *, path: str, parameters: Mapping[str, Json] | None = None) -> Suite:
    """The suite in this JSON, its parameters in place: those given, and those that a suite of before 1.0 holds itself.

    Raises SuiteMalformed, and SuiteUnsupported where a value is a parameter that nobody gave.
    """
    if len(text) > _MOST_BYTES:
        raise SuiteMalformed("the suite is larger than 16 MiB", where=path)
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise SuiteMalformed(
            f"the suite is no JSON: {problem}", where=path, mend="export it from Great Expectations"
        ) from problem
    if not isinstance(body, dict) or not isinstance(body.get("expectations"), list):
        raise SuiteMalformed("the suite has no list `expectations`", where=path, mend="give the JSON of an expectation suite")
    name = body.get("name") or body.get("expectation_suite_name") or "suite"
    own = body.get("evaluation_parameters")
    given = {**(own if isinstance(own, dict) else {}), **(parameters or {})}
    return Suite(str(name), tuple(_expectations(body["expectations"], path, given)), given)


def _expectations(entries: list[Json], path: str, given: Mapping[str, Json]) -> Iterator[Expectation]:
    for number, entry in enumerate(entries, 1):
        where = f"{path}, expectation {number}"
        if not isinstance(entry, Mapping):
            raise SuiteMalformed("an expectation is an object", where=where)
        kind = entry.get("type") or entry.get("expectation_type")
        kwargs, meta = entry.get("kwargs", {}), entry.get("meta") or {}
        if not isinstance(kind, str) or not isinstance(kwargs, Mapping) or not isinstance(meta, Mapping):
            raise SuiteMalformed("an expectation has a type, and objects as kwargs and meta", where=where)
        filled = cast("JsonObject", fill_parameters(kwargs, given, where=f"{where}, {kind}"))
        severity, own = entry.get("severity") or "critical", entry.get("id")
        yield Expectation(kind, filled, meta, number, str(severity), None if own is None else str(own))
