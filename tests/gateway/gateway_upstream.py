"""A provider on loopback that does what its `script` says: answer, stream, cut, be busy, say nothing of usage, hang.

Run as `python gateway_upstream.py`: prints its port. The behaviour of a call is in its `model`: words joined by `+`, as in
`gpt+cut`; `GET /seen` gives the requests so far, `POST /next` a list of behaviours for the next requests, one each.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

TEXT = ["Paris ", "is the ", "capital."]
USAGE = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15, "prompt_tokens_details": {"cached_tokens": 4}}
ANTHROPIC_USAGE = {"input_tokens": 8, "output_tokens": 3, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 0}


Piece = tuple[dict[str, str], str | None]


class Provider:
    """The state of one provider process."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.next: list[str] = []
        self.gone = 0

    def app(self) -> web.Application:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_post("/v1/messages", self.messages)
        app.router.add_post("/v1/embeddings", self.embeddings)
        app.router.add_post("/v1/responses", self.responses)
        app.router.add_get("/seen", self.tell)
        app.router.add_post("/next", self.plan)
        return app

    async def tell(self, request: web.Request) -> web.Response:
        return web.json_response({"seen": self.seen, "gone": self.gone})

    async def plan(self, request: web.Request) -> web.Response:
        self.next = await request.json()
        self.seen, self.gone = [], 0
        return web.json_response({})

    async def _begin(self, request: web.Request) -> tuple[dict[str, Any], str, web.Response | None]:
        """The body, how to behave, and an answer when that is a refusal."""
        raw = await request.read()
        body = json.loads(raw)
        self.seen.append({"path": request.path, "headers": dict(request.headers), "body": body, "raw": raw.decode()})
        how = self.next.pop(0) if self.next else body["model"]
        if "slow" in how:
            await asyncio.sleep(0.3)
        if "hang" in how:
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                self.gone += 1
                raise
        if "busy" in how:
            return body, how, web.json_response({"error": {"message": "slow down"}}, status=429, headers={"retry-after": "1"})
        if "broken" in how:
            return body, how, web.json_response({"error": {"message": "oops"}}, status=500)
        if "wrong" in how:
            return body, how, web.json_response({"error": {"message": "no such tool", "type": "bad"}}, status=400)
        if "locked" in how:
            return body, how, web.json_response({"error": {"message": "bad key"}}, status=401)
        if "leaky" in how:
            said = "x" * 280 + request.headers.get("authorization", "")
            return body, how, web.json_response({"error": {"message": said, "type": "bad"}}, status=400)
        if "empty" in how:
            return body, how, web.Response(body=b"", content_type="text/event-stream")
        if "drop" in how:
            assert request.transport is not None
            request.transport.abort()
        if "garbage" in how:
            return body, how, web.Response(text="<html>", content_type="application/json")
        return body, how, None

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body, how, refusal = await self._begin(request)
        if refusal is not None:
            return refusal
        if body.get("stream"):
            wants = bool((body.get("stream_options") or {}).get("include_usage")) and "unmetered" not in how
            return await self._stream(request, how, openai_frames(wants))
        message = {"role": "assistant", "content": "".join(TEXT)}
        answer = {
            "id": f"chatcmpl-{len(self.seen)}",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        }
        if "unmetered" not in how:
            answer["usage"] = USAGE
        return web.json_response(answer)

    async def messages(self, request: web.Request) -> web.StreamResponse:
        body, how, refusal = await self._begin(request)
        if refusal is not None:
            return refusal
        if body.get("stream"):
            return await self._stream(request, how, anthropic_frames())
        return web.json_response(
            {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": body["model"],
                "content": [{"type": "text", "text": "".join(TEXT)}],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": ANTHROPIC_USAGE,
            }
        )

    async def embeddings(self, request: web.Request) -> web.StreamResponse:
        body, _, refusal = await self._begin(request)
        row = {"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}
        usage = {"prompt_tokens": 7, "total_tokens": 7}
        answer = {"object": "list", "data": [row], "model": body["model"], "usage": usage}
        return refusal or web.json_response(answer)

    async def responses(self, request: web.Request) -> web.StreamResponse:
        body, how, refusal = await self._begin(request)
        if refusal is not None:
            return refusal
        done = responses_answer(body["model"])
        if body.get("stream"):
            return await self._stream(request, how, responses_frames(done))
        return web.json_response(done)

    async def _stream(self, request: web.Request, how: str, frames: list[bytes]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        try:
            for number, frame in enumerate(frames):
                if number == 3 and "cut" in how:
                    assert request.transport is not None
                    request.transport.abort()
                    return response
                if number == 3 and "stall" in how:
                    await asyncio.sleep(30)
                if number == 3 and "flood" in how:
                    for _ in range(100):
                        await response.write(frame.replace(b"capital.", b"x" * (1 << 20)))
                if "drip" in how:
                    await asyncio.sleep(0.1)
                await response.write(frame)
        except (asyncio.CancelledError, ConnectionResetError):
            self.gone += 1
            raise
        return response


def openai_frames(usage: bool) -> list[bytes]:
    """A stream of chat: a role, three pieces, a reason, perhaps usage, the end mark."""
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt"}
    pieces: list[tuple[dict[str, str], str | None]] = [
        ({"role": "assistant"}, None),
        *(({"content": text}, None) for text in TEXT),
        ({}, "stop"),
    ]
    chunks: list[dict[str, Any]] = [
        {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]} for delta, finish in pieces
    ]
    if usage:
        chunks.append({**base, "choices": [], "usage": USAGE})
    return [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks] + [b"data: [DONE]\n\n"]


def anthropic_frames() -> list[bytes]:
    """A stream of a message."""
    first = {"input_tokens": 8, "output_tokens": 1, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 0}
    start: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": [],
        "stop_reason": None,
    }
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**start, "stop_sequence": None, "usage": first}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}} for text in TEXT),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 3}},
        {"type": "message_stop"},
    ]
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]


def responses_answer(model: str) -> dict[str, Any]:
    """A whole answer of `/responses`."""
    content = [{"type": "output_text", "text": "".join(TEXT), "annotations": []}]
    usage = {
        "input_tokens": 11,
        "output_tokens": 3,
        "total_tokens": 14,
        "input_tokens_details": {"cached_tokens": 2},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": model,
        "output": [{"type": "message", "id": "m1", "status": "completed", "role": "assistant", "content": content}],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": usage,
    }


def responses_frames(done: dict[str, Any]) -> list[bytes]:
    """A stream of `/responses`."""
    base = {"item_id": "m1", "output_index": 0, "content_index": 0, "logprobs": []}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "sequence_number": 0, "response": {**done, "status": "in_progress", "usage": None}},
        *(
            {"type": "response.output_text.delta", "sequence_number": n, "delta": text, **base}
            for n, text in enumerate(TEXT, 1)
        ),
        {"type": "response.completed", "sequence_number": 9, "response": done},
    ]
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[int]:
    """The provider on a free port."""
    runner = web.AppRunner(Provider().app(), handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def main() -> None:
    async with running() as port:
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
