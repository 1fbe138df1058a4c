"""OTLP in: exports made by OpenTelemetry's own classes, as protobuf and JSON; and whatever else arrives there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from shipway.protocols import PROTOBUF, PayloadLog, Signal, answer_export, outcome_row, parse_telemetry
from shipway.protocols._http import BodyMalformed
from shipway.protocols._payload_log import MOST

JSON = "application/json"
MOMENT = 1_359_796_500_000_000_000  # 2013-02-02T09:15


def attributes(**values: object) -> list[dict[str, Any]]:
    kinds = {str: "stringValue", bool: "boolValue", int: "intValue", float: "doubleValue"}
    return [{"key": name.replace("__", "."), "value": {kinds[type(value)]: value}} for name, value in values.items()]


OURS = attributes(shipway__prediction="r:0", shipway__outcome="spend", shipway__value=-3, shipway__unit="usd")
EVALUATION = attributes(gen_ai__evaluation__name="rating", gen_ai__response__id="c:0", gen_ai__evaluation__score__value=0.5)
ENTITY = attributes(shipway__entity=17, shipway__outcome="churned", shipway__value=True)
OTHER = attributes(http__request__method="GET", nested=True)
ROWS = [
    {"id": "r:0", "name": "spend", "value": -3, "time": "2013-02-02T09:15:00+00:00", "unit": "usd"},
    {"id": "c:0", "name": "rating", "value": 0.5, "time": "2013-02-02T09:15:00+00:00"},
    {"id": None, "name": "churned", "value": True, "time": "2013-02-02T09:15:00+00:00", "entity": "17"},
]


def export(signal: Signal) -> Any:
    """A message of OpenTelemetry's own."""
    found = [{"timeUnixNano": str(MOMENT), "attributes": one} for one in (OURS, OTHER, EVALUATION, ENTITY)]
    if signal == "logs":
        record = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{**one, "body": {"stringValue": "x"}} for one in found]}]}]}
        return json_format.ParseDict(record, ExportLogsServiceRequest())
    spans = [{"name": "chat", "attributes": OTHER, "events": [{**one, "name": "e"} for one in found]}]
    return json_format.ParseDict({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}, ExportTraceServiceRequest())


@pytest.mark.parametrize("signal", ["logs", "traces"])
def test_log_records_and_events_of_spans_are_outcomes_in_protobuf_and_json(signal: Signal) -> None:
    message = export(signal)
    for body, kind in ((message.SerializeToString(), PROTOBUF), (json_format.MessageToJson(message).encode(), JSON)):
        found = parse_telemetry(body, kind, signal)
        assert [row for one in found if (row := outcome_row(one))] == ROWS
        assert len(found) == 4


@pytest.mark.parametrize("value", [True, False, -(2**63), 2**63 - 1, 0, 1.5, -0.0, float("inf"), "text", "é" * 300])
def test_a_value_of_each_kind_is_read_as_it_was_written(value: Any) -> None:
    record = {"attributes": attributes(shipway__value=value) if value != float("inf") else []}
    message = json_format.ParseDict({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}, ExportLogsServiceRequest())
    if value == float("inf"):
        added = message.resource_logs[0].scope_logs[0].log_records[0].attributes.add()
        added.key, added.value.double_value = "shipway.value", value
    (found,) = parse_telemetry(message.SerializeToString(), PROTOBUF, "logs")
    assert found.attributes["shipway.value"] == value
    assert type(found.attributes["shipway.value"]) is type(value)


def test_a_partial_success_is_read_by_opentelemetry() -> None:
    answer = ExportLogsServiceResponse.FromString(answer_export(PROTOBUF, "logs", rejected=300, why="é" * 50))
    assert (answer.partial_success.rejected_log_records, answer.partial_success.error_message) == (300, "é" * 50)
    said = json_format.Parse(answer_export(JSON, "logs", rejected=2, why="x"), ExportLogsServiceResponse())
    assert said.partial_success.rejected_log_records == 2
    assert answer_export(PROTOBUF, "logs", rejected=0, why="") == b""
    assert json.loads(answer_export(JSON, "traces", rejected=0, why="")) == {}


WHOLE = {signal: export(signal).SerializeToString() for signal in ("logs", "traces")}


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["logs", "traces"]), st.binary(max_size=40), st.integers(0, 200), st.integers(0, 40))
def test_a_body_that_was_altered_gives_rows_or_one_error(signal: Any, noise: bytes, at: int, cut: int) -> None:
    body = WHOLE[signal]
    for altered in (noise, body[: at % len(body)], body[:at] + noise + body[at + cut :]):
        for kind in (PROTOBUF, JSON):
            try:
                found = parse_telemetry(altered, kind, signal)
            except BodyMalformed:
                continue
            assert all(isinstance(outcome_row(one), dict | None) for one in found)


@pytest.mark.parametrize(
    "body",
    [
        b"[]", b"7", b'{"resourceLogs": 7}', b'{"resourceLogs": [{"scopeLogs": [null]}]}', b"[" * 100_000, b'"\xff"',
        b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano": "soon"}]}]}]}',
    ],
)  # fmt: skip
def test_json_that_is_no_export_is_one_error(body: bytes) -> None:
    with pytest.raises(BodyMalformed):
        parse_telemetry(body, JSON, "logs")


def test_a_time_that_no_calendar_has_is_left_for_who_records_it_to_refuse() -> None:
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano": 10**30, "attributes": OURS}]}]}]})
    (found,) = parse_telemetry(body.encode(), JSON, "logs")
    row = outcome_row(found)
    assert row is not None
    assert row["time"] == str(10**30)


def event(id: str, half: str, data: bytes = b"{}") -> tuple[bytes, dict[bytes, bytes]]:
    kind = f"org.kubeflow.serving.inference.{half}"
    said = {"specversion": "1.0", "id": id, "source": "s", "type": kind}
    return data, {f"ce-{name}".encode(): value.encode() for name, value in said.items()}


def test_halves_are_paired_in_either_order_within_their_group_and_one_that_comes_again_replaces_itself() -> None:
    log = PayloadLog()
    assert log.take(*event("1", "request", b"old"), group="a") is None
    assert log.take(*event("1", "request", b"new"), group="a") is None
    assert log.take(*event("1", "response"), group="b") is None
    pair = log.take(*event("1", "response", b"answer"), group="a")
    assert pair is not None
    assert (pair.request.data, pair.response.data) == (b"new", b"answer")
    structured = {"specversion": "1.0", "id": "1", "source": "s", "type": "x.inference.request", "data": {"inputs": []}}
    other = log.take(json.dumps(structured).encode(), {}, group="b")
    assert other is not None
    assert other.request.data == b'{"inputs": []}'
    assert (log.waiting, log.dropped) == (0, 0)


def test_requests_without_an_answer_take_a_bounded_place_and_are_counted() -> None:
    log = PayloadLog()
    for number in range(MOST + 5):
        log.take(*event(str(number), "request"), group="a")
    assert (log.waiting, log.dropped) == (MOST, 5)
    for number in range(5):
        log.take(*event(f"large {number}", "request", bytes(16 << 20)), group="a")
    assert log.waiting < 5
    for body, headers in (
        event("1", "explanation"),
        (b"{}", {}),
        (b"", {b"ce-specversion": b"9"}),
        event("x" * 5000, "request"),
    ):
        with pytest.raises(BodyMalformed):
            log.take(body, headers, group="a")
