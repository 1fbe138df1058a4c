"""Between the two wire formats: texts both ways, as wholes and as streams. What has no words on the other side is refused.

Pure. A caller of one shape reaches a provider of the other, and an application whatever its provider speaks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, cast

import msgspec

from shipway.gateway._errors import NotTranslatable
from shipway.gateway._request import Ask
from shipway.kernel.canonical import Json
from shipway.llm import ANTHROPIC, OPENAI, Message, Provider, Usage

ANTHROPIC_TOKENS = 1024  # that API asks for a number; this one holds when neither provider nor caller names one
_SILENT = {"model", "messages", "system", "stream", "stream_options", "user", "metadata", "n"}
_RENAMED = {
    OPENAI: {"temperature": "temperature", "top_p": "top_p", "max_tokens": "max_tokens", "max_completion_tokens": "max_tokens"},
    ANTHROPIC: {"temperature": "temperature", "top_p": "top_p", "max_tokens": "max_tokens", "stop_sequences": "stop"},
}
_TO_ANTHROPIC = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal", "tool_calls": "tool_use"}
_TO_OPENAI = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "refusal": "content_filter",
    "tool_use": "tool_calls",
}


class _TextPart(msgspec.Struct):
    type: str
    text: str = ""


class _Turn(msgspec.Struct):
    role: str
    content: str | list[_TextPart]


_turns = msgspec.json.Decoder(list[_Turn])
_system = msgspec.json.Decoder(str | list[_TextPart])


def translated_messages(ask: Ask) -> tuple[Message, ...]:
    """The conversation; raises NotTranslatable when anything in it is no text."""
    try:
        turns = _turns.decode(ask.parts.get("messages", msgspec.Raw(b"null")))
        system = _system.decode(ask.parts["system"]) if "system" in ask.parts else ""
    except msgspec.DecodeError as problem:
        raise NotTranslatable(f"only messages of text can be translated: {problem}", mend=_mend(ask)) from problem
    texts = [("system", _text(ask, system)), *((turn.role, _text(ask, turn.content)) for turn in turns)]
    roles = {"developer": "system"}
    found = tuple(Message(roles.get(role, role), text) for role, text in texts if text or role != "system")
    for message in found:
        if message.role not in ("system", "user", "assistant"):
            raise NotTranslatable(f"a message of the role {message.role!r} cannot be translated", mend=_mend(ask))
    return found


def translated_parameters(ask: Ask) -> dict[str, Json]:
    """The parameters in the words of the other shape; raises NotTranslatable naming the field."""
    names, found = _RENAMED[ask.endpoint.shape], dict[str, Json]()
    for name, raw in ask.parts.items():
        if bytes(raw) == b"null":
            continue
        if name == "stop" and ask.endpoint.shape == OPENAI:
            stop = msgspec.json.decode(raw)
            found["stop_sequences"] = [stop] if isinstance(stop, str) else stop
        elif name in names:
            found[names[name]] = cast("Json", msgspec.json.decode(raw))
        elif name not in _SILENT and bytes(raw) not in (b"[]", b"false", b"0"):
            raise NotTranslatable(f"the field {name!r} cannot be translated", mend=_mend(ask))
    if (ask.choices or 1) > 1:
        raise NotTranslatable("the field 'n' cannot be translated", mend=_mend(ask))
    return found


def composed_body(provider: Provider, messages: Sequence[Message], parameters: Mapping[str, Json], *, stream: bool) -> bytes:
    """A request for an answer to these messages, in the provider's shape; a stream is asked for its usage."""
    turns = [{"role": message.role, "content": message.content} for message in messages]
    fixed: dict[str, object] = {"model": provider.model, "messages": turns, "stream": stream}
    if provider.shape == ANTHROPIC:
        fixed["messages"] = [turn for turn in turns if turn["role"] != "system"]
        if system := "\n\n".join(turn["content"] for turn in turns if turn["role"] == "system"):
            fixed["system"] = system
        return msgspec.json.encode({"max_tokens": ANTHROPIC_TOKENS, **parameters, **fixed})
    if stream:
        fixed["stream_options"] = {"include_usage": True}
    return msgspec.json.encode({**parameters, **fixed})


class _Said(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Said
    finish_reason: str | None = None


class _OpenAiAnswer(msgspec.Struct):
    choices: list[_Choice]


class _AnthropicAnswer(msgspec.Struct):
    content: list[_TextPart]
    stop_reason: str | None = None


_openai_answers = msgspec.json.Decoder(_OpenAiAnswer)
_anthropic_answers = msgspec.json.Decoder(_AnthropicAnswer)


def read_answer(shape: str, body: bytes) -> tuple[str, str]:
    """Text and reason to finish of a whole answer in this shape; raises ValueError."""
    if shape == ANTHROPIC:
        found = _anthropic_answers.decode(body)
        return "".join(part.text for part in found.content if part.type == "text"), found.stop_reason or ""
    choices = _openai_answers.decode(body).choices
    if not choices:
        raise ValueError("choices is empty")
    said = choices[0].message
    return said.content or said.refusal or "", choices[0].finish_reason or ""


class Voice(Protocol):
    """Says an answer in the caller's shape; id: of the request."""

    def whole(self, text: str, finish: str, usage: Usage) -> bytes: ...
    def opening(self, usage: Usage, /) -> bytes: ...
    def piece(self, text: str) -> bytes: ...
    def closing(self, finish: str, usage: Usage) -> bytes: ...


class OpenAiVoice:
    """Chat completions. include_usage: a stream ends with a chunk of usage."""

    def __init__(self, id: str, model: str, created: int, *, include_usage: bool) -> None:
        self._base = {"id": f"chatcmpl-{id}", "created": created, "model": model}
        self._include_usage = include_usage

    def whole(self, text: str, finish: str, usage: Usage) -> bytes:
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": _TO_OPENAI.get(finish, finish), "logprobs": None}
        answer = {**self._base, "object": "chat.completion", "choices": [choice], "usage": _openai_usage(usage)}
        return msgspec.json.encode(answer)

    def opening(self, _usage: Usage) -> bytes:
        return self._chunk({"role": "assistant", "content": ""})

    def piece(self, text: str) -> bytes:
        return self._chunk({"content": text})

    def closing(self, finish: str, usage: Usage) -> bytes:
        last = self._chunk({}, _TO_OPENAI.get(finish, finish))
        if self._include_usage:
            last += self._event([], {"usage": _openai_usage(usage)})
        return last + b"data: [DONE]\n\n"

    def _chunk(self, delta: Mapping[str, str], finish: str | None = None) -> bytes:
        return self._event([{"index": 0, "delta": delta, "finish_reason": finish}], {})

    def _event(self, choices: list[object], more: Mapping[str, object]) -> bytes:
        chunk = {**self._base, "object": "chat.completion.chunk", "choices": choices, **more}
        return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


class AnthropicVoice:
    """Messages."""

    def __init__(self, id: str, model: str) -> None:
        self._base = {"id": f"msg_{id}", "type": "message", "role": "assistant", "model": model}

    def whole(self, text: str, finish: str, usage: Usage) -> bytes:
        content = [{"type": "text", "text": text}]
        ends = {"stop_reason": _TO_ANTHROPIC.get(finish, finish), "stop_sequence": None}
        return msgspec.json.encode({**self._base, "content": content, **ends, "usage": _anthropic_usage(usage)})

    def opening(self, usage: Usage) -> bytes:
        nothing: dict[str, object] = {
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": _anthropic_usage(usage),
        }
        start = _event("message_start", {"message": {**self._base, **nothing}})
        return start + _event("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}})

    def piece(self, text: str) -> bytes:
        return _event("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": text}})

    def closing(self, finish: str, usage: Usage) -> bytes:
        delta = {"stop_reason": _TO_ANTHROPIC.get(finish, finish), "stop_sequence": None}
        return (
            _event("content_block_stop", {"index": 0})
            + _event("message_delta", {"delta": delta, "usage": _anthropic_usage(usage)})
            + _event("message_stop", {})
        )


def voice_of(shape: str, *, id: str, model: str, created: int, include_usage: bool) -> Voice:
    """How a caller of this shape is spoken to."""
    if shape == ANTHROPIC:
        return AnthropicVoice(id, model)
    return OpenAiVoice(id, model, created, include_usage=include_usage)


def _event(kind: str, fields: Mapping[str, object]) -> bytes:
    return f"event: {kind}\ndata: ".encode() + msgspec.json.encode({"type": kind, **fields}) + b"\n\n"


def _openai_usage(usage: Usage) -> dict[str, object]:
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
    }


def _anthropic_usage(usage: Usage) -> dict[str, int]:
    return {
        "input_tokens": usage.input - usage.cached - usage.written,
        "output_tokens": usage.output,
        "cache_read_input_tokens": usage.cached,
        "cache_creation_input_tokens": usage.written,
    }


def _text(ask: Ask, content: str | list[_TextPart]) -> str:
    if isinstance(content, str):
        return content
    for part in content:
        if part.type != "text":
            raise NotTranslatable(f"a part of the type {part.type!r} cannot be translated", mend=_mend(ask))
    return "\n".join(part.text for part in content)


def _mend(ask: Ask) -> str:
    other = ANTHROPIC if ask.endpoint.shape == OPENAI else OPENAI
    return f"send it in the shape of the provider, {other}'s, or leave it out"
