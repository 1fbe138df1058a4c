"""Requests to providers: one deadline, retries and fallback until the first byte of an answer is here, never after it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import aiohttp

from shipway.gateway._call import Call
from shipway.gateway._errors import StreamCut, UpstreamDown, UpstreamMalformed, UpstreamRefused, UpstreamSaid, UpstreamSlow
from shipway.gateway._providers import LiveProvider
from shipway.kernel.errors import ShipwayError
from shipway.llm import parse_retry_after

ANSWER_BYTES = 64 << 20  # of a whole answer or of a stream
_CONNECT_SECONDS = 10.0
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 5.0  # seconds between tries, doubling
_HOLD_SECONDS = 2.0  # with another provider at hand nobody waits longer than this for the same one
_KEY_REFUSED = (401, 403)
_TRANSIENT = (408, 429)


Again = Callable[[], Awaitable[bool]]


class Wanted(NamedTuple):
    """A request to one provider, ready to be sent. output: the most tokens that it can make a model write."""

    live: LiveProvider
    url: str
    headers: Mapping[str, str]
    body: bytes
    output: int = 0


@dataclass(slots=True)
class Opened:
    """A provider's answer that has begun: all of it in `data`, or the first bytes of a stream whose rest is in `response`."""

    live: LiveProvider
    data: bytes
    media_type: bytes
    response: aiohttp.ClientResponse | None = None

    async def rest(self, quiet: float) -> AsyncIterator[bytes]:
        """The bytes after the first ones, as they come; raises StreamCut when they break off or stop for `quiet` seconds."""
        assert self.response is not None
        content, name, size = self.response.content, self.live.name, 0
        try:
            while True:
                async with asyncio.timeout(quiet):
                    data = await content.readany()
                if not data:
                    return
                size += len(data)
                if size > ANSWER_BYTES:
                    raise StreamCut(f"the stream of {name!r} is larger than {ANSWER_BYTES} bytes", mend="ask for less")
                yield data
        except TimeoutError as problem:
            raise StreamCut(f"the stream of {name!r} stopped for {quiet:g} s", mend="try again") from problem
        except (aiohttp.ClientError, OSError) as problem:
            raise StreamCut(f"the stream of {name!r} was cut: {problem}", mend="try again") from problem

    def close(self) -> None:
        """Hangs up, unless the answer has been read to its end."""
        if self.response is not None:
            self.response.close()


class _Failed(Exception):
    """A try that did not work. status: the provider's, None without an answer; problem: what the caller would be told; lost:
    the request was sent, and perhaps it will be billed.
    """

    def __init__(
        self,
        problem: ShipwayError,
        *,
        status: int | None = None,
        after: float | None = None,
        slow: bool = False,
        lost: bool = False,
    ) -> None:
        super().__init__(problem.what)
        self.problem, self.status, self.after, self.slow, self.lost = problem, status, after, slow, lost


class Upstream:
    """The one HTTP client of a gateway process. timeout: seconds for all tries of a call; retries: further tries a provider."""

    def __init__(self, *, timeout: float, retries: int, jitter: Callable[[], float] = random.random) -> None:
        self.timeout, self._retries, self._jitter = timeout, retries, jitter
        self._session: aiohttp.ClientSession | None = None

    async def open(self, wanted: Sequence[Wanted], call: Call, *, stream: bool, again: Again) -> Opened:
        """The first answer that a provider of `wanted`, in this order, begins. again: asked before anything is sent after a
        request of unknown cost; False ends the tries.

        Raises UpstreamSaid (not the provider's fault, or busy to the end), UpstreamRefused, UpstreamDown, UpstreamSlow,
        UpstreamMalformed: of the last try.
        """
        begun = time.monotonic()
        deadline = begun + self.timeout
        usable = [want for want in wanted if not want.live.cooling(begun)] or list(wanted[:1])
        for place, want in enumerate(usable):
            others = len(usable) - place - 1
            try:
                return await self._persist(want, call, deadline, others, stream, again)
            except _Failed as failed:
                worth = others and failed.status not in (400, 404, 413, 422) and time.monotonic() < deadline
                if worth and (not failed.lost or await again()):
                    call.retries += 1
                    continue
                raise failed.problem from failed
        raise AssertionError("a call has at least one provider")

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _persist(self, want: Wanted, call: Call, deadline: float, others: int, stream: bool, again: Again) -> Opened:
        """Tries one provider until it answers or another one is the better bet. Raises _Failed."""
        for tries in range(self._retries + 1):
            call.provider, call.model = want.live.name, want.live.provider.model
            left = deadline - time.monotonic()
            try:
                opened = await self._try(want, call, left / (others + 1), stream)
            except _Failed as failed:
                if _is_theirs(failed):
                    want.live.failed(time.monotonic(), failed.after if others else None)
                wait = self._wait(failed, tries, deadline - time.monotonic(), others)
                if wait is None or (failed.lost and not await again()):
                    raise
                await asyncio.sleep(wait)
                call.retries += 1
                continue
            want.live.worked()
            return opened
        raise AssertionError("the last try raises")

    def _wait(self, failed: _Failed, tries: int, left: float, others: int) -> float | None:
        """Seconds before the next try of the same provider; None when there should be none."""
        if tries >= self._retries or failed.slow or not _is_theirs(failed):
            return None
        wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2**tries) * (0.5 + self._jitter() / 2)
        if failed.after is not None:
            wait = max(wait, failed.after)
        return None if wait >= left or (others and wait > _HOLD_SECONDS) else wait

    async def _try(self, want: Wanted, call: Call, seconds: float, stream: bool) -> Opened:
        begun, status = time.perf_counter(), "error"
        call.sent = True
        try:
            async with asyncio.timeout(max(0.001, seconds)):
                opened = await self._send(want, stream)
            status = "ok"
            return opened
        except TimeoutError as problem:
            status, lost = "timeout", not isinstance(problem, aiohttp.ConnectionTimeoutError)
            what = f"{want.live.name!r} did not answer within {seconds:.3g} s"
            slow = UpstreamSlow(what, mend="try again, or raise the gateway's timeout")
            call.sent, call.lost = False, call.lost + lost
            raise _Failed(slow, slow=True, lost=lost) from problem
        except (aiohttp.ClientError, OSError) as problem:
            lost = not isinstance(problem, aiohttp.ClientConnectorError)
            call.sent, call.lost = False, call.lost + lost
            down = UpstreamDown(f"{want.live.name!r} cannot be reached: {_reason(problem)}", mend="try again later")
            raise _Failed(down, lost=lost) from problem
        except _Failed as failed:
            call.sent, call.lost = False, call.lost + failed.lost
            raise
        finally:
            call.span("model", begun, status)

    async def _send(self, want: Wanted, stream: bool) -> Opened:
        response = await self._open_session().post(want.url, data=want.body, headers=want.headers, allow_redirects=False)
        try:
            media_type = response.headers.get("content-type", "application/json").encode("latin-1")
            if response.status != 200:
                raise _failure(want.live, response, await _read(response, want.live.name), media_type)
            if stream and media_type.startswith(b"text/event-stream"):
                if first := await response.content.readany():
                    return Opened(want.live, first, media_type, response)
                raise _Failed(StreamCut(f"the stream of {want.live.name!r} was empty", mend="try again"), lost=True)
            return Opened(want.live, await _read(response, want.live.name), media_type)
        except BaseException:
            response.close()
            raise

    def _open_session(self) -> aiohttp.ClientSession:
        """Made with the first call, for it belongs to the loop that runs then."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("user-agent", "accept"),
                auto_decompress=True,
                trust_env=False,
                read_bufsize=1 << 18,
            )
        return self._session


async def _read(response: aiohttp.ClientResponse, name: str) -> bytes:
    """The whole body, which is not larger than it may be."""
    chunks: list[bytes] = []
    size = 0
    while data := await response.content.readany():
        chunks.append(data)
        size += len(data)
        if size > ANSWER_BYTES:
            large = UpstreamMalformed(f"the answer of {name!r} is larger than {ANSWER_BYTES} bytes")
            raise _Failed(large, status=200, lost=True)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _failure(live: LiveProvider, response: aiohttp.ClientResponse, body: bytes, media_type: bytes) -> _Failed:
    name, status, after = live.name, response.status, parse_retry_after(response.headers, now=datetime.now(UTC))
    if status in _KEY_REFUSED:
        mend = "whoever runs the gateway has to look at its key reference"
        return _Failed(UpstreamRefused(f"{name!r} does not accept the gateway's key ({status})", mend=mend), status=status)
    if status >= 500 or status < 400:
        return _Failed(UpstreamDown(f"{name!r} answered {status}", mend="try again later"), status=status, after=after)
    body = live.masked(body)
    return _Failed(UpstreamSaid(status, body, media_type, shape=live.provider.shape, after=after), status=status, after=after)


def _is_theirs(failed: _Failed) -> bool:
    """Whether the same request may succeed later: no answer, a failure of theirs, or too busy."""
    return failed.status is None or failed.status >= 500 or failed.status < 400 or failed.status in _TRANSIENT


def _reason(problem: Exception) -> str:
    return getattr(problem, "strerror", None) or str(problem) or type(problem).__name__
