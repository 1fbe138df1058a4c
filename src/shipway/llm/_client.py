"""Calls to providers over aiohttp: whole answers and streams. No retries here (the gateway has them), no redirects, no SDK."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from types import TracebackType
from typing import Self

import aiohttp
import msgspec

from shipway.kernel.canonical import Json
from shipway.kernel.clock import Clock, SystemClock
from shipway.llm._errors import ProviderDown, ProviderMalformed, ProviderRefused
from shipway.llm._request import provider_headers, provider_key, provider_url
from shipway.llm._retry import parse_retry_after
from shipway.llm._stream import StreamScan, shape_of
from shipway.llm._tokens import count_tokens
from shipway.llm._types import Completion, Message, Provider, Usage
from shipway.llm._wire import Answer

MAX_BODY = 16 << 20  # bytes of one answer; the longest real ones are below one
_EXCERPT = 300  # characters of a provider's own words in an error
_CONNECT_SECONDS = 10.0


class Client:
    """Calls providers; one aiohttp session, opened by `async with`, usable by any number of tasks of its loop."""

    def __init__(self, *, environ: Mapping[str, str], clock: Clock, tick: Callable[[], float] = time.perf_counter) -> None:
        self._environ, self._clock, self._tick = environ, clock, tick
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(), connector=aiohttp.TCPConnector(limit=0), trust_env=False
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def complete(
        self,
        provider: Provider,
        messages: Sequence[Message],
        *,
        parameters: Mapping[str, Json] | None = None,
        timeout: float = 60.0,  # noqa: ASYNC109 (it becomes aiohttp's own, and an error with the provider's name)
    ) -> Completion:
        """One whole answer. parameters: over the provider's own; timeout: seconds for all of it.

        Raises ProviderDown, ProviderRefused, ProviderMalformed, SecretMissing.
        """
        sent = self._tick()
        async with self._post(provider, messages, parameters, timeout, stream=False) as response:
            body = await _body(response, where=provider.name)
        try:
            answer = shape_of(provider.shape).answer(body)
        except (msgspec.MsgspecError, ValueError, RecursionError) as problem:
            what = f"the answer of {provider.name} is no {provider.shape} answer: {problem}"
            raise ProviderMalformed(what, where=provider_url(provider)) from problem
        return _completion(answer, messages, seconds=self._tick() - sent)

    async def stream(
        self,
        provider: Provider,
        messages: Sequence[Message],
        *,
        parameters: Mapping[str, Json] | None = None,
        timeout: float = 60.0,  # noqa: ASYNC109
    ) -> AsyncGenerator[str | Completion, None]:
        """The pieces of an answer as they come, then its Completion. timeout: seconds for the whole stream.

        Raises as `complete`; a stream that is cut raises ProviderMalformed with the text so far in `partial`. Close it
        (`contextlib.aclosing`) when leaving it early.
        """
        sent, first = self._tick(), None
        scan = StreamScan(shape_of(provider.shape))
        async with self._post(provider, messages, parameters, timeout, stream=True) as response:
            async for piece in _pieces(response, scan, provider, provider_key(provider, self._environ)):
                first = first if first is not None else self._tick() - sent
                yield piece
        answer = Answer(scan.text, scan.usage, scan.model or "", scan.finish or "", scan.fingerprint)
        yield replace(_completion(answer, messages, seconds=self._tick() - sent), first_token=first)

    @asynccontextmanager
    async def _post(
        self,
        provider: Provider,
        messages: Sequence[Message],
        parameters: Mapping[str, Json] | None,
        seconds: float,
        *,
        stream: bool,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        assert self._session is not None, "a Client is used inside `async with`"
        shape, key = shape_of(provider.shape), provider_key(provider, self._environ)
        url = provider_url(provider)
        body = shape.body(provider, tuple(messages), {**provider.parameters, **(parameters or {})}, stream=stream)
        limits = aiohttp.ClientTimeout(total=seconds, connect=min(seconds, _CONNECT_SECONDS))
        try:
            async with self._session.post(
                url, data=body, headers=provider_headers(provider, key), timeout=limits, allow_redirects=False
            ) as response:
                if response.status != 200:
                    await self._refuse(response, provider, key)
                yield response
        except TimeoutError as problem:
            raise ProviderDown(f"{provider.name} did not answer within {seconds:g} s", where=url) from problem
        except (aiohttp.ClientError, OSError) as problem:
            what = f"{provider.name} cannot be reached: {str(problem) or type(problem).__name__}"
            raise ProviderDown(_without(what, key), where=url) from problem

    async def _refuse(self, response: aiohttp.ClientResponse, provider: Provider, key: str | None) -> None:
        status, url = response.status, provider_url(provider)
        if 300 <= status < 400:
            raise ProviderMalformed(f"{provider.name} answered with a redirect ({status})", where=url, mend="correct its url")
        said = _without((await _body(response, where=provider.name)).decode("utf-8", "replace"), key)
        what = f"{provider.name} answered {status}: {' '.join(said[: 4 * _EXCERPT].split())[:_EXCERPT]}"
        wait = parse_retry_after(response.headers, now=self._clock.now())
        if status >= 500:
            raise ProviderDown(what, where=url, status=status, retry_after=wait)
        if status < 400:
            raise ProviderMalformed(what, where=url)
        raise ProviderRefused(what, where=url, status=status, retry_after=wait)


def open_client(environ: Mapping[str, str] | None = None, *, clock: Clock | None = None) -> Client:
    """A Client, to be opened with `async with`. environ: where keys are looked up, the process's own when left out."""
    return Client(environ=os.environ if environ is None else environ, clock=clock or SystemClock())


async def _body(response: aiohttp.ClientResponse, *, where: str) -> bytes:
    """The whole body, decompressed, as long as it is not larger than MAX_BODY."""
    data = bytearray()
    try:
        async for piece in response.content.iter_any():
            data += piece
            if len(data) > MAX_BODY:
                raise ProviderMalformed(f"the answer of {where} is larger than {MAX_BODY >> 20} MiB", where=str(response.url))
    except aiohttp.ClientPayloadError as problem:
        what = f"the answer of {where} was cut after {len(data)} bytes"
        raise ProviderMalformed(what, where=str(response.url), retry=True) from problem
    return bytes(data)


async def _pieces(
    response: aiohttp.ClientResponse, scan: StreamScan, provider: Provider, key: str | None
) -> AsyncIterator[str]:
    """The text of the stream; returns when the answer is complete and raises when it is not."""
    url, size = str(response.url), 0
    try:
        async for data in response.content.iter_any():
            size += len(data)
            if size > 4 * MAX_BODY:  # a frame is some hundred bytes for a token's few
                raise ProviderMalformed(f"the stream of {provider.name} does not end", where=url, partial=scan.text)
            for piece in scan.feed(data):
                yield piece
            if scan.done or scan.error:
                break
        for piece in scan.end():
            yield piece
    except TimeoutError as problem:
        what = f"the stream of {provider.name} did not end in time"
        raise ProviderDown(what, where=url, partial=scan.text) from problem
    except (aiohttp.ClientError, OSError) as problem:
        raise _cut(scan, provider, url, f": {problem}") from problem
    if not scan.complete:
        raise _cut(scan, provider, url, f": {_without(scan.error, key)[:_EXCERPT]}" if scan.error else "")


def _cut(scan: StreamScan, provider: Provider, url: str, why: str) -> ProviderMalformed:
    what = f"the stream of {provider.name} was cut after {scan.deltas} pieces{why}"
    return ProviderMalformed(what, where=url, partial=scan.text, retry=True)


def _completion(answer: Answer, messages: Sequence[Message], *, seconds: float) -> Completion:
    usage = answer.usage
    if usage is None:
        given = sum(count_tokens(message.content) for message in messages)
        usage = Usage(given, count_tokens(answer.text), estimated=True)
    return Completion(answer.text, usage, answer.model, answer.finish, seconds, fingerprint=answer.fingerprint)


def _without(text: str, key: str | None) -> str:
    """The text without the key, should a provider repeat it. To be done before a text is cut, or half a key may be left."""
    return text.replace(key, "***") if key else text
