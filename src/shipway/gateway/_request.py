"""What a caller asks for: the few fields that the gateway reads, and the body itself, whose other parts stay bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, cast

import msgspec

from shipway.gateway._errors import RequestMalformed
from shipway.kernel.canonical import Json
from shipway.llm import ANTHROPIC, OPENAI


class Endpoint(NamedTuple):
    """An address of the gateway. kind: chat, messages, embeddings or responses; path: what follows a provider's base."""

    kind: str
    shape: str
    path: str
    limit_field: str | None


ENDPOINTS = {
    "/v1/chat/completions": Endpoint("chat", OPENAI, "/chat/completions", "max_tokens"),
    "/v1/messages": Endpoint("messages", ANTHROPIC, "/messages", "max_tokens"),
    "/v1/embeddings": Endpoint("embeddings", OPENAI, "/embeddings", None),
    "/v1/responses": Endpoint("responses", OPENAI, "/responses", "max_output_tokens"),
}
TALKS = ("chat", "messages")


class _StreamOptions(msgspec.Struct):
    include_usage: bool = False


class _Fields(msgspec.Struct):
    model: str
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None
    n: int | None = None
    tools: list[msgspec.Raw] | None = None
    functions: list[msgspec.Raw] | None = None


_fields = msgspec.json.Decoder(_Fields)
_parts = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Ask:
    """A request. parts: the body's fields, each as the bytes that the caller sent; limit: tokens that one answer may have."""

    endpoint: Endpoint
    model: str
    body: bytes
    parts: Mapping[str, msgspec.Raw]
    stream: bool
    include_usage: bool
    temperature: float | None
    limit: int | None
    choices: int
    tools: bool


def parse_ask(endpoint: Endpoint, body: bytes) -> Ask:
    """The request in a body; raises RequestMalformed naming the field."""
    try:
        fields, parts = _fields.decode(body), _parts.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        mend = f"POST a JSON object to /v1{endpoint.path} with at least `model`"
        raise RequestMalformed(f"the body cannot be read: {problem}", mend=mend) from problem
    limits = (fields.max_completion_tokens, fields.max_tokens, fields.max_output_tokens)
    return Ask(
        endpoint=endpoint,
        model=fields.model,
        body=body,
        parts=parts,
        stream=bool(fields.stream) and endpoint.limit_field is not None,
        include_usage=fields.stream_options is not None and fields.stream_options.include_usage,
        temperature=fields.temperature,
        limit=next((limit for limit in limits if limit is not None), None),
        choices=max(1, fields.n or 1),
        tools=bool(fields.tools or fields.functions),
    )


class _Part(msgspec.Struct):
    type: str = "text"
    text: str = ""


class _Turn(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None


_turns = msgspec.json.Decoder(list[_Turn])


def parse_turns(ask: Ask) -> list[tuple[str, str]]:
    """Role and text of each message; raises RequestMalformed. Parts that are no text are left out."""
    try:
        turns = _turns.decode(ask.parts["messages"])
    except KeyError as problem:
        raise RequestMalformed("`messages` is missing", mend="send a list of messages, the last one of the user") from problem
    except msgspec.DecodeError as problem:
        raise RequestMalformed(f"`messages` cannot be read: {problem}") from problem
    return [(turn.role, _text(turn.content)) for turn in turns]


def question_of(ask: Ask) -> str:
    """The text of the last message of the user: what an application is asked. Raises RequestMalformed."""
    for role, text in reversed(parse_turns(ask)):
        if role == "user" and text.strip():
            return text
    raise RequestMalformed("no message of the user has a text", mend="end `messages` with the question, role user")


def rewritten(ask: Ask, changes: Mapping[str, Json], defaults: Mapping[str, Json]) -> bytes:
    """The body with these fields changed and those added where the caller says nothing; untouched when nothing differs."""
    parts = dict(ask.parts)
    wanted = {name: value for name, value in defaults.items() if name not in parts} | dict(changes)
    encoded = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in wanted.items()}
    if all(name in parts and bytes(parts[name]) == bytes(value) for name, value in encoded.items()):
        return ask.body
    return msgspec.json.encode(parts | encoded)


def embedded_options(ask: Ask) -> Json:
    """The caller's stream_options with the usage asked for."""
    raw = ask.parts.get("stream_options")
    known = msgspec.json.decode(raw) if raw is not None else None
    return cast("Json", {**(known or {}), "include_usage": True})


def _text(content: str | list[_Part] | None) -> str:
    if isinstance(content, list):
        return "\n".join(part.text for part in content if part.text)
    return content or ""
