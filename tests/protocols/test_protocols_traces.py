"""Traces reach a collector, follow the caller's decision, cost nobody an answer; OpenTelemetry's own classes read them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from trace_help import PARENT, TRACE, Collector, traced

from shipway.models import Array, Column, Signature
from shipway.protocols import PredictorApp
from shipway.protocols._traces import MOST, Sampler, Trace, Tracer, TracesMisset, open_tracer
from shipway.serve import Batcher, Cost, Identity, Predictor

BODY = json.dumps({"id": "r-1", "inputs": [{"name": "x", "shape": [2], "datatype": "FP64", "data": [1.0, 2.0]}]}).encode()


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()
    yield found
    found.close()


class Twice:
    signature = Signature((Column("x", "FP64"),), (Column("y", "FP64"),))

    def predict(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        if columns["x"][0] < 0:
            raise ValueError("no")
        return {"y": np.asarray(columns["x"]) * 2}


def ask(app: PredictorApp, *bodies: bytes, headers: Mapping[str, str] | None = None) -> list[int]:
    statuses: list[int] = []

    async def one(body: bytes) -> None:
        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Mapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        scope = {"type": "http", "method": "POST", "path": "/v2/models/m/infer", "headers": raw}
        await app(scope, receive, send)

    async def all_of_them() -> None:
        for body in bodies:
            await one(body)

    asyncio.run(all_of_them())
    return statuses


def app_with(tracer: Tracer | None) -> PredictorApp:
    identity = Identity("delay", "prod", "sha256:r", "sha256:d", "live", "m")
    return PredictorApp(Batcher(Predictor(Twice(), identity), Cost(0.0, 0.0)), server_version="1", tracer=tracer)


def test_a_request_is_a_span_below_its_callers_with_its_parts_below_it(collector: Collector) -> None:
    app = app_with(traced(collector.url, OTEL_SERVICE_NAME="other", OTEL_EXPORTER_OTLP_HEADERS="api-key=a%20b"))
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "v=1"}
    begun = time.time_ns()
    assert ask(app, BODY, BODY.replace(b"1.0", b"-1.0"), b"nonsense", headers=headers) == [200, 500, 400]
    app.close()
    spans = collector.spans()
    roots = [span for span in spans if span.kind == span.SPAN_KIND_SERVER]
    assert [(span.trace_id.hex(), span.parent_span_id.hex(), span.trace_state) for span in roots] == [
        (TRACE, PARENT, "v=1")
    ] * 3
    assert [span.status.code for span in roots] == [0, 2, 0]
    below = [span for span in spans if span.parent_span_id == roots[0].span_id]
    assert [span.name for span in below] == ["decode", "queue", "model", "encode"]
    for span in (roots[0], *below):
        assert begun <= span.start_time_unix_nano <= span.end_time_unix_nano <= time.time_ns()
    said = {one.key: one.value.string_value or one.value.int_value for one in roots[0].attributes}
    assert said == {
        "http.request.method": "POST",
        "url.path": "/v2/models/m/infer",
        "http.response.status_code": 200,
        "shipway.release": "sha256:r",
        "shipway.request": "r-1",
        "shipway.rows": 2,
    }
    assert (collector.heads[0]["path"], collector.heads[0]["api-key"]) == ("/v1/traces", "a b")
    resource = {one.key: one.value.string_value for one in collector.got[0].resource_spans[0].resource.attributes}
    assert resource == {"service.name": "other"}


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "nonsense",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01-x",
    ],
)
def test_what_is_no_context_begins_a_trace_of_its_own(collector: Collector, parent: str) -> None:
    tracer = traced(collector.url)
    trace = tracer.begin({b"traceparent": parent.encode()}, 1.0)
    assert trace is not None
    assert (trace.parent, len(trace.trace), trace.trace != TRACE) == ("", 32, True)
    tracer.close()


def test_the_callers_decision_counts_and_a_share_of_the_others_is_taken_by_their_ids(collector: Collector) -> None:
    tracer = traced(collector.url, OTEL_TRACES_SAMPLER="parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG="0.25")
    unwanted, wanted = (tracer.begin({b"traceparent": f"00-{TRACE}-{PARENT}-{flag}".encode()}, 1.0) for flag in ("00", "01"))
    assert (unwanted, isinstance(wanted, Trace)) == (None, True)
    taken = sum(tracer.begin({}, 1.0) is not None for _ in range(4000))
    assert 850 < taken < 1150
    assert Sampler(0.5, follows=False).takes("0" * 16 + "7" * 16, flag=False)
    tracer.close()


def test_a_collector_that_is_busy_is_asked_again_and_one_that_refuses_is_not(collector: Collector) -> None:
    collector.statuses = [503]
    tracer = traced(collector.url)
    tracer.end(Trace(TRACE, "", "", 1.0), path="/", status=200, rows=1)
    until(lambda: tracer.sent == 1)
    collector.statuses = [400]
    tracer.end(Trace(TRACE, "", "", 1.0), path="/", status=200, rows=1)
    tracer.close()
    assert (tracer.sent, tracer.dropped, len(collector.spans())) == (1, 1, 1)


def test_without_a_collector_answers_go_on_and_what_is_too_much_is_dropped_and_counted() -> None:
    app = app_with(traced("http://127.0.0.1:9"))
    assert ask(app, *[BODY] * (MOST + 50)) == [200] * (MOST + 50)
    app.close()
    assert app._tracer is not None
    assert (app._tracer.sent, app._tracer.dropped >= 50) == (0, True)


def test_nothing_is_traced_unless_an_endpoint_is_named() -> None:
    for environ in ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "true"}):
        assert open_tracer(environ, resource={}, common={}) is None
    assert ask(app_with(None), BODY) == [200]


@pytest.mark.parametrize(
    ("name", "value"),
    [("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"), ("OTEL_TRACES_SAMPLER", "x"), ("OTEL_TRACES_SAMPLER_ARG", "2")],
)
def test_a_variable_that_cannot_be_meant_is_refused(name: str, value: str) -> None:
    with pytest.raises(TracesMisset, match=r"collector:4318|SAMPLER"):
        open_tracer({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", name: value}, resource={}, common={})


def until(holds: Any) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)
