"""The predictor's ASGI application: routes, one table of statuses, and an answer for whatever goes wrong."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, NamedTuple

from shipway.kernel.clock import Ids, RandomIds
from shipway.kernel.errors import ShipwayError
from shipway.kernel.pages import SharedPages
from shipway.kernel.split import LIVE
from shipway.models import InputMismatch, Signature
from shipway.protocols._http import (
    BodiesTooMany,
    BodyMalformed,
    BodyTooLarge,
    ClientGone,
    EncodingUnknown,
    Headers,
    MediaTypeUnknown,
    NotOffered,
    Receive,
    Reply,
    Scope,
    Send,
    json_reply,
    read_body,
    send_reply,
)
from shipway.protocols._memory import resident_bytes
from shipway.protocols._metrics import CONTENT_TYPE, RequestMetrics, Samples
from shipway.protocols._mlflow import CODES, CSV, parse_invocation
from shipway.protocols._open_inference import describe_model, parse_infer, render_infer
from shipway.protocols._openapi import describe_api
from shipway.protocols._split import RELEASE_HEADER, answering_releases, own_headers, split_samples, with_arm
from shipway.protocols._traces import Trace, Tracer
from shipway.protocols._v1 import parse_predict, render_predict
from shipway.serve import (
    ARM_HEADER,
    Arrays,
    Batcher,
    BatchHung,
    Overloaded,
    PredictionFailed,
    Replaced,
    Request,
    Response,
    Split,
)

if TYPE_CHECKING:
    from shipway.protocols._tables import TableReader

BODY_BYTES = 64 << 20
OPENAPI = "/openapi.json"

# none: tritonclient sends JSON without saying so; the last: what `curl -d` says of any body
_MEDIA_TYPES = (b"", b"application/json", b"application/octet-stream", b"application/x-www-form-urlencoded")
_INVOCATIONS = "/invocations"
TABLES = (  # Arrow and Parquet, which another process reads
    b"application/vnd.apache.arrow.stream", b"application/vnd.apache.arrow.file", b"application/vnd.apache.parquet",
)  # fmt: skip
EVENT, EVENTS = b"ce-specversion", b"application/cloudevents+json"  # a CloudEvent by its headers, or as its body
PACKED_BYTES = 1024  # an answer that is smaller fits in one packet anyway
EXTENSIONS = ("binary_tensor_data", "model_repository", "model_configuration", "statistics")
_WORDS = 1500  # characters of an error: names in it are the client's own, of any length
_LAST = (b"connection", b"close")

_logger = logging.getLogger(__name__)


class NotHere(ShipwayError):
    """No such address, model or version."""

    code = "protocols.not-here"


class MethodWrong(ShipwayError):
    """The address is right, the HTTP method is not."""

    code = "protocols.method-wrong"

    def __init__(self, path: str, *, allow: str) -> None:
        super().__init__(f"{path} does not answer this method", mend="POST to infer, predict and index, GET everything else")
        self.allow = allow


class OriginRefused(ShipwayError):
    """A page in a browser asks; it could fill the prediction log of whoever looks at it, so only programs are answered."""

    code = "protocols.origin-refused"


_STATUSES: tuple[tuple[type[ShipwayError], int], ...] = (
    (BodyMalformed, 400),
    (NotOffered, 400),
    (InputMismatch, 400),
    (OriginRefused, 403),
    (NotHere, 404),
    (MethodWrong, 405),
    (BodyTooLarge, 413),
    (EncodingUnknown, 415),
    (MediaTypeUnknown, 415),
    (Overloaded, 503),
    (BodiesTooMany, 503),
    (Replaced, 503),
    (BatchHung, 504),
)


class _Wire(NamedTuple):
    """How one protocol asks and is answered. What parse gives beside the request, render gets with the response.

    media_types: that it reads; refuse: what it says of an error, by its words and status; apart: both block, so in a thread;
    release: that an address names.
    """

    parse: Callable[[bytes, Headers, Signature], tuple[Request, Any]]
    render: Callable[[Response, Any], Reply]
    media_types: tuple[bytes, ...] = _MEDIA_TYPES
    refuse: Callable[[str, int], object] = lambda words, _: {"error": words}
    apart: bool = False
    release: str | None = None


_V2, _V1 = _Wire(parse_infer, render_infer), _Wire(parse_predict, render_predict)


class PredictorApp:
    """Open Inference v2, KServe's V1, MLflow's scoring, health and metrics of one predictor, as an ASGI application.

    server_version: what server metadata says; golden: the model's golden rows, examples in the description of this API;
    body_bytes: the largest body, packed or unpacked; pages: of metrics, where other processes answer at the same address;
    browsers: whether pages in browsers may ask; replaced: how many processes died here before this one; cpu_price: US
    dollars for an hour of a processor. Where it is mounted, `root_path` of a request is what comes before its routes.
    """

    def __init__(
        self,
        batcher: Batcher | Split,
        *,
        server_version: str,
        golden: tuple[Arrays, Arrays] = ({}, {}),
        body_bytes: int = BODY_BYTES,
        ids: Ids | None = None,
        pages: SharedPages | None = None,
        browsers: bool = False,
        replaced: int = 0,
        cpu_price: float | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self._tracer = tracer
        self._cpu_price = cpu_price
        self._replaced = replaced
        self._shared, self._browsers, self._golden, self._server_version = pages, browsers, golden, server_version
        self._batcher, self.predictor, self.body_bytes = batcher, batcher.predictor, body_bytes
        self._ids = ids or RandomIds()
        self._metrics = RequestMetrics()
        who = self.predictor.identity
        self._headers = [(RELEASE_HEADER, who.release.encode())]
        if who.arm != LIVE:
            self._headers.append((ARM_HEADER, who.arm.encode()))
        self._leaving = False
        self._tables: TableReader | None = None
        self._split = batcher if isinstance(batcher, Split) else None
        self._model = f"/v2/models/{who.model_name}"
        self._versioned = f"{self._model}/versions/{who.release}"
        self._wires = {f"{self._model}/infer": _V2, f"{self._versioned}/infer": _V2._replace(release=who.release)}
        for release in answering_releases(self._split):
            self._wires[f"{self._model}/versions/{release}/infer"] = _V2._replace(release=release)
        self._wires[f"/v1/models/{who.model_name}:predict"] = _V1
        parse = partial(parse_invocation, aside=self.predictor.aside)
        self._wires[_INVOCATIONS] = _Wire(parse, render_predict, (*_MEDIA_TYPES, CSV), _mlflow_error)
        self._pages = self._fixed_pages()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; nothing that goes wrong inside leaves as a traceback."""
        if scope["type"] != "http":
            return
        path = route_path(scope)
        try:
            wire = self._wires.get(path)
            if wire and scope["method"] == "POST":
                reply = await self._infer(wire, path, dict(scope["headers"]), receive)
            else:
                reply = self._page(path, scope["method"], scope.get("root_path", ""))
        except ClientGone:
            return
        await send_reply(send, reply, self._headers if self._split is None else own_headers(reply, self._headers))

    def leave(self) -> None:
        """Another process answers at this address from now on: each answer is the last on its connection."""
        if not self._leaving:
            self._leaving = True
            self._headers.append(_LAST)
            self._keep()

    def stay(self) -> None:
        """It is this process again that answers."""
        if self._leaving:
            self._leaving = False
            self._headers.remove(_LAST)
            self._keep()

    def close(self) -> None:
        """Leaves to the others what this process has counted."""
        if self._tracer:
            self._tracer.close()
        if self._tables:
            self._tables.close()
        self._keep()

    def _keep(self) -> None:
        if self._shared:
            self._shared.keep(self._render())

    def _render(self) -> str:
        return self._metrics.render(self._gauges())

    async def _infer(self, wire: _Wire, path: str, headers: Headers, receive: Receive) -> Reply:
        rows, started, asked = 0, time.perf_counter(), None
        trace = self._tracer.begin(headers, started) if self._tracer else None
        try:
            media = _check_caller(headers, browsers=self._browsers)
            if media not in wire.media_types or EVENT in headers:
                wire = self._odd_wire(wire, media)
            body = await read_body(receive, headers, limit=self.body_bytes)
            started = time.perf_counter()
            if wire.apart:
                asked, wanted = await asyncio.to_thread(wire.parse, body, headers, self.predictor.signature)
            else:
                asked, wanted = wire.parse(body, headers, self.predictor.signature)
            response = await self._answer(asked, trace, headers, wire.release)
            rows = response.rows
            reply = await asyncio.to_thread(wire.render, response, wanted) if wire.apart else wire.render(response, wanted)
            if self._split:
                reply = with_arm(reply, response)
            if trace:
                trace.encoded = time.perf_counter()
        except ClientGone:
            raise
        except Exception as problem:
            reply = self._refusal(problem, wire.refuse)
            if asked is None:
                self.record_failure(problem, None, status=reply.status, started=started)
        self.observe(status=reply.status, seconds=time.perf_counter() - started, rows=rows)
        if trace and self._tracer:
            self._tracer.end(trace, path=path, status=reply.status, rows=rows)
        return reply if len(reply.body) < PACKED_BYTES else await _packed(reply, headers)

    def _odd_wire(self, wire: _Wire, media: bytes) -> _Wire:
        """The same protocol in a form that is rarely asked; raises MediaTypeUnknown."""
        if media in TABLES and CSV in wire.media_types:
            return self._table_wire(wire, media)
        if wire._replace(release=None) not in (_V1, _V2) or media not in (*wire.media_types, EVENTS):
            raise _unknown_media(media, wire.media_types)
        from shipway.protocols._cloud_events import parse_event, render_event

        return wire._replace(
            parse=parse_event(wire.parse), render=render_event(wire.render, self.predictor.identity.model_name)
        )

    def _table_wire(self, wire: _Wire, media: bytes) -> _Wire:
        from shipway.protocols._tables import TableReader, check_reader

        check_reader(media)
        if self._tables is None:
            self._tables = TableReader(self.predictor.aside, limit=self.body_bytes)
        return wire._replace(parse=self._tables.parse, render=self._tables.render, apart=True)

    async def predict(self, request: Request, headers: Headers, *, path: str = "ModelInfer") -> Response:
        """The answer to a request of any other protocol, in its turn, traced under that path."""
        trace = self._tracer.begin(headers, time.perf_counter()) if self._tracer else None
        if trace is None or self._tracer is None:
            return await self._answer(request, None, headers)
        status, rows = 500, 0
        try:
            response = await self._answer(request, trace, headers)
            status, rows = 200, response.rows
            return response
        except Exception as problem:
            status = status_of(problem)
            raise
        finally:
            self._tracer.end(trace, path=path, status=status, rows=rows)

    async def _answer(self, request: Request, trace: Trace | None, headers: Headers, release: str | None = None) -> Response:
        started = time.perf_counter()
        if trace:
            trace.decoded, trace.request = started, request.id or ""
        try:
            if self._split is None:
                response = await self._batcher.predict(request, trace)
            else:
                response = await self._split.predict(request, trace, headers, release)
            if trace:
                trace.answered, trace.request = time.perf_counter(), response.id
            return response
        except Exception as problem:
            self.record_failure(problem, request, status=status_of(problem), started=started)
            raise

    def observe(self, *, status: int, seconds: float, rows: int) -> None:
        """A request to predict of any protocol was answered, with what is or would be this status of HTTP."""
        self._metrics.observe(status=status, seconds=seconds, rows=rows)
        if self._shared:
            self._shared.keep_soon(self._render)

    def record_failure(self, problem: Exception, asked: Request | None, *, status: int, started: float) -> None:
        """A request to predict was refused: in the log, where failures are logged. asked: None when it could not be read."""
        recorder = self.predictor.recorder
        if recorder is None:
            return
        code = problem.code if isinstance(problem, ShipwayError) else "internal"
        columns = asked.columns if asked and isinstance(problem, PredictionFailed | BatchHung) else None
        recorder.record_failure(columns, id=(asked and asked.id) or "", status=status, code=code, started=started)

    def _page(self, path: str, method: str, base: str) -> Reply:
        if path == "/metrics" and method == "GET":
            return Reply(200, self.whole_metrics().encode(), CONTENT_TYPE.encode())
        method = "GET" if method == "HEAD" else method
        if path == OPENAPI and method == "GET":
            return json_reply(self._described(base))
        if page := self._pages.get((method, path)):
            return page
        try:
            return self._rare_page(path, method)
        except ShipwayError as problem:
            return self._refusal(problem)

    def _rare_page(self, path: str, method: str) -> Reply:
        from shipway.protocols._triton import triton_methods, triton_page

        allow = triton_methods(path, self._model, self._versioned)
        if not allow:
            raise self._nothing_at(path)
        if method not in allow.split(", "):
            raise MethodWrong(path, allow=allow)
        return triton_page(path, self.predictor.identity, self.predictor.signature, self.whole_metrics)

    def whole_metrics(self) -> str:
        """Of all processes of this address."""
        return self._shared.whole(self._render()) if self._shared else self._render()

    def _nothing_at(self, path: str) -> ShipwayError:
        if path in self._wires or path in ("/metrics", OPENAPI) or any(path == known for _, known in self._pages):
            posted = path in self._wires or ("POST", path) in self._pages
            return MethodWrong(path, allow="POST" if posted else "GET" if path in ("/metrics", OPENAPI) else "GET, HEAD")
        who = self.predictor.identity
        parts = path.split("/")
        if path.startswith("/v2/models/") and parts[3] != who.model_name:
            return NotHere(f"no model {parts[3]!r}: expected {who.model_name!r}")
        if path.startswith("/v1/models/") and parts[3].removesuffix(":predict") != who.model_name:
            return NotHere(f"no model {parts[3].removesuffix(':predict')!r}: expected {who.model_name!r}")
        if path.startswith(f"{self._model}/versions/") and parts[5] != who.release:
            return NotHere(f"no version {parts[5]!r} of {who.model_name!r}: expected {who.release!r}")
        return NotHere(f"nothing at {path!r}")

    def refused(self, problem: Exception) -> tuple[int, str]:
        """The status of what went wrong, and what and how to mend it, or, for a fault of ours, an id to look for in our log."""
        if not isinstance(problem, ShipwayError):
            id = self._ids.new()
            _logger.error("request %s: internal error", id, exc_info=problem)
            return 500, f"internal error, request {id}"
        words = "; ".join(filter(None, (problem.what, problem.where, problem.mend)))
        return status_of(problem), words if len(words) <= _WORDS else words[:_WORDS] + "..."

    def _refusal(self, problem: Exception, say: Callable[[str, int], object] = _V1.refuse) -> Reply:
        status, words = self.refused(problem)
        headers: tuple[tuple[bytes, bytes], ...] = ()
        if isinstance(problem, Overloaded | Replaced):
            headers = ((b"retry-after", str(problem.after).encode()),)
        elif isinstance(problem, MethodWrong):
            headers = ((b"allow", problem.allow.encode()),)
        elif isinstance(problem, BodyTooLarge | BodiesTooMany):
            headers = ((b"connection", b"close"),)  # rather than read the rest of it
            if problem.retry:
                headers = (*headers, (b"retry-after", b"1"))
        return json_reply(say(words, status), status, headers)

    def _gauges(self) -> dict[str, Samples]:
        who = self.predictor.identity
        gauges: dict[str, Samples] = {
            "shipway_predictor_info": [({**who._asdict()}, 0 if self._leaving else 1)],
            "shipway_predictor_calls_total": [({}, self._batcher.calls)],
            "shipway_predictor_replaced": [({}, self._replaced)],
            "shipway_predictor_memory_bytes": [({}, resident_bytes())],
            "shipway_predictor_queued_rows": [({}, self._batcher.queued_rows)],
        }
        if self._split:
            gauges |= split_samples(self._split)
        if self.predictor.log is not None:
            counts = self.predictor.log.counts()
            for name in ("accepted", "written", "dropped"):
                gauges[f"shipway_log_{name}_rows_total"] = [({}, getattr(counts, name))]
        if recorder := self.predictor.recorder:
            gauges["shipway_log_left_out_rows_total"] = [({}, recorder.left_out)]
            gauges["shipway_log_unrecorded_failures_total"] = [({}, recorder.unrecorded)]
        if self._tracer:
            gauges["shipway_traces_sent_total"] = [({}, self._tracer.sent)]
            gauges["shipway_traces_dropped_total"] = [({}, self._tracer.dropped)]
        cpu, price = time.process_time(), self._cpu_price
        gauges["shipway_predictor_cpu_seconds_total"] = [({}, cpu)]
        gauges["shipway_predictor_usd_total"] = [({}, cpu * price / 3600)] if price is not None else []
        return gauges

    def _described(self, base: str) -> dict[str, Any]:
        who, signature, aside = self.predictor.identity, self.predictor.signature, self.predictor.aside
        return describe_api(who, signature, golden=self._golden, aside=aside, server_version=self._server_version, base=base)

    def _fixed_pages(self) -> dict[tuple[str, str], Reply]:
        """Every answer that never changes while this process lives, by method and path."""
        who = self.predictor.identity
        live, ready = json_reply({"live": True}), json_reply({"live": True, "ready": True})
        model = json_reply(self.about_model())
        model_ready = json_reply({"name": who.model_name, "ready": True})
        pages = {"/healthz": live, "/readyz": ready, "/v2/health/live": live, "/v2/health/ready": ready}
        pages["/v2"] = json_reply(self.about_server())
        pages["/v1/models"] = pages["/v2/models"] = json_reply({"models": [who.model_name]})
        pages["/"] = json_reply({"status": "alive"})  # as KServe's V1 has it
        pages["/version"] = Reply(200, self._server_version.encode(), b"text/plain; charset=utf-8")  # as MLflow has it
        pages[f"/v1/models/{who.model_name}"] = json_reply({"name": who.model_name, "ready": True})
        pages |= {"/ping": Reply(200, b"\n"), "/health": Reply(200, b"\n")}  # as MLflow has it
        versions = (f"{self._model}/versions/{release}" for release in answering_releases(self._split))
        for base in (self._model, self._versioned, *versions):
            pages |= {base: model, f"{base}/ready": model_ready}
        return {("GET", path): page for path, page in pages.items()} | {
            ("POST", "/v2/repository/index"): json_reply(self.index())
        }

    def about_server(self) -> dict[str, object]:
        """Open Inference's server metadata."""
        return {"name": "shipway", "version": self._server_version, "extensions": [*EXTENSIONS]}

    def about_model(self) -> dict[str, object]:
        """Open Inference's model metadata."""
        who = self.predictor.identity
        return describe_model(who.model_name, version=who.release, signature=self.predictor.signature)

    def index(self) -> list[dict[str, str]]:
        """What Open Inference's repository has: the one model."""
        who = self.predictor.identity
        return [{"name": who.model_name, "version": who.release, "state": "READY", "reason": ""}]


def status_of(problem: Exception) -> int:
    """What HTTP calls it."""
    return next((status for kind, status in _STATUSES if isinstance(problem, kind)), 500)


def route_path(scope: Scope) -> str:
    """The path below where the application is mounted: since ASGI 2.3 the path of a request begins with its root_path."""
    path, base = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    return path.removeprefix(base) if base and path.startswith(f"{base}/") else path


async def _packed(reply: Reply, headers: Headers) -> Reply:
    """Packed, where the client accepts that."""
    if not (accepts := headers.get(b"accept-encoding")):
        return reply
    from shipway.protocols._packing import packed

    return await packed(reply, accepts)


def _mlflow_error(words: str, status: int) -> object:
    return {"error_code": CODES.get(status, "INTERNAL_ERROR" if status >= 500 else CODES[400]), "message": words}


def _check_caller(headers: Headers, *, browsers: bool) -> bytes:
    """The media type of the body. No pages of browsers, which always send an Origin with a POST."""
    if not browsers and (origin := headers.get(b"origin")):
        raise OriginRefused(f"a page of {origin[:100].decode('latin-1')!r} asks", mend="ask from a program, without Origin")
    return headers.get(b"content-type", b"").split(b";")[0].strip().lower()


def _unknown_media(given: bytes, media_types: tuple[bytes, ...]) -> MediaTypeUnknown:
    expected = "application/json, or application/octet-stream with binary tensors"
    expected = "application/json or text/csv" if CSV in media_types else expected
    return MediaTypeUnknown(f"Content-Type: expected {expected}, given {given[:100].decode('latin-1')!r}")


def own_version() -> str:
    """Under the overlay Shipway is on the path without being installed."""
    try:
        return version("shipway")
    except PackageNotFoundError:
        return "unknown"
