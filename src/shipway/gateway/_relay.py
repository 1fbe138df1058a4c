"""An answer on its way from a provider to a caller: bytes as they are where both speak alike, their usage read in passing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import msgspec

from shipway.gateway._call import Call
from shipway.gateway._errors import StreamCut, UpstreamMalformed
from shipway.gateway._exact import Answer
from shipway.gateway._http import JSON, SSE, Reply, Responder
from shipway.gateway._outlet import Outlet
from shipway.gateway._request import TALKS, Ask
from shipway.gateway._responses import ResponsesScan
from shipway.gateway._translate import Voice, read_answer
from shipway.gateway._upstream import Opened, Wanted
from shipway.llm import StreamScan, Usage, approximate_tokens, count_tokens, stream_usage, usage_of

Scan = StreamScan | ResponsesScan

STREAM_SECONDS = 600.0  # for a whole stream; the lease of a reservation is longer
_AT_ONCE = 1 << 18  # characters, which are counted in some 10 ms


def estimate(body: bytes, text: str, deltas: int) -> Usage:
    """Usage where the provider reports none: our own count of what was sent and of what came."""
    return Usage(_count(body.decode("utf-8", "replace")), max(_count(text), deltas) if text or deltas else 0, estimated=True)


def _count(text: str) -> int:
    """A long text is not worth holding up all other calls."""
    return count_tokens(text) if len(text) <= _AT_ONCE else approximate_tokens(text)


def account(call: Call, opened: Opened, usage: Usage, *, prices: str) -> None:
    """Puts what an answer has used, and what that costs, into the call. What only we have counted the ledger does not take."""
    usd = opened.live.cost(usage)
    call.usage, call.usd, call.sent = usage, usd or 0.0, False
    call.lost += usage.estimated
    call.prices = prices if usd is not None else ""


def account_unknown(call: Call, wanted: list[Wanted]) -> None:
    """A request went out and nobody will say what it cost. In the record what was sent is taken for read and nothing for
    written; in the ledger all that was held for it stays.
    """
    want = next((want for want in wanted if want.live.name == call.provider), wanted[0])
    usage = estimate(want.body, "", 0)
    call.usage, call.usd = usage, want.live.cost(usage) or 0.0


def relay_whole(opened: Opened, sent: bytes, ask: Ask, call: Call, prices: str, voice: Voice | None, *, strict: bool) -> Answer:
    """The whole answer of a provider, accounted, in the caller's shape. Nothing is sent yet. strict: it must be one that can be
    read, also where it could pass as it is. Raises UpstreamMalformed.
    """
    shape = opened.live.provider.shape
    usage = usage_of(shape, opened.data)
    if voice is None:
        account(call, opened, usage or estimate(sent, _text_of(opened, ask), 0), prices=prices)
        call.finish = _finish_of(opened.data) if ask.endpoint.writes else ""
        body = opened.data
        if strict:
            _check_readable(opened)
    else:
        body = _translate(opened, sent, call, prices, voice)
    return Answer(body, opened.media_type, False, call.usage or Usage(0, 0), call.usd, call.finish, call.model)


def _text_of(opened: Opened, ask: Ask) -> str:
    """What there is to count in an answer without usage; vectors are not written by a model, token by token."""
    if ask.endpoint.kind not in TALKS:
        return "" if not ask.endpoint.writes else opened.data.decode("utf-8", "replace")
    try:
        return read_answer(opened.live.provider.shape, opened.data)[0]
    except (ValueError, RecursionError):
        return opened.data.decode("utf-8", "replace")


def _check_readable(opened: Opened) -> None:
    try:
        read_answer(opened.live.provider.shape, opened.data)
    except (ValueError, RecursionError) as problem:
        raise UpstreamMalformed(f"the answer of {opened.live.name!r} cannot be read: {problem}") from problem


def _translate(opened: Opened, sent: bytes, call: Call, prices: str, voice: Voice) -> bytes:
    try:
        text, finish = read_answer(opened.live.provider.shape, opened.data)
    except (ValueError, RecursionError) as problem:
        account(call, opened, estimate(sent, "", 0), prices=prices)
        raise UpstreamMalformed(f"the answer of {opened.live.name!r} cannot be read: {problem}") from problem
    usage = usage_of(opened.live.provider.shape, opened.data) or estimate(sent, text, 0)
    account(call, opened, usage, prices=prices)
    call.finish = finish
    return voice.whole(text, finish, usage)


async def relay_stream(
    opened: Opened,
    sent: bytes,
    ask: Ask,
    call: Call,
    out: Responder,
    *,
    outlet: Outlet,
    prices: str,
    quiet: float,
    voice: Voice | None,
    keep: int,
) -> Answer:
    """Streams a provider's answer to the caller, accounting it whatever its end; raises StreamCut when it was not whole.

    Gives back the stream as it was before `outlet`, as long as it has no more than `keep` bytes.
    """
    scan: Scan = ResponsesScan() if ask.endpoint.kind == "responses" else stream_usage(opened.live.provider.shape)
    kept, longest = Kept(keep), max(quiet, STREAM_SECONDS)
    try:
        async with asyncio.timeout(longest):
            await out.begin_stream()
            async for data in _through(opened, scan, call, sent, quiet, voice):
                kept.add(data)
                if changed := outlet.feed(data):
                    await out.chunk(changed)
            if not scan.complete:
                raise StreamCut(f"the stream of {opened.live.name!r} {_why(scan, opened)}", mend="try again")
            if last := outlet.end():
                await out.chunk(last)
    except TimeoutError as problem:
        raise StreamCut(f"the stream of {opened.live.name!r} lasted for {longest:g} s", mend="ask for less") from problem
    finally:
        call.finish = scan.finish or ""
        account(call, opened, _usage(scan, sent), prices=prices)
    await out.end()
    usage = call.usage or Usage(0, 0)
    return Answer(kept.body, SSE, True, usage, call.usd, call.finish, call.model, kept=kept.whole)


class Kept:
    """The bytes of a stream, until they are more than `most`; then none of them."""

    def __init__(self, most: int) -> None:
        self._room, self._parts = most, list[bytes]()
        self.whole = most > 0

    @property
    def body(self) -> bytes:
        return b"".join(self._parts)

    def add(self, data: bytes) -> None:
        if not self.whole:
            return
        self._room -= len(data)
        if self._room < 0:
            self.whole = False
            self._parts.clear()
        else:
            self._parts.append(data)


def _why(scan: Scan, opened: Opened) -> str:
    if not scan.error:
        return "ended before its end"
    return "said: " + opened.live.masked(scan.error.encode()).decode("utf-8", "replace")[:300]


async def _through(
    opened: Opened, scan: Scan, call: Call, sent: bytes, quiet: float, voice: Voice | None
) -> AsyncIterator[bytes]:
    """The stream's bytes as they come, in the caller's shape."""
    call.first = time.perf_counter()
    pieces = scan.feed(opened.data)
    if voice is not None:
        yield voice.opening(scan.usage or Usage(0, 0))
    yield opened.data if voice is None else b"".join(map(voice.piece, pieces))
    async for data in opened.rest(quiet):
        pieces = scan.feed(data)
        call.last = time.perf_counter()
        yield data if voice is None else b"".join(map(voice.piece, pieces))
    pieces = scan.end()
    if voice is not None and scan.complete:
        yield b"".join(map(voice.piece, pieces)) + voice.closing(scan.finish or "", _usage(scan, sent))


def _usage(scan: Scan, sent: bytes) -> Usage:
    """What the stream reported; our own count where it did not, or did not come to its end."""
    if scan.usage is not None and scan.complete:
        return scan.usage
    guess = estimate(sent, scan.text, scan.deltas)
    known = scan.usage or guess
    return Usage(known.input, max(known.output, guess.output), known.cached, known.written, estimated=True)


def spoken(voice: Voice, text: str, finish: str, *, stream: bool) -> Answer:
    """A text of our own as an answer, which cost nothing."""
    none = Usage(0, 0)
    if stream:
        body, media_type = voice.opening(none) + voice.piece(text) + voice.closing(finish, none), SSE
    else:
        body, media_type = voice.whole(text, finish, none), JSON
    return Answer(body, media_type, stream, none, 0.0, finish, "")


async def replay(answer: Answer, out: Responder, outlet: Outlet) -> None:
    """Says a kept answer again, a stream as a stream."""
    if not answer.stream:
        await out.whole(Reply(200, outlet.whole(answer.body), answer.media_type))
        return
    await out.begin_stream()
    await out.chunk(outlet.feed(answer.body) + outlet.end())
    await out.end()


class _Choice(msgspec.Struct):
    finish_reason: str | None = None


class _Ended(msgspec.Struct):
    choices: list[_Choice] = []
    stop_reason: str | None = None
    status: str | None = None


_ended = msgspec.json.Decoder(_Ended)


def _finish_of(body: bytes) -> str:
    try:
        found = _ended.decode(body)
    except msgspec.DecodeError:
        return ""
    reason = found.choices[0].finish_reason if found.choices else found.stop_reason or found.status
    return reason or ""
