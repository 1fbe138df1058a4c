"""The gateway's ASGI application: addresses, who may ask, one record of every call, an answer to whatever goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import time
from collections.abc import Callable

from shipway.gateway._call import Call
from shipway.gateway._callers import Callers
from shipway.gateway._errors import (
    ClientGone,
    EncodingUnknown,
    HostRefused,
    InternalFault,
    MethodWrong,
    NotHere,
    OriginRefused,
    UpstreamSaid,
    error_body,
    error_headers,
    words_of,
)
from shipway.gateway._gateway import Gateway, Request
from shipway.gateway._http import Headers, Receive, Reply, Responder, Scope, Send, json_reply, read_body
from shipway.gateway._limits import take_call
from shipway.gateway._metrics import CONTENT_TYPE, CallMetrics, Samples
from shipway.gateway._request import ENDPOINTS, Endpoint, check_state, parse_ask
from shipway.kernel.clock import Ids, RandomIds
from shipway.kernel.errors import ShipwayError
from shipway.kernel.pages import SharedPages
from shipway.llm import ANTHROPIC, OPENAI
from shipway.store import SegmentWriter, encode_record

BODY_BYTES = 32 << 20
GONE = 499  # nginx's number for a client that hung up; it is in records only

_LAST_WORDS_SECONDS = 5.0
_MEDIA_TYPES = (b"", b"application/json")
_logger = logging.getLogger(__name__)


class GatewayApp:
    """A gateway as an ASGI application. log: None keeps no records; pages: of metrics, where other processes answer at the same
    address.
    """

    def __init__(
        self,
        gateway: Gateway,
        callers: Callers,
        log: SegmentWriter | None,
        *,
        ids: Ids | None = None,
        clock: Callable[[], float] = time.time,
        pages: SharedPages | None = None,
    ) -> None:
        self._shared = pages
        self._gateway, self._callers, self._log, self._clock = gateway, callers, log, clock
        self._ids, self._metrics = ids or RandomIds(), CallMetrics()
        self._started = int(clock())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; nothing that goes wrong inside leaves as a traceback."""
        if scope["type"] != "http":
            return
        endpoint = ENDPOINTS.get(scope["path"])
        id = self._ids.new()
        out = Responder(send, ((b"x-request-id", id.encode()),))
        headers = dict(scope["headers"])
        if endpoint is not None and scope["method"] == "POST":
            await self._call(endpoint, headers, receive, out, id)
        else:
            await out.whole(self._page(scope["path"], scope["method"], headers, id))

    @property
    def budgeted(self) -> bool:
        """Whether any call counts against a budget."""
        return self._callers.budgeted

    async def close(self) -> None:
        """Hangs up on providers and closes the ledger; the log is its opener's."""
        if self._shared:
            self._shared.keep(self._render())
        await self._gateway.close()

    def _render(self) -> str:
        return self._metrics.render(self._gauges()).decode()

    async def _call(self, endpoint: Endpoint, headers: Headers, receive: Receive, out: Responder, id: str) -> None:
        call = Call(id=id, started=time.perf_counter(), recorded=int(self._clock() * 1e6), endpoint=endpoint.kind)
        self._metrics.in_flight += 1
        try:
            await self._answer(endpoint, headers, receive, out, call)
        except (ClientGone, asyncio.CancelledError):
            call.status, call.error = GONE, ClientGone.code
        except Exception as problem:
            await self._refuse(problem, endpoint.shape, out, call)
        finally:
            self._metrics.in_flight -= 1
            self._record(call)

    async def _answer(self, endpoint: Endpoint, headers: Headers, receive: Receive, out: Responder, call: Call) -> None:
        _check_caller(headers)
        caller = self._callers.find(headers)
        call.key = caller.name
        out.headers += take_call(caller.buckets, time.monotonic())
        ask = parse_ask(endpoint, await read_body(receive, headers, limit=BODY_BYTES))
        if not self._callers.open:
            check_state(ask)
        call.stream = ask.stream
        target = self._gateway.targets.find(ask)
        call.model = ask.model
        if application := target.application:
            known = application.config
            call.application, call.release, call.deployment = known.name, known.release, known.deployment
            call.index = known.index or ""
        request = Request(ask, caller, headers, target, call, out)
        watch = asyncio.ensure_future(_until_gone(receive, asyncio.current_task()))
        try:
            await self._gateway.answer(request)
        finally:
            watch.cancel()

    async def _refuse(self, problem: Exception, shape: str, out: Responder, call: Call) -> None:
        """Says what went wrong: as an answer, or, when one has begun, as an event in its stream."""
        call.status = words_of(problem).status
        call.error = problem.code if isinstance(problem, ShipwayError) else InternalFault.code
        if not isinstance(problem, ShipwayError):
            _logger.error("request %s: internal error", call.id, exc_info=problem)
        if out.started:
            mark = b"event: error\n" if shape == ANTHROPIC else b""
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORDS_SECONDS):  # whoever does not read is left
                    await out.chunk(mark + b"data: " + error_body(shape, problem, call.id) + b"\n\n")
                    await out.end()
            return
        await out.whole(_reply(problem, shape, call.id))

    def _record(self, call: Call) -> None:
        record = call.record(time.perf_counter())
        self._metrics.observe(record)
        if self._shared:
            self._shared.keep_soon(self._render)
        if self._log is not None:
            self._log.append(encode_record(record), 1)

    def _page(self, path: str, method: str, headers: Headers, id: str) -> Reply:
        """Everything that is no call."""
        try:
            if method not in ("GET", "HEAD") or path in ENDPOINTS:
                known = path in ENDPOINTS or path in ("/v1/models", "/healthz", "/readyz", "/metrics")
                raise MethodWrong("POST to calls, GET everything else") if known else NotHere(f"nothing at {path!r}")
            return self._get(path, headers)
        except ShipwayError as problem:
            return _reply(problem, OPENAI, id)

    def _get(self, path: str, headers: Headers) -> Reply:
        if path == "/healthz":
            return json_reply({"live": True})
        _check_host(headers)
        if path == "/readyz":
            return json_reply({"live": True, "ready": True, "releases": self._gateway.targets.releases})
        if path == "/metrics":
            text = self._shared.whole(self._render()) if self._shared else self._render()
            return Reply(200, text.encode(), CONTENT_TYPE)
        if path == "/v1/models":
            _check_caller(headers)
            self._callers.find(headers)
            names = [
                {"id": name, "object": "model", "created": self._started, "owned_by": "shipway"}
                for name in self._gateway.targets.names
            ]
            return json_reply({"object": "list", "data": names, "has_more": False})
        raise NotHere(f"nothing at {path!r}", mend="POST /v1/chat/completions, /v1/messages, /v1/embeddings or /v1/responses")

    def _gauges(self) -> dict[str, Samples]:
        now, gateway = time.monotonic(), self._gateway
        gauges: dict[str, Samples] = {
            "shipway_gateway_in_flight": [({}, self._metrics.in_flight)],
            "shipway_gateway_cooling": [
                ({"provider": live.name}, int(live.cooling(now))) for live in gateway.targets.providers
            ],
            "shipway_gateway_cache_bytes": [({}, gateway.cache.bytes)],
            "shipway_gateway_cache_entries": [({}, len(gateway.cache))],
            "shipway_gateway_ledger_down_total": [({}, gateway.lapses)],
            "shipway_gateway_budget_used_ratio": [
                ({"scope": scope}, share) for scope, share in gateway.used(self._callers.charges).items()
            ],
        }
        if self._log is not None:
            counts = self._log.counts()
            gauges["shipway_gateway_log_accepted_calls_total"] = [({}, counts.accepted)]
            gauges["shipway_gateway_log_dropped_calls_total"] = [({}, counts.dropped)]
        if gateway.meaning is not None:
            gauges |= gateway.meaning.gauges()
        return gauges


def _reply(problem: Exception, shape: str, id: str) -> Reply:
    if isinstance(problem, UpstreamSaid) and problem.shape == shape:
        return Reply(problem.status, problem.body, problem.media_type, error_headers(problem))
    return Reply(words_of(problem).status, error_body(shape, problem, id), headers=error_headers(problem))


def _check_caller(headers: Headers) -> None:
    """No pages of browsers, which always send an Origin with a POST, and no body of another type."""
    if origin := headers.get(b"origin"):
        raise OriginRefused(f"a page of {origin[:100].decode('latin-1')!r} asks", mend="ask from a program, without Origin")
    given = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if given not in _MEDIA_TYPES:
        raise EncodingUnknown(f"Content-Type: expected application/json, given {given[:100].decode('latin-1')!r}")


def _check_host(headers: Headers) -> None:
    """No page of a browser that has another name resolved to this address: `localhost` and addresses are nobody's site."""
    host = headers.get(b"host", b"").decode("latin-1").lower()
    name = host if host.endswith("]") else host.rsplit(":", 1)[0]
    if name in ("", "localhost"):
        return
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError as problem:
        raise HostRefused(f"the gateway is no {host[:100]!r}", mend="ask for it by its address, or as localhost") from problem


async def _until_gone(receive: Receive, task: asyncio.Task[None] | None) -> None:
    """Ends the task of a call whose client hangs up: nobody would read what the provider goes on writing."""
    while (await receive())["type"] != "http.disconnect":
        pass
    if task is not None:
        task.cancel()
