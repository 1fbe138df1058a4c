"""From what a caller asks to what each provider is asked. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shipway.gateway._budget import bounded
from shipway.gateway._callers import Caller
from shipway.gateway._errors import NotHere, NotTranslatable
from shipway.gateway._http import Headers
from shipway.gateway._providers import LiveProvider
from shipway.gateway._request import TALKS, Ask, embedded_options, rewritten
from shipway.gateway._targets import Target
from shipway.gateway._translate import composed_body, translated_messages, translated_parameters
from shipway.gateway._upstream import Wanted
from shipway.kernel.canonical import Json
from shipway.llm import ANTHROPIC, OPENAI, Message

_PASSED = ((b"anthropic-version", "anthropic-version"), (b"anthropic-beta", "anthropic-beta"))


def compose(
    ask: Ask, target: Target, caller: Caller, headers: Headers, *, messages: Sequence[Message] | None, longest: int
) -> list[Wanted]:
    """One request a provider, in the target's order. messages: those of an application; longest: tokens of one answer where a
    budget applies and nobody says. Raises what stands against the first provider; a fallback that cannot be asked is left out.
    """
    wanted: list[Wanted] = []
    for live in target.chain:
        try:
            body = _body(ask, live, caller, messages, longest)
            wanted.append(Wanted(live, live.url(ask.endpoint), _headers(ask, live, headers), body))
        except (NotTranslatable, NotHere):
            if not wanted:
                raise
    return wanted


def hides_usage(ask: Ask, live: LiveProvider) -> bool:
    """Whether the provider was asked for a chunk of usage that the caller did not ask for."""
    return ask.stream and speaks_alike(ask, live) and live.provider.shape == OPENAI and not ask.include_usage


def speaks_alike(ask: Ask, live: LiveProvider) -> bool:
    return live.provider.shape == ask.endpoint.shape or ask.endpoint.kind not in TALKS


def _body(ask: Ask, live: LiveProvider, caller: Caller, messages: Sequence[Message] | None, longest: int) -> bytes:
    own = live.provider.parameters
    if messages is not None:  # the release has fixed the parameters; a caller may only ask for less
        return composed_body(live.provider, messages, {**own, **_less(ask, live, longest)}, stream=ask.stream)
    more = bounded(live, ask, caller, longest)
    if speaks_alike(ask, live):
        changes: dict[str, Json] = {"model": live.provider.model}
        if ask.stream and ask.endpoint.kind == "chat" and not ask.include_usage:
            changes["stream_options"] = embedded_options(ask)
        return rewritten(ask, changes, {**_defaults(ask, own), **more})
    parameters = {**own, **more, **translated_parameters(ask)}
    return composed_body(live.provider, translated_messages(ask), parameters, stream=ask.stream)


def _defaults(ask: Ask, own: Mapping[str, Json]) -> Mapping[str, Json]:
    """Parameters of a provider are those of its chat."""
    return own if ask.endpoint.kind in TALKS else {}


def _less(ask: Ask, live: LiveProvider, longest: int) -> dict[str, Json]:
    own = live.provider.parameters.get("max_tokens")
    limits = [limit for limit in (own, ask.limit) if isinstance(limit, int)]
    return {"max_tokens": min(limits, default=longest)}


def _headers(ask: Ask, live: LiveProvider, headers: Headers) -> Mapping[str, str]:
    """The provider's own; of the caller's only those that say which version of the wire format it speaks."""
    if ask.endpoint.shape != ANTHROPIC or live.provider.shape != ANTHROPIC:
        return live.headers
    passed = {name: headers[raw].decode("latin-1") for raw, name in _PASSED if raw in headers}
    return {**live.headers, **passed}
