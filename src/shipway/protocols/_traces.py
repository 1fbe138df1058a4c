"""OTLP traces of a predictor: a span a request, its parts as children, sent in bulk by a thread or dropped and counted.

Nothing is traced and nothing is sent unless an endpoint is configured, by OpenTelemetry's own variables. The few messages of
OTLP/HTTP in JSON are written here: the SDK would be 2.5 MB and a hundred microseconds a request.
"""

from __future__ import annotations

import gzip
import http.client
import json
import logging
import random
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from shipway.kernel.errors import ShipwayError

MOST = 4096  # traces that wait to be sent; beyond it they are dropped
_BULK = 256
_SECONDS = 2.0  # between two sendings
_TRIES = 3
_TIMEOUT = 5.0
_AGAIN = (429, 502, 503, 504)  # what OTLP says is worth another try
_PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SERVER, _INTERNAL = 2, 1  # span kinds
_ERROR = 2
_logger = logging.getLogger(__name__)

# every name that spans of a predictor have beside those of OpenTelemetry itself
ATTRIBUTES = {
    "http.request.method": "POST",
    "url.path": "the route, or the method of gRPC",
    "http.response.status_code": "the status, over gRPC the one that HTTP would have",
    "shipway.release": "the release that answered",
    "shipway.deployment": "the deployment",
    "shipway.arm": "the arm",
    "shipway.request": "the request's id: that of its record in the prediction log, and of outcomes",
    "shipway.rows": "rows predicted",
}


class TracesMisset(ShipwayError):
    """A variable of OpenTelemetry holds what cannot be meant."""

    code = "protocols.traces-misset"


class Trace:
    """One sampled request; times by time.perf_counter, 0.0 for what never came. span: its own id."""

    __slots__ = (
        "answered", "came", "decoded", "encoded", "model_began", "model_ended", "parent", "request", "span", "state", "trace",
    )  # fmt: skip

    def __init__(self, trace: str, parent: str, state: str, came: float, span: str = "") -> None:
        self.trace, self.parent, self.state, self.came, self.span = trace, parent, state, came, span
        self.decoded = self.model_began = self.model_ended = self.answered = self.encoded = 0.0
        self.request = ""

    @property
    def context(self) -> bytes:
        """What a process that is asked for this request is told: its span is below this one."""
        return f"00-{self.trace}-{self.span}-01".encode()


class Sampler(NamedTuple):
    """rate: the share of traces that begin here; follows: whether a caller's decision counts for its own."""

    rate: float = 1.0
    follows: bool = True

    def takes(self, trace: str, flag: bool | None) -> bool:
        """flag: what the caller decided, None without one. By the trace's id, so that all services decide alike."""
        if self.follows and flag is not None:
            return flag
        return int(trace[16:], 16) < self.rate * 2**64


class _Ended(NamedTuple):
    trace: Trace
    path: str
    status: int
    rows: int
    end: float


class Tracer:
    """Traces of one process. begin and end in any thread; one thread sends. common: attributes of every request's span."""

    def __init__(
        self,
        url: str,
        *,
        resource: Mapping[str, str],
        headers: Mapping[str, str] | None = None,
        sampler: Sampler | None = None,
        common: Mapping[str, str] | None = None,
    ) -> None:
        self.sent = self.dropped = 0
        self._url, self._headers = urlsplit(url), dict(headers or {})
        self._resource, self._common, self._sampler = dict(resource), dict(common or {}), sampler or Sampler()
        self._waiting: deque[_Ended] = deque()
        self._wake, self._closed = threading.Event(), False
        self._zero = time.time_ns() - time.perf_counter_ns()  # a clock that is set anew does not turn spans round
        self._bits = random.Random().getrandbits  # noqa: S311 - ids of traces are no secrets
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def begin(self, headers: Mapping[bytes, bytes], came: float) -> Trace | None:
        """None where this request is not sampled. headers: names in small letters."""
        match = _PARENT.fullmatch(headers.get(b"traceparent", b""))
        if match and _is_context(match):
            trace, flag = match[2].decode(), bool(int(match[4], 16) & 1)
            if not self._sampler.takes(trace, flag):
                return None
            return Trace(trace, match[3].decode(), headers.get(b"tracestate", b"")[:512].decode("latin-1"), came, self._id())
        trace = f"{self._bits(128) or 1:032x}"
        return Trace(trace, "", "", came, self._id()) if self._sampler.takes(trace, None) else None

    def _id(self) -> str:
        return f"{self._bits(64) or 1:016x}"

    def end(self, trace: Trace, *, path: str, status: int, rows: int) -> None:
        """The request was answered. Never blocks; beyond MOST it is dropped and counted."""
        if len(self._waiting) >= MOST:
            self.dropped += 1
            return
        self._waiting.append(_Ended(trace, path, status, rows, time.perf_counter()))
        if len(self._waiting) == _BULK:
            self._wake.set()

    def close(self) -> None:
        """Sends what waits, once, and ends the thread."""
        self._closed = True
        self._wake.set()
        self._thread.join(2 * _TIMEOUT)

    def _run(self) -> None:
        while not self._closed:
            self._wake.wait(_SECONDS)
            self._wake.clear()
            while bulk := self._take():
                self._deliver(bulk)

    def _take(self) -> list[_Ended]:
        found: list[_Ended] = []
        with suppress(IndexError):
            while len(found) < _BULK:
                found.append(self._waiting.popleft())
        return found

    def _deliver(self, bulk: Sequence[_Ended]) -> None:
        body = gzip.compress(json.dumps(self._message(bulk)).encode(), 1)
        said: object = ""
        for attempt in range(_TRIES):
            try:
                said = self._post(body)
            except (OSError, http.client.HTTPException) as problem:
                said = problem
            if said == 200:
                self.sent += len(bulk)
                return
            if self._closed or (isinstance(said, int) and said not in _AGAIN):
                break
            self._wake.wait(2.0**attempt)
        self.dropped += len(bulk)
        _logger.warning("%d traces were not taken by %s: %s", len(bulk), self._url.netloc.rpartition("@")[2], said)

    def _post(self, body: bytes) -> int:
        connect = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        connection = connect(self._url.hostname or "", self._url.port, timeout=_TIMEOUT)
        try:
            head = {"content-type": "application/json", "content-encoding": "gzip", **self._headers}
            connection.request("POST", self._url.path or "/", body, head)
            response = connection.getresponse()
            response.read()
            return 200 if response.status < 300 else response.status
        finally:
            connection.close()

    def _message(self, bulk: Sequence[_Ended]) -> object:
        spans = [span for one in bulk for span in self._spans(one)]
        scope = {"scope": {"name": "shipway"}, "spans": spans}
        return {"resourceSpans": [{"resource": {"attributes": _attributes(self._resource)}, "scopeSpans": [scope]}]}

    def _spans(self, one: _Ended) -> list[object]:
        trace, own = one.trace, one.trace.span
        named: dict[str, str | int] = {"http.request.method": "POST", "url.path": one.path, **self._common}
        named |= {"http.response.status_code": one.status, "shipway.request": trace.request, "shipway.rows": one.rows}
        root = self._span(trace, own, trace.parent, f"POST {one.path}", trace.came, one.end, kind=_SERVER)
        root |= {"attributes": _attributes(named), **({"status": {"code": _ERROR}} if one.status >= 500 else {})}
        if trace.state:
            root["traceState"] = trace.state
        parts = [
            ("decode", trace.came, trace.decoded),
            ("queue", trace.decoded, trace.model_began),
            ("model", trace.model_began, trace.model_ended),
            ("encode", trace.answered, trace.encoded),
        ]
        found: list[object] = [root]
        for name, start, end in parts:
            if 0.0 < start <= end:
                found.append(self._span(trace, self._id(), own, name, start, end, kind=_INTERNAL))
        return found

    def _span(
        self, trace: Trace, span: str, parent: str, name: str, start: float, end: float, *, kind: int
    ) -> dict[str, object]:
        times = {
            "startTimeUnixNano": str(self._zero + round(start * 1e9)),
            "endTimeUnixNano": str(self._zero + round(end * 1e9)),
        }
        above = {"parentSpanId": parent} if parent else {}
        return {"traceId": trace.trace, "spanId": span, **above, "name": name, "kind": kind, **times}


def open_tracer(environ: Mapping[str, str], *, resource: Mapping[str, str], common: Mapping[str, str]) -> Tracer | None:
    """A tracer as OpenTelemetry's variables say; None where they name no endpoint. Raises TracesMisset."""
    url = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
    if not url and (base := environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")):
        url = base.rstrip("/") + "/v1/traces"
    off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER", "otlp") == "none"
    if not url or off:
        return None
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise TracesMisset(f"{url!r} is no address of a collector", mend="OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318")
    named = {**resource, **_pairs(environ.get("OTEL_RESOURCE_ATTRIBUTES", ""))}
    if name := environ.get("OTEL_SERVICE_NAME", ""):
        named["service.name"] = name
    headers = _pairs(environ.get("OTEL_EXPORTER_OTLP_HEADERS", ""))
    sampler = _sampler(environ.get("OTEL_TRACES_SAMPLER", ""), environ.get("OTEL_TRACES_SAMPLER_ARG", ""))
    return Tracer(url, resource=named, headers=headers, sampler=sampler, common=common)


_SAMPLERS: Mapping[str, Callable[[float], Sampler]] = {
    "": lambda _: Sampler(),
    "parentbased_always_on": lambda _: Sampler(),
    "parentbased_always_off": lambda _: Sampler(0.0),
    "parentbased_traceidratio": Sampler,
    "always_on": lambda _: Sampler(1.0, follows=False),
    "always_off": lambda _: Sampler(0.0, follows=False),
    "traceidratio": lambda rate: Sampler(rate, follows=False),
}


def _sampler(name: str, argument: str) -> Sampler:
    if name not in _SAMPLERS:
        raise TracesMisset(f"OTEL_TRACES_SAMPLER is {name!r}", mend="one of: " + ", ".join(filter(None, _SAMPLERS)))
    try:
        rate = float(argument or 1.0)
    except ValueError:
        rate = -1.0
    if not 0.0 <= rate <= 1.0:
        raise TracesMisset(f"OTEL_TRACES_SAMPLER_ARG is {argument!r}", mend="a share from 0 to 1, as in 0.01")
    return _SAMPLERS[name](rate)


def _pairs(text: str) -> dict[str, str]:
    """
    >>> _pairs("api-key=a%20b,x=1")
    {'api-key': 'a b', 'x': '1'}
    """
    found = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    return {name.strip(): unquote(value.strip()) for name, _, value in found}


def _is_context(match: re.Match[bytes]) -> bool:
    """As W3C has it: no version ff, of version 00 nothing after the flags, no ids of zeros."""
    return (
        match[1] != b"ff" and not (match[1] == b"00" and match[5]) and any(match[2].strip(b"0")) and any(match[3].strip(b"0"))
    )


def _attributes(values: Mapping[str, str | int]) -> list[object]:
    return [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}
        for key, value in values.items()
    ]
