"""What a caller asks for: the few fields that the gateway reads, and the body itself, whose other parts stay bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, NamedTuple, cast

import msgspec

from shipway.gateway._errors import RequestMalformed, StateRefused
from shipway.kernel.canonical import Json
from shipway.llm import ANTHROPIC, OPENAI


class Endpoint(NamedTuple):
    """An address of the gateway. kind: chat, messages, embeddings or responses; path: what follows a provider's base;
    limit_fields: where a caller says how many tokens an answer may have, the first one is the field that we would use.
    """

    kind: str
    shape: str
    path: str
    limit_fields: tuple[str, ...]

    @property
    def writes(self) -> bool:
        """Whether a model writes tokens here."""
        return bool(self.limit_fields)


ENDPOINTS = {
    "/v1/chat/completions": Endpoint("chat", OPENAI, "/chat/completions", ("max_tokens", "max_completion_tokens")),
    "/v1/messages": Endpoint("messages", ANTHROPIC, "/messages", ("max_tokens",)),
    "/v1/embeddings": Endpoint("embeddings", OPENAI, "/embeddings", ()),
    "/v1/responses": Endpoint("responses", OPENAI, "/responses", ("max_output_tokens",)),
}
TALKS = ("chat", "messages")
LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
MOST_TOKENS, MOST_CHOICES = 10_000_000, 128
# fields with which one server or another writes more than the limits above say; nothing could be held for them
_UNBOUNDED = frozenset({*LIMITS, "n", "n_predict", "num_predict", "max_new_tokens", "max_length", "best_of"})

Tokens = Annotated[int, msgspec.Meta(ge=1, le=MOST_TOKENS)]
Choices = Annotated[int, msgspec.Meta(ge=1, le=MOST_CHOICES)]


class _StreamOptions(msgspec.Struct):
    include_usage: bool = False


class _Fields(msgspec.Struct):
    model: str
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    temperature: float | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    max_output_tokens: Tokens | None = None
    n: Choices | None = None
    tools: list[msgspec.Raw] | None = None
    functions: list[msgspec.Raw] | None = None


_fields = msgspec.json.Decoder(_Fields)
_parts = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Ask:
    """A request. parts: the body's fields, each as the bytes that the caller sent; limits: tokens that one answer may have, by
    the field that says so; choices: answers that the caller wants, None when it does not say.
    """

    endpoint: Endpoint
    model: str
    body: bytes
    parts: Mapping[str, msgspec.Raw]
    stream: bool
    include_usage: bool
    temperature: float | None
    limits: Mapping[str, int]
    choices: int | None
    tools: bool

    def states(self, name: str) -> bool:
        """Whether the caller gives the field a value; null is none."""
        return bytes(self.parts.get(name, b"null")) != b"null"


def parse_ask(endpoint: Endpoint, body: bytes) -> Ask:
    """The request in a body; raises RequestMalformed naming the field."""
    try:
        fields, parts = _fields.decode(body), _parts.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        mend = f"POST a JSON object to /v1{endpoint.path} with at least `model`"
        raise RequestMalformed(f"the body cannot be read: {problem}", mend=mend) from problem
    _check_limits(endpoint, parts)
    limits = {name: getattr(fields, name) for name in endpoint.limit_fields}
    return Ask(
        endpoint=endpoint,
        model=fields.model,
        body=body,
        parts=parts,
        stream=bool(fields.stream) and endpoint.writes,
        include_usage=fields.stream_options is not None and fields.stream_options.include_usage,
        temperature=fields.temperature,
        limits={name: limit for name, limit in limits.items() if limit is not None},
        choices=fields.n,
        tools=bool(fields.tools or fields.functions),
    )


def _check_limits(endpoint: Endpoint, parts: Mapping[str, msgspec.Raw]) -> None:
    """No field that lets an answer be longer than what is held for it: one of another address or server, or of another case,
    which some servers do not tell apart.
    """
    for name, raw in parts.items():
        other = name.lower() in _UNBOUNDED and name not in (*endpoint.limit_fields, "n")
        if other and bytes(raw) != b"null":
            mend = f"say it with {' or '.join(endpoint.limit_fields)}" if endpoint.writes else "leave it out"
            raise RequestMalformed(f"the field {name[:100]!r} is none of /v1{endpoint.path}", mend=mend)


class _InputItem(msgspec.Struct):
    type: str = ""


class _State(msgspec.Struct):
    store: bool | None = None
    background: bool | None = None


_inputs = msgspec.json.Decoder(list[_InputItem])
_states = msgspec.json.Decoder(_State)


def check_state(ask: Ask) -> None:
    """Nothing that is kept at the provider, where all callers are one key: what one of them has left there another could read.

    Raises StateRefused, RequestMalformed.
    """
    if ask.endpoint.kind != "responses":
        return
    try:
        state = _states.decode(ask.body)
    except msgspec.DecodeError as problem:
        raise RequestMalformed(f"the body cannot be read: {problem}") from problem
    named = [name for name in ("previous_response_id", "conversation") if ask.states(name)]
    named += [name for name in ("store", "background") if getattr(state, name)]
    if not named and _refers(ask):
        named = ["input"]
    if named:
        mend = "send the whole conversation in `input`, and `store: false`"
        raise StateRefused(f"`{named[0]}` refers to state at the provider, which all callers of this gateway share", mend=mend)


def _refers(ask: Ask) -> bool:
    try:
        return any(item.type == "item_reference" for item in _inputs.decode(ask.parts.get("input", msgspec.Raw(b"[]"))))
    except msgspec.DecodeError:  # a text, or what the provider will say more about
        return False


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


_metadata = msgspec.json.Decoder(dict[str, msgspec.Raw])


def metadata_of(ask: Ask) -> dict[str, str]:
    """The texts in `metadata`; what is no text there is left out. Raises RequestMalformed."""
    if not ask.states("metadata"):
        return {}
    try:
        found = _metadata.decode(ask.parts["metadata"])
        return {name: msgspec.json.decode(raw, type=str) for name, raw in found.items() if bytes(raw).startswith(b'"')}
    except msgspec.DecodeError as problem:
        raise RequestMalformed(f"`metadata` cannot be read: {problem}", mend="send an object of texts") from problem


def rewritten(ask: Ask, changes: Mapping[str, Json], defaults: Mapping[str, Json], *, anew: bool) -> bytes:
    """The body with these fields changed and those added where the caller says nothing; untouched when nothing differs.

    anew: put together in any case, so that a field which comes twice in the caller's bytes goes out once, as it was read.
    """
    parts = dict(ask.parts)
    wanted = {name: value for name, value in defaults.items() if not ask.states(name)} | dict(changes)
    encoded = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in wanted.items()}
    if not anew and all(name in parts and bytes(parts[name]) == bytes(value) for name, value in encoded.items()):
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
