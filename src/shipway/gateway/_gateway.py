"""One call, from a parsed request to its last byte: caches, retrieval, budget, provider, account. No ASGI is known here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from shipway.gateway._application import Ready
from shipway.gateway._budget import Hold, Purse, worst_case
from shipway.gateway._call import Call
from shipway.gateway._callers import Caller
from shipway.gateway._compose import compose, hides_usage, passed_headers, speaks_alike
from shipway.gateway._config import GatewayConfig
from shipway.gateway._errors import StreamCut, UpstreamDown, UpstreamMalformed, UpstreamRefused, UpstreamSaid, UpstreamSlow
from shipway.gateway._exact import Answer, ExactCache, Flight, Outcome, exact_key
from shipway.gateway._http import Headers, Reply, Responder
from shipway.gateway._outlet import Outlet
from shipway.gateway._relay import account_unknown, relay_stream, relay_whole, replay, spoken
from shipway.gateway._request import TALKS, Ask, question_of
from shipway.gateway._targets import Target, Targets
from shipway.gateway._translate import Voice, voice_of
from shipway.gateway._upstream import Opened, Upstream, Wanted
from shipway.kernel.canonical import JsonObject
from shipway.kernel.errors import ShipwayError
from shipway.llm import ANTHROPIC, Charge

if TYPE_CHECKING:  # embeddings are heavy, and few gateways compare by them
    from shipway.gateway._meaning import Meaning, Nearby

_LOOK_SECONDS = 0.5  # between looks at whether an answer to somebody else is still on its way
_SLOW_READER = 1.0  # seconds without reading, after which nobody else waits for what that caller gets
_THEIRS = (UpstreamDown, UpstreamSlow, UpstreamRefused, UpstreamMalformed, StreamCut)
_WHOLE = ("stop", "end_turn", "stop_sequence", "length", "max_tokens")


class Request(NamedTuple):
    """All that belongs to one call while it is answered."""

    ask: Ask
    caller: Caller
    headers: Headers
    target: Target
    call: Call
    out: Responder


class Gateway:
    """Answers requests; raises what goes wrong, with the call saying what was spent by then."""

    def __init__(
        self,
        config: GatewayConfig,
        *,
        targets: Targets,
        purse: Purse,
        upstream: Upstream,
        meaning: Meaning | None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._config, self.targets, self._purse, self._upstream, self.meaning = config, targets, purse, upstream, meaning
        self.cache = ExactCache(config.cache_bytes)
        self._now = now

    async def answer(self, request: Request) -> None:
        """From a cache, from an equal call that is under way, or from a provider."""
        key = self._key(request)
        if key is None:
            await self._ask(request, None)
            return
        while True:
            if found := self.cache.get(key):
                await self._replay(request, found)
                return
            flight = self.cache.flights.get(key)
            if flight is None:
                await self._lead(request, key)
                return
            outcome = await self._follow(request, flight)
            if outcome.alone:
                await self._ask(request, key)
                return
            if outcome.problem is not None:
                raise outcome.problem
            if outcome.answer is not None:
                await self._replay(request, outcome.answer)
                return

    async def close(self) -> None:
        await self._upstream.close()
        await self._purse.close()
        self.targets.close()

    def used(self, charges: Iterable[Charge]) -> dict[str, float]:
        """Share of each budget that is spent or reserved, by scope."""
        return self._purse.used(charges)

    @property
    def lapses(self) -> int:
        return self._purse.lapses

    def _key(self, request: Request) -> bytes | None:
        """The key of the exact cache; None for what may not be cached: tools, another temperature than 0, no conversation."""
        ask, target = request.ask, request.target
        own = target.chain[0].provider.parameters.get("temperature")
        temperature = own if target.application or ask.temperature is None else ask.temperature
        if not self._config.exact_cache or ask.endpoint.kind not in TALKS or ask.tools or temperature != 0:
            return None
        return exact_key((*_scope(request), str(ask.stream)), ask.parts)

    async def _follow(self, request: Request, flight: Flight) -> Outcome:
        """Waits for how an equal call ends, but not for a caller who does not read, and not longer than for a provider."""
        begun, end = time.perf_counter(), time.monotonic() + self._config.timeout_seconds
        while not flight.outcome.done():
            await asyncio.wait([flight.outcome], timeout=_LOOK_SECONDS)
            if not flight.outcome.done() and (flight.out.waits > _SLOW_READER or time.monotonic() > end):
                break
        request.call.span("cache", begun)
        return flight.outcome.result() if flight.outcome.done() else Outcome(alone=True)

    async def _lead(self, request: Request, key: bytes) -> None:
        """Asks, and tells those who wait for the same how it went."""
        flight = self.cache.flights[key] = Flight(asyncio.get_running_loop().create_future(), request.out)
        outcome = Outcome()
        try:
            answer = await self._ask(request, key)
            outcome = Outcome(answer) if answer.kept else Outcome(alone=True)
        except (*_THEIRS, UpstreamSaid) as problem:  # another's budget, or a fault of ours, is nothing to share
            outcome = Outcome(problem=problem)
            raise
        finally:
            del self.cache.flights[key]
            flight.outcome.set_result(outcome)

    async def _replay(self, request: Request, found: Answer, cache: str = "exact") -> None:
        call, begun = request.call, time.perf_counter()
        call.cache, call.saved, call.finish, call.prices = cache, found.usd, found.finish, found.prices
        call.provider, call.model, call.status = request.target.chain[0].name, found.model, 200
        call.degraded.extend(found.degraded)
        if found.stream:
            call.first = begun
        await replay(found, request.out, self._outlet(request, found.citations, hide=found.hidden))
        call.span("cache", begun)

    async def _ask(self, request: Request, key: bytes | None) -> Answer:
        """From the semantic cache or a provider, within the budget; kept under `key` when it may be."""
        nearby = await self._near(request, key)
        if nearby is not None and nearby.answer is not None:
            await self._replay(request, nearby.answer, "semantic")
            return nearby.answer
        ready = await self._prepare(request)
        answer = await self._spend(request, ready, keeps=key is not None)
        if ready is not None:
            answer = answer._replace(citations=ready.citations)
        answer = answer._replace(degraded=tuple(request.call.degraded))
        if key is not None and self._worth_keeping(request, answer):
            self.cache.put(key, answer)
            if nearby is not None and self.meaning is not None:
                self.meaning.learn(nearby, answer, request.ask)
        return answer

    async def _near(self, request: Request, key: bytes | None) -> Nearby | None:
        if self.meaning is None or key is None:
            return None
        application, live = request.target.application, request.target.chain[0]
        family = application.config.name if application else live.digest
        return await self.meaning.look(request.ask, _scope(request), family, request.call)

    def _worth_keeping(self, request: Request, answer: Answer) -> bool:
        """Whole, from the provider that was meant, and with no layer down."""
        meant = request.call.provider == request.target.chain[0].name
        return meant and answer.kept and not answer.degraded and answer.finish in _WHOLE

    async def _prepare(self, request: Request) -> Ready | None:
        """Retrieval and prompt of an application; nothing for a plain pass-through."""
        application = request.target.application
        if application is None:
            return None
        values = application.values(request.ask)
        return await application.prepare(question_of(request.ask), values, request.caller.groups, request.call)

    async def _spend(self, request: Request, ready: Ready | None, *, keeps: bool) -> Answer:
        """Reserves, asks, relays, settles: whatever happens, the reservation becomes what the call cost."""
        ask, caller, call, longest = request.ask, request.caller, request.call, self._config.max_output_tokens
        messages = ready.messages if ready else None
        wanted = compose(ask, request.target, caller, request.headers, messages=messages, longest=longest)
        wanted, usd = await worst_case(wanted, caller)
        hold = await self._purse.hold(call, caller, usd)
        try:
            return await self._ask_model(request, wanted, ready, hold, keeps)
        except ShipwayError as problem:
            if ready is None or not ready.fallback or request.out.started or not _model_is_down(problem):
                raise
            return await self._without_model(request, ready)
        finally:
            if call.sent:  # its caller has left: nobody will ever say what it cost
                call.sent, call.lost = False, call.lost + 1
            hold.settle()
            if call.lost and call.usage is None:
                account_unknown(call, wanted)

    async def _ask_model(self, request: Request, wanted: list[Wanted], ready: Ready | None, hold: Hold, keeps: bool) -> Answer:
        opened = await self._upstream.open(wanted, request.call, stream=request.ask.stream, again=hold.again)
        try:
            return await self._relay(request, opened, wanted, ready, keeps)
        finally:
            opened.close()

    async def _relay(self, request: Request, opened: Opened, wanted: list[Wanted], ready: Ready | None, keeps: bool) -> Answer:
        ask, call, out, prices = request.ask, request.call, request.out, self._config.prices_digest
        sent = next(want.body for want in wanted if want.live is opened.live)
        voice = None if speaks_alike(ask, opened.live) else self._voice(request, opened.live.provider.model)
        hide = hides_usage(ask, opened.live)
        outlet = self._outlet(request, ready.citations if ready else (), hide=hide)
        call.status = 200
        if opened.response is None:
            answer = relay_whole(opened, sent, ask, call, prices, voice, strict=ready is not None)
            await out.whole(Reply(200, outlet.whole(answer.body), answer.media_type))
        else:
            quiet, keep = self._config.timeout_seconds, self.cache.most if keeps else 0
            answer = await relay_stream(
                opened, sent, ask, call, out, outlet=outlet, prices=prices, quiet=quiet, voice=voice, keep=keep
            )
        return answer._replace(prices=call.prices, hidden=hide)

    async def _without_model(self, request: Request, ready: Ready) -> Answer:
        """The passages as the answer, which says so: a reader with the documents is better off than one with an error."""
        call, out = request.call, request.out
        call.degraded.append("model")
        call.status, call.finish = 200, "stop"
        answer = spoken(self._voice(request, ""), ready.fallback, call.finish, stream=request.ask.stream)
        await replay(answer, out, self._outlet(request, ready.citations, hide=False))
        return answer

    def _voice(self, request: Request, model: str) -> Voice:
        shape, usage = request.ask.endpoint.shape, request.ask.include_usage
        return voice_of(shape, id=request.call.id, model=model, created=int(self._now()), include_usage=usage)

    def _outlet(self, request: Request, citations: tuple[JsonObject, ...], *, hide: bool) -> Outlet:
        application, call = request.target.application, request.call
        block = None
        if application is not None:
            block = application.block(request=call.id, cache=call.cache, citations=list(citations), degraded=call.degraded)
        return Outlet(request.ask.endpoint.shape, hide_usage=hide, block=block)


def _scope(request: Request) -> tuple[str, ...]:
    """Everything besides the body that determines an answer: tenant and groups of the reader, and what answers."""
    caller, application, live, ask = request.caller, request.target.application, request.target.chain[0], request.ask
    release = ("", "", "", "")
    if application is not None:
        known, values = application.config, application.values(ask)
        release = (known.release, application.prompt_digest, known.index or "", repr(sorted(values.items())))
    version = repr(passed_headers(request.headers)) if ask.endpoint.shape == ANTHROPIC else ""
    return (caller.tenant, repr(sorted(caller.groups)), ask.endpoint.kind, live.digest, version, *release)


def _model_is_down(problem: ShipwayError) -> bool:
    """Whether an application says its passages instead: everything but a request that the provider understood and refused."""
    return isinstance(problem, _THEIRS) or (isinstance(problem, UpstreamSaid) and problem.status == 429)
