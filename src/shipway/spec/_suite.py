"""An expectation suite of Great Expectations as a contract: what of its JSON counts, whichever version wrote it.

Only the form is read here. Whether an expectation is known, and what it means, says who judges it (`shipway.data`).
"""

from __future__ import annotations

from collections.abc import Mapping

from shipway.kernel.canonical import Json, JsonObject, NotCanonical, canonical_json, parse_object
from shipway.spec._errors import SpecMalformed


def parse_suite_contract(text: str, *, path: str) -> tuple[JsonObject, ...] | None:
    """The `type` and `kwargs` of each expectation, in the suite's order; None when the text is no suite.

    Names, notes, ids and meta do not count. Raises SpecMalformed for a suite that is wrong in its form, or asks nothing.
    """
    try:
        body = parse_object(text)
    except NotCanonical as problem:
        raise SpecMalformed(f"the suite is no JSON: {problem.what}", where=path, mend="export it again") from problem
    return read_suite(body["expectations"], path=path) if "expectations" in body else None


def read_suite(entries: Json, *, path: str) -> tuple[JsonObject, ...]:
    """The expectations of a list of them; raises SpecMalformed."""
    if not isinstance(entries, list) or not entries:
        raise SpecMalformed("the suite has no expectations", where=path, mend="a list of at least one")
    return tuple(_expectation(entry, f"{path}, expectation {number}") for number, entry in enumerate(entries, 1))


def _expectation(entry: Json, where: str) -> JsonObject:
    kind = (entry.get("type") or entry.get("expectation_type")) if isinstance(entry, Mapping) else None
    kwargs = entry.get("kwargs", {}) if isinstance(entry, Mapping) else None
    if not isinstance(kind, str) or not isinstance(kwargs, Mapping):
        raise SpecMalformed("an expectation has a type, a text, and kwargs, an object", where=where)
    found: JsonObject = {"type": kind, "kwargs": kwargs}
    try:
        canonical_json(found)  # a lone surrogate is JSON, and has no digest
    except NotCanonical as problem:
        raise SpecMalformed(problem.what, where=where) from problem
    return found
