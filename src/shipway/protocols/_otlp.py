"""OTLP over HTTP, as protobuf or JSON: log records and events of spans that are outcomes. Reads the few fields it needs.

The wire of protobuf is read here: a control plane has no protobuf, and of some two hundred fields six matter. Source:
opentelemetry-proto 1.x (logs, trace), protobuf's encoding.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

import msgspec

from shipway.protocols._http import BodyMalformed

JSON, PROTOBUF = "application/json", "application/x-protobuf"
Signal = Literal["logs", "traces"]
Value = str | int | float | bool

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


def parse_telemetry(body: bytes, media_type: str, signal: Signal) -> list[Telemetry]:
    """Every log record or span event of an export; raises BodyMalformed."""
    try:
        if media_type == JSON:
            return list(_of_json(msgspec.json.decode(body), signal))
        return list(_of_protobuf(body, signal))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as problem:
        raise BodyMalformed(f"the body is no {media_type}: {str(problem)[:200]}") from problem
    except (AttributeError, TypeError, ValueError, KeyError, IndexError, struct.error, OverflowError) as problem:
        raise BodyMalformed(f"the body is no export of {signal}: {str(problem)[:200]}") from problem


def outcome_row(found: Telemetry) -> dict[str, object] | None:
    """The outcome in it, as a row to record; None for what is of something else. Whether it is whole, who records it says."""
    name = _first(found.attributes, NAMES)
    if name is None:
        return None
    row: dict[str, object] = {"id": _first(found.attributes, IDS), "name": name, "value": _first(found.attributes, VALUES)}
    if (entity := found.attributes.get(ENTITY)) is not None:
        row["entity"] = str(entity) if type(entity) is int else entity
    if found.time:
        row["time"] = _instant(found.time)
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
    partial = b"\x08" + _varint(rejected) + b"\x12" + _varint(len(text)) + text
    return b"\x0a" + _varint(len(partial)) + partial


def _first(attributes: Mapping[str, Value], names: tuple[str, ...]) -> Value | None:
    return next((attributes[name] for name in names if name in attributes), None)


def _instant(nanoseconds: int) -> str:
    """ISO 8601; of a time that no calendar has its digits, which nobody takes for a time."""
    try:
        return (_EPOCH + timedelta(microseconds=nanoseconds // 1000)).isoformat()
    except OverflowError:
        return str(nanoseconds)


def _of_json(message: Any, signal: Signal) -> Iterator[Telemetry]:
    outer, inner, leaf = _JSON_NAMES[signal]
    for resource in message.get(outer, []):
        for scope in resource.get(inner, []):
            for record in scope.get(leaf, []):
                yield from _records_of_json(record, signal)


_JSON_NAMES = {"logs": ("resourceLogs", "scopeLogs", "logRecords"), "traces": ("resourceSpans", "scopeSpans", "spans")}


def _records_of_json(record: Any, signal: Signal) -> Iterator[Telemetry]:
    for one in [record] if signal == "logs" else record.get("events", []):
        time = int(one.get("timeUnixNano") or one.get("observedTimeUnixNano") or 0)
        yield Telemetry(time, dict(_plain(one.get("attributes", []))))


def _plain(attributes: Any) -> Iterator[tuple[str, Value]]:
    for attribute in attributes:
        value = attribute.get("value", {})
        if "stringValue" in value:
            yield str(attribute["key"]), str(value["stringValue"])
        elif "boolValue" in value:
            yield str(attribute["key"]), bool(value["boolValue"])
        elif "intValue" in value:
            yield str(attribute["key"]), int(value["intValue"])
        elif "doubleValue" in value:
            yield str(attribute["key"]), float(value["doubleValue"])


def _of_protobuf(body: bytes, signal: Signal) -> Iterator[Telemetry]:
    """Resource, scope and record are fields 1, 2 and 2; a span's events its field 11."""
    for resource in _messages(body, 1):
        for scope in _messages(resource, 2):
            for record in _messages(scope, 2):
                for one in [record] if signal == "logs" else _messages(record, 11):
                    yield _telemetry(one, attributes=6 if signal == "logs" else 3)


def _telemetry(data: bytes, *, attributes: int) -> Telemetry:
    found, times = dict[str, Value](), dict[int, int]()
    for number, value in _fields(data):
        if number in (1, 11) and isinstance(value, int):
            times[number] = value
        elif number == attributes and isinstance(value, bytes):
            pair = dict(_fields(value))
            plain = _any_value(pair.get(2, b""))
            if plain is not None:
                found[_text(pair[1])] = plain
    return Telemetry(times.get(1) or times.get(11) or 0, found)


def _any_value(data: int | bytes) -> Value | None:
    for number, value in _fields(_bytes(data)):
        if number == 1:
            return _text(value)
        if number == 2:
            return bool(value)
        if number == 3 and isinstance(value, int):
            return value - (1 << 64) if value >> 63 else value
        if number == 4 and isinstance(value, int):
            return float(struct.unpack("<d", value.to_bytes(8, "little"))[0])
    return None


def _messages(data: bytes, field: int) -> Iterator[bytes]:
    return (_bytes(value) for number, value in _fields(data) if number == field)


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field: a varint or fixed number as a whole number, what has a length as bytes."""
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _read_varint(data, at)
            yield number, value
            continue
        if wire == 2:
            size, at = _read_varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if at + size > len(data):
            raise ValueError("a field is cut short")
        piece, at = data[at : at + size], at + size
        yield number, piece if wire == 2 else int.from_bytes(piece, "little")


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(10):
        byte = data[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value & (2**64 - 1), at + place + 1
    raise ValueError("a number of more than ten bytes")


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where a message was expected")
    return value


def _text(value: int | bytes) -> str:
    return _bytes(value).decode()
