"""Anthropic's wire format for messages (`/messages`, version 2023-06-01). Pure.

Its input_tokens leave out what the cache gave and took; ours are the sum, as Usage promises.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from shipway.kernel.canonical import Json
from shipway.llm._types import Message, Provider, Usage
from shipway.llm._wire import Answer, Count, Delta, encode

_VERSION = "2023-06-01"
_MAX_TOKENS = 1024  # the API asks for a number; this one holds when neither provider nor caller names one


class _Usage(msgspec.Struct):
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None


class _Block(msgspec.Struct):
    type: str
    text: str = ""


class _Answer(msgspec.Struct):
    content: list[_Block]
    usage: _Usage | None = None
    model: str = ""
    stop_reason: str | None = None


class _Started(msgspec.Struct):
    model: str | None = None
    usage: _Usage | None = None


class _Piece(msgspec.Struct):
    type: str | None = None
    text: str = ""
    stop_reason: str | None = None


class _Event(msgspec.Struct):
    type: str
    message: _Started | None = None
    delta: _Piece | None = None
    usage: _Usage | None = None
    error: object = None


class _UsageOnly(msgspec.Struct):
    usage: _Usage | None = None


_answers = msgspec.json.Decoder(_Answer)
_events = msgspec.json.Decoder(_Event)
_usages = msgspec.json.Decoder(_UsageOnly)


def _usage(found: _Usage | None) -> Usage | None:
    if found is None or found.input_tokens is None:
        return None
    read, written = found.cache_read_input_tokens or 0, found.cache_creation_input_tokens or 0
    return Usage(found.input_tokens + read + written, found.output_tokens or 0, cached=read, written=written)


def _later(found: _Usage | None, so_far: Usage | None) -> Usage | None:
    """Usage after a `message_delta`: its output counts are totals, its input counts are usually left out."""
    whole = _usage(found)
    if whole is not None or found is None or found.output_tokens is None or so_far is None:
        return whole or so_far
    return Usage(so_far.input, found.output_tokens, cached=so_far.cached, written=so_far.written)


class Anthropic:
    """The Shape of Anthropic's API."""

    default_url = "https://api.anthropic.com/v1"
    path = "/messages"

    def headers(self, key: str | None) -> dict[str, str]:
        return {"anthropic-version": _VERSION} | ({"x-api-key": key} if key else {})

    def body(self, provider: Provider, messages: tuple[Message, ...], parameters: Mapping[str, Json], *, stream: bool) -> bytes:
        turns = [{"role": message.role, "content": message.content} for message in messages if message.role != "system"]
        system = "\n\n".join(message.content for message in messages if message.role == "system")
        fixed: dict[str, object] = {"model": provider.model, "messages": turns, "stream": stream}
        if system:
            fixed["system"] = system
        return encode({"max_tokens": _MAX_TOKENS, **parameters, **fixed})

    def answer(self, body: bytes) -> Answer:
        found = _answers.decode(body)
        text = "".join(block.text for block in found.content if block.type == "text")
        return Answer(text, _usage(found.usage), found.model, found.stop_reason or "")

    def usage(self, body: bytes) -> Usage | None:
        return _usage(_usages.decode(body).usage)

    def delta(self, data: bytes, so_far: Usage | None) -> Delta:
        event = _events.decode(data)
        if event.type == "content_block_delta" and event.delta:
            text = event.delta.text if event.delta.type == "text_delta" else ""
            return Delta(text=text, token=True, usage=so_far)
        if event.type == "message_start" and event.message:
            return Delta(usage=_usage(event.message.usage), model=event.message.model)
        if event.type == "message_delta":
            return Delta(usage=_later(event.usage, so_far), finish=event.delta.stop_reason if event.delta else None)
        if event.type == "error":
            return Delta(usage=so_far, error=encode(event.error or "an error").decode())
        return Delta(usage=so_far, done=event.type == "message_stop")
