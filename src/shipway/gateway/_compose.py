"""From what a caller asks to what each provider is asked. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shipway.gateway._callers import Caller
from shipway.gateway._errors import NotHere, NotTranslatable
from shipway.gateway._http import Headers
from shipway.gateway._providers import LiveProvider
from shipway.gateway._request import LIMITS, TALKS, Ask, embedded_options, rewritten
from shipway.gateway._targets import Target
from shipway.gateway._translate import ANTHROPIC_TOKENS, composed_body, translated_messages, translated_parameters
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
            body, output = _body(ask, live, caller, messages, longest)
            wanted.append(Wanted(live, live.url(ask.endpoint), _headers(ask, live, headers), body, output))
        except (NotTranslatable, NotHere):
            if not wanted:
                raise
    return wanted


def passed_headers(headers: Headers) -> dict[str, str]:
    """The caller's headers that a provider of Anthropic's shape gets, and that can change its answer."""
    return {name: headers[raw].decode("latin-1") for raw, name in _PASSED if raw in headers}


def hides_usage(ask: Ask, live: LiveProvider) -> bool:
    """Whether the provider was asked for a chunk of usage that the caller did not ask for."""
    return ask.stream and speaks_alike(ask, live) and live.provider.shape == OPENAI and not ask.include_usage


def speaks_alike(ask: Ask, live: LiveProvider) -> bool:
    return live.provider.shape == ask.endpoint.shape or ask.endpoint.kind not in TALKS


def _body(ask: Ask, live: LiveProvider, caller: Caller, messages: Sequence[Message] | None, longest: int) -> tuple[bytes, int]:
    """The body, and the most tokens that can be written for it, where a budget applies."""
    own = live.provider.parameters if ask.endpoint.kind in TALKS else {}  # they are those of its chat
    most = longest if caller.charges and ask.endpoint.writes else None
    if messages is not None:  # the release has fixed the parameters; a caller may only ask for less
        parameters = {**own, **_less(ask, live, own, most)}
        return composed_body(live.provider, messages, parameters, stream=ask.stream), _worst(parameters, None, live)
    if not speaks_alike(ask, live):
        parameters = _translated(ask, live, own, most)
        body = composed_body(live.provider, translated_messages(ask), parameters, stream=ask.stream)
        return body, _worst(parameters, ask, live)
    limits = _stated(ask, own, most)
    changes: dict[str, Json] = {"model": live.provider.model, **limits}
    if ask.stream and ask.endpoint.kind == "chat" and not ask.include_usage:
        changes["stream_options"] = embedded_options(ask)
    more = _unlimited(own)
    return rewritten(ask, changes, more, anew=bool(caller.name or caller.charges)), _worst({**more, **limits}, ask, None)


def _stated(ask: Ask, own: Mapping[str, Json], most: int | None) -> dict[str, int]:
    """The limits of a request that passes as it is: the caller's, else the provider's own, else ours."""
    stated = dict(ask.limits) or _limits(own)
    return stated or ({} if most is None else {_field(own, ask.endpoint.limit_fields[0]): most})


def _less(ask: Ask, live: LiveProvider, own: Mapping[str, Json], most: int | None) -> dict[str, int]:
    """What a caller changes in the limits of an application, in the fields that the release uses: nothing, or to less."""
    asked, known = min(ask.limits.values(), default=None), _limits(own)
    if asked is None and (known or live.provider.shape == ANTHROPIC):  # there, a default holds
        return {}
    limit = most if asked is None else asked
    names = [name for name in LIMITS if name in own] or ["max_tokens"]
    return {} if limit is None else {name: min(limit, known.get(name, limit)) for name in names}


def _translated(ask: Ask, live: LiveProvider, own: Mapping[str, Json], most: int | None) -> dict[str, Json]:
    """The parameters of a request in the other shape, its limit in the field that the provider knows."""
    given = {name: value for name, value in translated_parameters(ask).items() if name not in LIMITS}
    field = _field(own, "max_tokens")
    if ask.limits:
        return {**_unlimited(own), **given, field: max(ask.limits.values())}
    if most is None or live.provider.shape == ANTHROPIC or _limits(own):
        return {**own, **given}
    return {**_unlimited(own), **given, field: most}


def _worst(parameters: Mapping[str, Json], ask: Ask | None, composed: LiveProvider | None) -> int:
    """Tokens of all answers together; ask: who says how many there are; composed: whose default holds without a limit."""
    default = ANTHROPIC_TOKENS if composed is not None and composed.provider.shape == ANTHROPIC else 0
    choices = ask.choices if ask is not None else None
    return max(_limits(parameters).values(), default=default) * (choices or _positive(parameters.get("n")) or 1)


def _field(own: Mapping[str, Json], otherwise: str) -> str:
    """The name under which the provider is told its limit: newer models take only `max_completion_tokens`."""
    return next((name for name in LIMITS if name in own), otherwise)


def _limits(parameters: Mapping[str, Json]) -> dict[str, int]:
    found = {name: _positive(parameters.get(name)) for name in LIMITS}
    return {name: limit for name, limit in found.items() if limit is not None}


def _unlimited(own: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in own.items() if name not in LIMITS}


def _positive(value: Json) -> int | None:
    """A number that limits something: some servers take -1 for no limit."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _headers(ask: Ask, live: LiveProvider, headers: Headers) -> Mapping[str, str]:
    """The provider's own; of the caller's only those that say which version of the wire format it speaks."""
    if ask.endpoint.shape != ANTHROPIC or live.provider.shape != ANTHROPIC:
        return live.headers
    return {**live.headers, **passed_headers(headers)}
