"""A provider of the tests: a real HTTP server on loopback that speaks both wire formats, and fails in every known way.

The name of the model in a request says what it does.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

from shipway.kernel.canonical import Json

WORDS = ("The ", "answer ", "is ", "fo", "rty-two.")
OPENAI_USAGE: dict[str, Json] = {
    "prompt_tokens": 20,
    "completion_tokens": 5,
    "total_tokens": 25,
    "prompt_tokens_details": {"cached_tokens": 8},
}
ANTHROPIC_USAGE: dict[str, Json] = {
    "input_tokens": 10,
    "output_tokens": 5,
    "cache_read_input_tokens": 8,
    "cache_creation_input_tokens": 2,
}


@dataclass
class Upstream:
    """url: its base; seen: the requests so far (path, headers in lower case, body)."""

    url: str = ""
    seen: list[tuple[str, dict[str, str], dict[str, object]]] = field(default_factory=list)
    embedding: list[float] = field(default_factory=lambda: [3.0, 0.0, 4.0])
    embeds_as: str = "embed-1"


def openai_frames(*, usage: bool = True, end: bool = True) -> list[bytes]:
    """One stream as OpenAI sends it: a role, the words, the reason, the usage, the end mark."""
    head = {"id": "c1", "object": "chat.completion.chunk", "model": "m-2026", "system_fingerprint": "fp_1"}
    more = {"usage": None} if usage else {}
    parts: list[dict[str, object]] = [{"delta": {"role": "assistant", "content": None}, "finish_reason": None}]
    parts += [{"delta": {"content": word}, "finish_reason": None} for word in WORDS]
    parts += [{"delta": {}, "finish_reason": "stop"}] if end else []
    chunks: list[dict[str, object]] = [{**head, "choices": [{"index": 0, **part}], **more} for part in parts]
    if usage and end:
        chunks.append({**head, "choices": [], "usage": OPENAI_USAGE})
    return [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks] + ([b"data: [DONE]\n\n"] if end else [])


def anthropic_frames() -> list[bytes]:
    """One stream as Anthropic sends it."""
    begun: dict[str, object] = {
        "type": "message_start",
        "message": {"model": "m-2026", "content": [], "usage": {**ANTHROPIC_USAGE, "output_tokens": 1}},
    }
    events: list[dict[str, object]] = [begun, {"type": "ping"}]
    events.append({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    deltas = [{"type": "text_delta", "text": word} for word in WORDS]
    events += [{"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas]
    events.append({"type": "content_block_stop", "index": 0})
    events.append({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}})
    events.append({"type": "message_stop"})
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]


def openai_answer(*, usage: bool = True) -> dict[str, object]:
    choice = {"index": 0, "message": {"role": "assistant", "content": "".join(WORDS)}, "finish_reason": "stop"}
    answer: dict[str, object] = {"id": "c1", "model": "m-2026", "system_fingerprint": "fp_1", "choices": [choice]}
    return {**answer, "usage": OPENAI_USAGE} if usage else answer


def anthropic_answer() -> dict[str, object]:
    content = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "".join(WORDS)}]
    return {"id": "m1", "model": "m-2026", "content": content, "stop_reason": "end_turn", "usage": ANTHROPIC_USAGE}


async def _stream(request: web.Request, frames: list[bytes], *, abort: bool = False, hang: bool = False) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    for frame in frames:
        await response.write(frame)
        await asyncio.sleep(0.002)
    if abort:
        assert request.transport
        request.transport.abort()
    if hang:
        await asyncio.sleep(30)
    return response


async def _answer(request: web.Request, body: dict[str, object]) -> web.StreamResponse:
    anthropic = request.path.endswith("/messages")
    if body.get("stream"):
        return await _stream(request, anthropic_frames() if anthropic else openai_frames())
    return web.json_response(anthropic_answer() if anthropic else openai_answer())


async def _no_usage(request: web.Request, body: dict[str, object]) -> web.StreamResponse:
    if body.get("stream"):
        return await _stream(request, openai_frames(usage=False))
    return web.json_response(openai_answer(usage=False))


async def _cut(request: web.Request, _body: dict[str, object]) -> web.StreamResponse:
    return await _stream(request, openai_frames(end=False)[:4], abort=True)


async def _short(request: web.Request, _body: dict[str, object]) -> web.StreamResponse:
    return await _stream(request, openai_frames(end=False)[:4])


async def _told(request: web.Request, _body: dict[str, object]) -> web.StreamResponse:
    return await _stream(request, [*openai_frames(end=False)[:3], b'data: {"error": {"message": "overloaded"}}\n\n'])


async def _drip(request: web.Request, _body: dict[str, object]) -> web.StreamResponse:
    return await _stream(request, openai_frames(end=False)[:3], hang=True)


async def _hang(_request: web.Request, _body: dict[str, object]) -> web.StreamResponse:
    await asyncio.sleep(30)
    return web.Response()


async def _huge(request: web.Request, _body: dict[str, object]) -> web.StreamResponse:
    return await _stream(request, [b" " * (1 << 20)] * 18)


async def _redirect(_request: web.Request, _body: dict[str, object]) -> web.StreamResponse:
    return web.Response(status=307, headers={"location": "/elsewhere/chat/completions"})


async def _leaky(request: web.Request, _body: dict[str, object]) -> web.StreamResponse:
    return web.json_response({"error": {"message": f"bad key: {request.headers['authorization']}"}}, status=401)


async def _leaky_late(request: web.Request, _body: dict[str, object]) -> web.StreamResponse:
    return web.json_response({"error": "x" * 270 + request.headers["authorization"]}, status=400)


def _fixed(
    status: int, body: bytes, **headers: str
) -> Callable[[web.Request, dict[str, object]], Awaitable[web.StreamResponse]]:
    async def answer(_request: web.Request, _body: dict[str, object]) -> web.StreamResponse:
        return web.Response(status=status, body=body, headers={name.replace("_", "-"): text for name, text in headers.items()})

    return answer


_DOES = {
    "good": _answer,
    "no-usage": _no_usage,
    "cut": _cut,
    "short": _short,
    "told": _told,
    "drip": _drip,
    "hang": _hang,
    "huge": _huge,
    "redirect": _redirect,
    "leaky": _leaky,
    "leaky-late": _leaky_late,
    "busy": _fixed(429, b"slow down", retry_after="7"),
    "busy-ms": _fixed(429, b"slow down", retry_after="7", retry_after_ms="1500"),
    "busy-date": _fixed(429, b"slow down", retry_after="Mon, 23 Nov 2026 12:00:30 GMT"),
    "broken": _fixed(503, b"oops", retry_after="3"),
    "wrong": _fixed(400, b'{"error": "no such parameter"}'),
    "garbage": _fixed(200, b"<html>welcome</html>"),
    "empty": _fixed(200, b'{"choices": []}'),
    "nothing": _fixed(204, b""),
}


@contextmanager
def upstream() -> Iterator[Upstream]:
    """A running provider in a thread of its own."""
    state, ready, loop = Upstream(), threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        state.seen.append((request.path, {name.lower(): text for name, text in request.headers.items()}, body))
        if request.path.endswith("/embeddings") and body["model"] == "embed":
            data = [{"index": place, "embedding": state.embedding} for place in range(len(body["input"]))]
            return web.json_response(
                {"model": state.embeds_as, "data": data[::-1], "usage": {"prompt_tokens": 3, "total_tokens": 3}}
            )
        return await _DOES[body["model"]](request, body)

    async def serve() -> None:
        app = web.Application()
        app.router.add_post("/{path:.*}", handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        state.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        ready.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    ready.wait(10)
    try:
        yield state
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
