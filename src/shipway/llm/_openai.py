"""OpenAI's wire format for chat (`/chat/completions`) and embeddings, as its API reference of 2026-11 has it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from shipway.kernel.canonical import Json
from shipway.llm._types import Message, Provider, Usage
from shipway.llm._wire import Answer, Count, Delta, encode

_DONE = b"[DONE]"


class _Details(msgspec.Struct):
    cached_tokens: Count | None = None


class _Usage(msgspec.Struct):
    """prompt_tokens and completion_tokens of chat and embeddings; input_tokens and output_tokens of `/responses`."""

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    prompt_tokens_details: _Details | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    input_tokens_details: _Details | None = None


class _Text(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[object] | None = None


class _Choice(msgspec.Struct):
    message: _Text
    finish_reason: str | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice]
    model: str = ""
    usage: _Usage | None = None
    system_fingerprint: str | None = None


class _Part(msgspec.Struct):
    delta: _Text | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Part] = []
    model: str | None = None
    usage: _Usage | None = None
    system_fingerprint: str | None = None
    error: object = None


class _UsageOnly(msgspec.Struct):
    usage: _Usage | None = None


_answers = msgspec.json.Decoder(_Answer)
_chunks = msgspec.json.Decoder(_Chunk)
_usages = msgspec.json.Decoder(_UsageOnly)


def _usage(found: _Usage | None) -> Usage | None:
    if found is None:
        return None
    given = found.prompt_tokens if found.prompt_tokens is not None else found.input_tokens
    if given is None:
        return None
    made = found.completion_tokens if found.completion_tokens is not None else found.output_tokens
    details = found.prompt_tokens_details or found.input_tokens_details
    cached = (details.cached_tokens if details else None) or 0
    return Usage(input=given, output=made or 0, cached=min(cached, given))  # embeddings make nothing


class OpenAi:
    """The Shape of every OpenAI-compatible server."""

    default_url = "https://api.openai.com/v1"
    path = "/chat/completions"

    def headers(self, key: str | None) -> dict[str, str]:
        return {"authorization": f"Bearer {key}"} if key else {}

    def body(self, provider: Provider, messages: tuple[Message, ...], parameters: Mapping[str, Json], *, stream: bool) -> bytes:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        fixed: dict[str, object] = {"model": provider.model, "messages": turns, "stream": stream}
        if stream:  # without it a stream has no usage, and a bill would be a guess
            fixed["stream_options"] = {"include_usage": True}
        return encode({**parameters, **fixed})

    def answer(self, body: bytes) -> Answer:
        found = _answers.decode(body)
        if not found.choices:
            raise msgspec.DecodeError("choices is empty")
        choice = found.choices[0]
        text = choice.message.content or choice.message.refusal or ""
        return Answer(text, _usage(found.usage), found.model, choice.finish_reason or "", found.system_fingerprint)

    def usage(self, body: bytes) -> Usage | None:
        return _usage(_usages.decode(body).usage)

    def delta(self, data: bytes, so_far: Usage | None) -> Delta:
        if data == _DONE:
            return Delta(done=True)
        chunk = _chunks.decode(data)
        error = encode(chunk.error).decode() if chunk.error else None
        text, token, finish = "", False, None
        for part in chunk.choices[:1]:  # n > 1 is not a thing that we ask for
            finish = part.finish_reason
            if part.delta:
                text = part.delta.content or part.delta.refusal or ""
                token = bool(text or part.delta.tool_calls)
        return Delta(text, token, _usage(chunk.usage) or so_far, finish, chunk.model, chunk.system_fingerprint, error)
