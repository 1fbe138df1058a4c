"""Results in Great Expectations' JSON: of one expectation in four lengths, and of a suite."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from shipway.data._contract_query import Counts, Examples
from shipway.data._contract_result import json_of
from shipway.data.great_expectations._asked import Asked
from shipway.data.great_expectations._suite import Expectation, Suite
from shipway.kernel.canonical import Json, JsonObject

ResultFormat = Literal["BOOLEAN_ONLY", "BASIC", "SUMMARY", "COMPLETE"]
MOST_LISTED = 20  # partial_unexpected_count
_MOST_COMPLETE = 200  # Great Expectations' own end of unexpected_list


@dataclass(frozen=True, slots=True)
class Result:
    """Of one expectation; raised: what exception_info says."""

    expectation: Expectation
    success: bool
    result: JsonObject
    raised: str = ""

    def to_json(self) -> JsonObject:
        info = {
            "raised_exception": bool(self.raised),
            "exception_message": self.raised or None,
            "exception_traceback": None,
        }
        return {
            "success": self.success,
            "expectation_config": self.expectation.to_json(),
            "result": self.result,
            "meta": {},
            "exception_info": info,
        }


def suite_result(suite: Suite, results: Sequence[Result]) -> JsonObject:
    """The validation result; without the ids, times and names of a Great Expectations project."""
    good, all_of = sum(one.success for one in results), len(results)
    return {
        "success": good == all_of,
        "results": [one.to_json() for one in results],
        "suite_name": suite.name,
        "suite_parameters": {},
        "statistics": {
            "evaluated_expectations": all_of,
            "successful_expectations": good,
            "unsuccessful_expectations": all_of - good,
            "success_percent": good / all_of * 100 if all_of else None,
        },
        "meta": {},
        "id": None,
    }


def map_result(asked: Asked, counts: Counts, examples: Examples, form: ResultFormat) -> tuple[bool, JsonObject]:
    """Whether mostly holds among the rows that have a value, and the counts and lists of this length."""
    with_value = counts.rows - counts.missing
    good = with_value == 0 or (float(with_value) - float(counts.broken)) / float(with_value) >= asked.mostly
    if form == "BOOLEAN_ONLY":
        return good, {}
    pair = "column_pair" in (asked.rule.name if asked.rule else "")
    values = [_value(value, pair=pair) for value in examples.values[:_MOST_COMPLETE]]
    body: dict[str, Json] = {
        "element_count": counts.rows,
        "unexpected_count": counts.broken,
        "unexpected_percent": _percent(counts.broken, with_value),
        "partial_unexpected_list": values[:MOST_LISTED],
    }
    if asked.skips_missing:
        body |= {
            "missing_count": counts.missing,
            "missing_percent": _percent(counts.missing, counts.rows),
            "unexpected_percent_total": _percent(counts.broken, counts.rows),
            "unexpected_percent_nonmissing": _percent(counts.broken, with_value),
        }
    if form == "BASIC":
        return good, body
    rows = list(examples.rows)
    body |= {"partial_unexpected_counts": _tally(values), "partial_unexpected_index_list": rows[:MOST_LISTED]}
    if form == "COMPLETE":
        query = f"df.filter(items={rows}, axis=0)"
        body |= {"unexpected_list": values, "unexpected_index_list": rows, "unexpected_index_query": query}
    return good, body


def _percent(part: int, whole: int) -> float | None:
    return part / whole * 100 if whole else None


def _value(value: object, *, pair: bool) -> Json:
    """NaN is null there; two columns are a list, more an object."""
    if isinstance(value, Mapping):
        parts = {str(name): _value(item, pair=False) for name, item in value.items()}
        return list(parts.values()) if pair else parts
    return None if isinstance(value, float) and math.isnan(value) else json_of(value)


def _tally(values: Sequence[Json]) -> list[Json]:
    """The most frequent of the listed values, the most frequent first."""
    keys = [tuple(value.values()) if isinstance(value, dict) else tuple(value) if isinstance(value, list) else value
            for value in values]  # fmt: skip
    most = Counter(keys).most_common(MOST_LISTED)
    ordered = sorted(most, key=lambda pair: (-pair[1], _rank(pair[0])))
    return [{"value": list(key) if isinstance(key, tuple) else key, "count": count} for key, count in ordered]


def _rank(key: object) -> tuple[tuple[bool, str, object], ...]:
    """Orders values of several types, null last."""
    parts = key if isinstance(key, tuple) else (key,)
    return tuple(
        (part is None, "" if isinstance(part, int | float) else str(type(part)), 0 if part is None else part) for part in parts
    )
