"""Results in Great Expectations' JSON: of one expectation in four lengths, and of a suite."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shipway.data._contract_query import Counts, Examples
from shipway.data._contract_result import json_of
from shipway.data.great_expectations._asked import Asked
from shipway.data.great_expectations._form import Form
from shipway.data.great_expectations._suite import Expectation, Suite
from shipway.kernel.canonical import Json, JsonObject

_BE_NULL = "expect_column_values_to_be_null"
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
        "suite_parameters": suite.parameters,
        "statistics": {
            "evaluated_expectations": all_of,
            "successful_expectations": good,
            "unsuccessful_expectations": all_of - good,
            "success_percent": good / all_of * 100 if all_of else None,
        },
        "meta": {},
        "id": None,
    }


def map_result(asked: Asked, counts: Counts, examples: Examples, form: Form) -> tuple[bool, JsonObject]:
    """Whether mostly holds among the rows that have a value, and the counts and lists of this length.

    examples: of the rule's columns, of those that name a row, and of all where whole rows are asked for.
    """
    with_value = counts.rows - counts.missing
    good = with_value == 0 or (float(with_value) - float(counts.broken)) / float(with_value) >= asked.mostly
    rows = list(examples.rows)
    query: JsonObject = {"unexpected_index_query": f"df.filter(items={rows}, axis=0)"}
    named = form.index and asked.rule and asked.rule.name != _BE_NULL  # for which it says none
    names: JsonObject = {"unexpected_index_column_names": list(form.index)} if named else {}
    if form.level == "BOOLEAN_ONLY":
        return good, {**query, **names} if form.query else {}
    body = _counted(asked, counts, with_value)
    told = _Told.of(asked, examples, form)
    if form.values:
        body["partial_unexpected_list"] = told.values[: form.most]
    body |= names
    if form.rows:
        body["unexpected_rows"] = told.whole[: form.most]
    if form.level != "BASIC" and form.most:
        if form.values:
            body["partial_unexpected_counts"] = _tally(
                told.values[: None if form.level == "COMPLETE" else form.most], form.most
            )
        body["partial_unexpected_index_list"] = told.places[: form.most]
    if form.level == "COMPLETE":
        body |= {"unexpected_list": told.values} if form.values else {}
        body["unexpected_index_list"] = told.places
    if form.query or (form.query is None and form.level == "COMPLETE"):
        body |= query
    return good, body


def _counted(asked: Asked, counts: Counts, with_value: int) -> dict[str, Json]:
    body: dict[str, Json] = {
        "element_count": counts.rows,
        "unexpected_count": counts.broken,
        "unexpected_percent": _percent(counts.broken, with_value),
    }
    if asked.skips_missing:
        body |= {
            "missing_count": counts.missing,
            "missing_percent": _percent(counts.missing, counts.rows),
            "unexpected_percent_total": _percent(counts.broken, counts.rows),
            "unexpected_percent_nonmissing": _percent(counts.broken, with_value),
        }
    return body


@dataclass(frozen=True, slots=True)
class _Told:
    """Of the unexpected rows: their values, what names them, and all that stands in them."""

    values: list[Json]
    places: list[Json]
    whole: list[Json]

    @staticmethod
    def of(asked: Asked, examples: Examples, form: Form) -> _Told:
        columns = asked.rule.columns if asked.rule else ()
        pair = "column_pair" in (asked.rule.name if asked.rule else "")
        if not form.index and not form.rows:
            values = [_value(value, pair=pair) for value in examples.values[:_MOST_COMPLETE]]
            return _Told(values, list(examples.rows), [])
        found = [value if isinstance(value, Mapping) else {columns[0]: value} for value in examples.values]
        own = [{name: row[name] for name in columns} for row in found]
        values = [_value(row if len(columns) > 1 else row[columns[0]], pair=pair) for row in own[:_MOST_COMPLETE]]
        named = _named(found, columns, form)
        whole: list[Json] = [_value(row, pair=False) for row in found[: form.most]] if form.rows else []
        return _Told(values, named if form.index else list(examples.rows), whole)


def _named(found: Sequence[Mapping[str, object]], columns: Sequence[str], form: Form) -> list[Json]:
    """An object for each row; without the values one for all, a list under each name, as there."""
    if form.values:
        return [_value({name: row[name] for name in (*columns, *form.index)}, pair=False) for row in found]
    return [{name: [_value(row[name], pair=False) for row in found] for name in form.index}] if found else []


def _percent(part: int, whole: int) -> float | None:
    return part / whole * 100 if whole else None


def _value(value: object, *, pair: bool) -> Json:
    """NaN is null there; two columns are a list, more an object."""
    if isinstance(value, Mapping):
        parts = {str(name): _value(item, pair=False) for name, item in value.items()}
        return [_of_pair(item) for item in value.values()] if pair else parts
    return None if isinstance(value, float) and math.isnan(value) else json_of(value)


def _of_pair(value: object) -> Json:
    """A time to the microsecond, as there it is one of an array."""
    return value.isoformat(timespec="microseconds") if isinstance(value, datetime) else _value(value, pair=False)


def _tally(values: Sequence[Json], most: int) -> list[Json]:
    """The most frequent of the listed values, the most frequent first."""
    keys = [tuple(value.values()) if isinstance(value, dict) else tuple(value) if isinstance(value, list) else value
            for value in values]  # fmt: skip
    ordered = sorted(Counter(keys).most_common(most), key=lambda pair: (-pair[1], _rank(pair[0])))
    return [{"value": list(key) if isinstance(key, tuple) else key, "count": count} for key, count in ordered]


def _rank(key: object) -> tuple[tuple[bool, str, object], ...]:
    """Orders values of several types, null last."""
    parts = key if isinstance(key, tuple) else (key,)
    return tuple(
        (part is None, "" if isinstance(part, int | float) else str(type(part)), 0 if part is None else part) for part in parts
    )
