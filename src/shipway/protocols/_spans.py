"""Spans of other people's servers that are predictions: what was asked and answered, as a request and a response of V1 or V2.

No convention of OpenTelemetry has columns of a table, so a few attributes of ours have them; a span without any is of something
else. What they leave out is looked for as JSON in OpenInference's `input.value` and `output.value`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from shipway.protocols._cloud_events import LoggedEvent
from shipway.protocols._http import BodyMalformed
from shipway.protocols._open_inference import check_id
from shipway.protocols._otlp import Span, instant_of
from shipway.protocols._payload_log import REQUEST, RESPONSE, Answered
from shipway.protocols._protobuf import Value

ID, DEPLOYMENT, SCORE = "shipway.prediction.id", "shipway.deployment", "shipway.score"
FEATURE, OUTPUT = "shipway.feature.", "shipway.output."
INPUT_VALUE, OUTPUT_VALUE = "input.value", "output.value"
MOST_BYTES = 1 << 20  # of one span's values: a request of a few rows is far below

_decode = msgspec.json.Decoder().decode


def is_prediction(span: Span) -> bool:
    """Whether a span says that it is one, by any attribute of ours."""
    return any(name in (ID, SCORE) or name.startswith((FEATURE, OUTPUT)) for name in span.attributes)


def span_deployment(span: Span) -> str:
    """The deployment that it, or its resource, names; empty when it names none."""
    return str(span.attributes.get(DEPLOYMENT) or "")


def span_pair(span: Span, *, time_column: str | None) -> Answered:
    """A request and its response. time_column: is given the span's begin where the request does not have it.

    Raises BodyMalformed for a span without an id, inputs or outputs, or whose values are too large or no plain ones.
    """
    given = {name: value for name, value in span.attributes.items() if name.startswith(("shipway.", "input.", "output."))}
    size = sum(len(value) for value in given.values() if isinstance(value, str))
    if size > MOST_BYTES:
        raise BodyMalformed(f"span {span.id[:32]}: {size:,} bytes of values", mend=f"at most {MOST_BYTES:,} in one span")
    odd = next((name for name, value in given.items() if value is None and name.startswith("shipway.")), None)
    if odd is not None:
        raise BodyMalformed(f"attribute {odd[:80]!r} is no text, number or truth value", mend="one attribute for each column")
    identity = str(given.get(ID) or "-".join(part for part in (span.trace, span.id) if part))
    if not identity:
        raise BodyMalformed("the span has no id", mend=f"an attribute {ID}")
    check_id(identity)
    begin, end = instant_of(span.start), instant_of(span.end)
    extra = {time_column: begin} if time_column is not None and span.start else {}
    return Answered(
        LoggedEvent(identity, REQUEST, begin, _asked(given, extra)), LoggedEvent(identity, RESPONSE, end, _answered(given))
    )


def _asked(given: Mapping[str, Value | None], extra: Mapping[str, str]) -> bytes:
    features = {name.removeprefix(FEATURE): value for name, value in given.items() if name.startswith(FEATURE)}
    rows = [features] if features else _rows(_json(given, INPUT_VALUE, f"{FEATURE}NAME"))
    if isinstance(rows, dict):
        return msgspec.json.encode(rows)
    return msgspec.json.encode({"instances": [{**extra, **row} if isinstance(row, dict) else row for row in rows]})


def _rows(value: Any) -> Any:
    """Rows of V1, or a body of either protocol as it is."""
    if isinstance(value, dict):
        if "inputs" in value or "instances" in value:
            return value
        lists = [column for column in value.values() if isinstance(column, list)]
        if len(lists) != len(value):
            return [value]
        if len({len(column) for column in lists}) > 1:
            raise BodyMalformed(f"{INPUT_VALUE}: columns of different lengths")
        return [dict(zip(value, row, strict=True)) for row in zip(*lists, strict=True)]
    if isinstance(value, list) and value:
        return value if all(isinstance(row, dict | list) for row in value) else [value]
    raise BodyMalformed(f"{INPUT_VALUE} holds no rows of columns", mend=f'JSON as {{"x": 1.5}}, or attributes {FEATURE}NAME')


def _answered(given: Mapping[str, Value | None]) -> bytes:
    outputs = {name.removeprefix(OUTPUT): [value] for name, value in given.items() if name.startswith(OUTPUT)}
    if not outputs and SCORE in given:
        return msgspec.json.encode({"predictions": [given[SCORE]]})
    value = outputs or _json(given, OUTPUT_VALUE, SCORE)
    if isinstance(value, dict) and ("outputs" in value or "predictions" in value):
        return msgspec.json.encode(value)
    if isinstance(value, dict):
        columns = {name: column if isinstance(column, list) else [column] for name, column in value.items()}
        tensors = [{"name": name, "shape": [len(column)], "data": column} for name, column in columns.items()]
        return msgspec.json.encode({"outputs": tensors})
    return msgspec.json.encode({"predictions": value if isinstance(value, list) else [value]})


def _json(given: Mapping[str, Value | None], name: str, instead: str) -> Any:
    text = given.get(name)
    if not isinstance(text, str):
        raise BodyMalformed(f"the span has no {instead} and no {name} of JSON", mend=f"attributes {instead}, or JSON in {name}")
    try:
        return _decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as problem:
        raise BodyMalformed(f"{name} is no JSON: {str(problem)[:200]}", mend=f"attributes {instead}") from problem
