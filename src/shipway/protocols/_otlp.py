"""OTLP over HTTP, as protobuf or JSON: log records, spans and their events, and the outcomes among them.

Protobuf is read by hand: a control plane has none, and of some two hundred fields a dozen matter. Source: opentelemetry-proto
1.x (logs, trace).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec

from shipway.protocols._http import BodyMalformed
from shipway.protocols._protobuf import Value, read_bytes, read_fields, read_messages, read_text, read_value, write_varint

JSON, PROTOBUF = "application/json", "application/x-protobuf"
Signal = Literal["logs", "traces"]
T = TypeVar("T")

# what an outcome is called in attributes: ours, and those of OpenTelemetry's evaluations of generative models
IDS = ("shipway.prediction", "gen_ai.response.id")
NAMES = ("shipway.outcome", "gen_ai.evaluation.name")
VALUES = ("shipway.value", "gen_ai.evaluation.score.value")
UNIT = "shipway.unit"
ENTITY = "shipway.entity"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Telemetry(NamedTuple):
    """One log record, or one event of a span: nanoseconds of the epoch (0: none), and attributes of plain values."""

    time: int
    attributes: Mapping[str, Value]


class Span(NamedTuple):
    """One span: ids in hexadecimal, begin and end in nanoseconds of the epoch, what it and its resource say, and its events.

    Of attributes the span's own go before; None is what is no plain value.
    """

    trace: str
    id: str
    start: int
    end: int
    attributes: Mapping[str, Value | None]
    events: tuple[Telemetry, ...]


def parse_telemetry(body: bytes, media_type: str, signal: Signal) -> list[Telemetry]:
    """Every log record or span event of an export; raises BodyMalformed."""
    if signal == "traces":
        return [event for span in parse_spans(body, media_type) for event in span.events]
    return _parsed(body, media_type, "logs", _logs_of_json, _logs_of_protobuf)


def parse_spans(body: bytes, media_type: str) -> list[Span]:
    """Every span of an export; raises BodyMalformed."""
    return _parsed(body, media_type, "traces", _spans_of_json, _spans_of_protobuf)


def _parsed(
    body: bytes, media_type: str, what: str, json: Callable[[Any], Iterator[T]], protobuf: Callable[[bytes], Iterator[T]]
) -> list[T]:
    try:
        return list(json(msgspec.json.decode(body)) if media_type == JSON else protobuf(body))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as problem:
        raise BodyMalformed(f"the body is no {media_type}: {str(problem)[:200]}") from problem
    except (AttributeError, TypeError, ValueError, KeyError, IndexError, struct.error, OverflowError) as problem:
        raise BodyMalformed(f"the body is no export of {what}: {str(problem)[:200]}") from problem


def outcome_row(found: Telemetry) -> dict[str, object] | None:
    """The outcome in it, as a row to record; None for what is of something else. Whether it is whole, who records it says."""
    name = _first(found.attributes, NAMES)
    if name is None:
        return None
    row: dict[str, object] = {"id": _first(found.attributes, IDS), "name": name, "value": _first(found.attributes, VALUES)}
    if (entity := found.attributes.get(ENTITY)) is not None:
        row["entity"] = str(entity) if type(entity) is int else entity
    if found.time:
        row["time"] = instant_of(found.time)
    if UNIT in found.attributes:
        row["unit"] = found.attributes[UNIT]
    return row


def answer_export(media_type: str, signal: Signal, *, rejected: int, why: str) -> bytes:
    """The answer to an export: empty, or a partial success that says how many were refused and why the first was."""
    if media_type == JSON:
        field = "rejectedLogRecords" if signal == "logs" else "rejectedSpans"
        return msgspec.json.encode({"partialSuccess": {field: str(rejected), "errorMessage": why}} if rejected else {})
    if not rejected:
        return b""
    text = why.encode(errors="replace")[:2000]
    partial = b"\x08" + write_varint(rejected) + b"\x12" + write_varint(len(text)) + text
    return b"\x0a" + write_varint(len(partial)) + partial


def _first(attributes: Mapping[str, Value], names: tuple[str, ...]) -> Value | None:
    return next((attributes[name] for name in names if name in attributes), None)


def instant_of(nanoseconds: int) -> str:
    """ISO 8601; of a time that no calendar has its digits, which nobody takes for a time."""
    try:
        return (_EPOCH + timedelta(microseconds=nanoseconds // 1000)).isoformat()
    except OverflowError:
        return str(nanoseconds)


def _logs_of_json(message: Any) -> Iterator[Telemetry]:
    for resource in message.get("resourceLogs", []):
        for scope in resource.get("scopeLogs", []):
            for record in scope.get("logRecords", []):
                yield _record_of_json(record)


def _spans_of_json(message: Any) -> Iterator[Span]:
    for resource in message.get("resourceSpans", []):
        shared = dict(_attributes_of_json(resource.get("resource", {}).get("attributes", [])))
        for scope in resource.get("scopeSpans", []):
            for span in scope.get("spans", []):
                yield Span(
                    str(span.get("traceId", "")),
                    str(span.get("spanId", "")),
                    int(span.get("startTimeUnixNano") or 0),
                    int(span.get("endTimeUnixNano") or 0),
                    {**shared, **dict(_attributes_of_json(span.get("attributes", [])))},
                    tuple(_record_of_json(event) for event in span.get("events", [])),
                )


def _record_of_json(record: Any) -> Telemetry:
    time = int(record.get("timeUnixNano") or record.get("observedTimeUnixNano") or 0)
    return Telemetry(time, _plain(_attributes_of_json(record.get("attributes", []))))


def _attributes_of_json(attributes: Any) -> Iterator[tuple[str, Value | None]]:
    for attribute in attributes:
        key, value = str(attribute["key"]), attribute.get("value", {})
        kind = next((kind for kind in _KINDS if kind in value), None)
        yield key, None if kind is None else _KINDS[kind](value[kind])


_KINDS: dict[str, Callable[[Any], Value]] = {"stringValue": str, "boolValue": bool, "intValue": int, "doubleValue": float}


def _plain(attributes: Iterable[tuple[str, Value | None]]) -> dict[str, Value]:
    return {name: value for name, value in attributes if value is not None}


def _logs_of_protobuf(body: bytes) -> Iterator[Telemetry]:
    """Resource, scope and record are fields 1, 2 and 2."""
    for resource in read_messages(body, 1):
        for scope in read_messages(resource, 2):
            for record in read_messages(scope, 2):
                yield _record_of_protobuf(record, attributes=6)


def _spans_of_protobuf(body: bytes) -> Iterator[Span]:
    """A resource's attributes are field 1 of field 1; of a span trace, id, begin, end, attributes, events 1, 2, 7, 8, 9, 11."""
    for resource in read_messages(body, 1):
        shared: dict[str, Value | None] = {}
        for about in read_messages(resource, 1):
            shared |= dict(map(_pair, read_messages(about, 1)))
        for scope in read_messages(resource, 2):
            for span in read_messages(scope, 2):
                yield _span_of_protobuf(span, shared)


def _span_of_protobuf(data: bytes, shared: Mapping[str, Value | None]) -> Span:
    ids, times, attributes, events = {1: "", 2: ""}, {7: 0, 8: 0}, dict(shared), list[Telemetry]()
    for number, value in read_fields(data):
        if number in ids:
            ids[number] = read_bytes(value).hex()
        elif number in times and isinstance(value, int):
            times[number] = value
        elif number == 9:
            name, plain = _pair(read_bytes(value))
            attributes[name] = plain
        elif number == 11:
            events.append(_record_of_protobuf(read_bytes(value), attributes=3))
    return Span(ids[1], ids[2], times[7], times[8], attributes, tuple(events))


def _record_of_protobuf(data: bytes, *, attributes: int) -> Telemetry:
    found, times = dict[str, Value | None](), dict[int, int]()
    for number, value in read_fields(data):
        if number in (1, 11) and isinstance(value, int):
            times[number] = value
        elif number == attributes and isinstance(value, bytes):
            name, plain = _pair(value)
            found[name] = plain
    return Telemetry(times.get(1) or times.get(11) or 0, _plain(found.items()))


def _pair(data: bytes) -> tuple[str, Value | None]:
    pair = dict(read_fields(data))
    return read_text(pair[1]), read_value(pair.get(2, b""))
