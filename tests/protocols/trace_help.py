"""The other end of OTLP over HTTP, and a tracer that sends to it."""

from __future__ import annotations

import base64
import gzip
import http.server
import json
import threading
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from shipway.protocols._traces import Tracer, open_tracer

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector:
    """The other end of OTLP over HTTP; statuses: what it answers first, one after another."""

    def __init__(self) -> None:
        self.got: list[ExportTraceServiceRequest] = []
        self.heads: list[dict[str, str]] = []
        self.statuses: list[int] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = outer.statuses.pop(0) if outer.statuses else 200
                if status == 200:
                    outer.heads.append({name.lower(): value for name, value in self.headers.items()} | {"path": self.path})
                    outer.got.append(decoded(gzip.decompress(body)))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self._server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def spans(self) -> list[Any]:
        return [span for one in self.got for part in one.resource_spans for scope in part.scope_spans for span in scope.spans]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def decoded(body: bytes) -> ExportTraceServiceRequest:
    """OTLP's JSON differs from protobuf's in one thing: ids are hexadecimal."""
    message = json.loads(body)
    for part in message["resourceSpans"]:
        for span in (span for scope in part["scopeSpans"] for span in scope["spans"]):
            for name in {"traceId", "spanId", "parentSpanId"} & span.keys():
                span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    found = ExportTraceServiceRequest()
    json_format.ParseDict(message, found)
    return found


def traced(url: str, **more: str) -> Tracer:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, **more}
    tracer = open_tracer(environ, resource={"service.name": "delay@prod"}, common={"shipway.release": "sha256:r"})
    assert tracer is not None
    return tracer
