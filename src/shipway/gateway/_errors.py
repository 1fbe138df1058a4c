"""What can go wrong in a gateway, and the one table that says it in HTTP and in the words of the caller's client."""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec

from shipway.kernel.errors import ShipwayError
from shipway.llm import ANTHROPIC

Pairs = tuple[tuple[bytes, bytes], ...]


class ConfigMalformed(ShipwayError):
    """The file of a gateway is missing, no JSON, or does not say what it must."""

    code = "gateway.config-malformed"


class PortTaken(ShipwayError):
    """The address to listen on cannot be had."""

    code = "gateway.port-taken"


class StartFailed(ShipwayError):
    """Something that no other error describes kept the gateway from starting."""

    code = "gateway.start-failed"


class ClientGone(ShipwayError):
    """The caller hung up; there is nobody to answer, only a record to write."""

    code = "gateway.client-gone"


class InternalFault(ShipwayError):
    """A fault of ours, in the record of the call; the caller gets the id of its request."""

    code = "gateway.internal-fault"


class RequestMalformed(ShipwayError):
    """A body that does not say what its protocol asks for."""

    code = "gateway.request-malformed"


class NotTranslatable(ShipwayError):
    """The request uses something that the wire format of the wanted provider has no words for."""

    code = "gateway.not-translatable"


class StateRefused(ShipwayError):
    """The request refers to something that is kept at the provider, under the one key that all callers share there."""

    code = "gateway.state-refused"


class HostRefused(ShipwayError):
    """A page of the gateway was asked for under a name that is not the machine's own: perhaps by a page in a browser."""

    code = "gateway.host-refused"


class KeyUnknown(ShipwayError):
    """No key, or one that is not in the gateway's file."""

    code = "gateway.key-unknown"


class OriginRefused(ShipwayError):
    """A page in a browser asks; it could spend the budget of whoever looks at it, so only programs are answered."""

    code = "gateway.origin-refused"


class NotHere(ShipwayError):
    """No such address."""

    code = "gateway.not-here"


class ModelUnknown(ShipwayError):
    """No application, provider or model of this name."""

    code = "gateway.model-unknown"


class MethodWrong(ShipwayError):
    """The address is right, the HTTP method is not."""

    code = "gateway.method-wrong"


class BodyTooLarge(ShipwayError):
    """A body beyond the limit."""

    code = "gateway.body-too-large"


class EncodingUnknown(ShipwayError):
    """A Content-Encoding or Content-Type that the gateway does not read."""

    code = "gateway.encoding-unknown"


class RateReached(ShipwayError):
    """More calls than the rate allows. after: seconds until the next one is taken."""

    code = "gateway.rate-reached"
    retry = True

    def __init__(self, what: str, *, mend: str, after: float, headers: Pairs = ()) -> None:
        super().__init__(what, mend=mend)
        self.after, self.headers = after, headers


class BudgetSpent(ShipwayError):
    """The worst case of the call does not fit into what a budget has left. after: seconds until it may, if that is known."""

    code = "gateway.budget-spent"

    def __init__(self, what: str, *, mend: str, after: float | None = None) -> None:
        super().__init__(what, mend=mend)
        self.after = after


class PriceUnknown(ShipwayError):
    """A budget applies, and the price table does not say what the model costs."""

    code = "gateway.price-unknown"


class LedgerDown(ShipwayError):
    """The ledger of the budgets cannot be read or written, and calls without it are not allowed."""

    code = "gateway.ledger-down"
    retry = True


class UpstreamDown(ShipwayError):
    """No provider of the model could be reached, or all answered with a failure of theirs."""

    code = "gateway.upstream-down"
    retry = True


class UpstreamSlow(ShipwayError):
    """No provider of the model answered in time."""

    code = "gateway.upstream-slow"
    retry = True


class UpstreamRefused(ShipwayError):
    """A provider does not accept the gateway's own key."""

    code = "gateway.upstream-refused"


class UpstreamMalformed(ShipwayError):
    """A provider's answer is not what its protocol promises."""

    code = "gateway.upstream-malformed"


class StreamCut(ShipwayError):
    """A provider's stream ended before its end."""

    code = "gateway.stream-cut"
    retry = True


class UpstreamSaid(ShipwayError):
    """The provider's own answer to a request that it did not take: it goes to a caller of its shape as it is."""

    code = "gateway.upstream-said"

    def __init__(self, status: int, body: bytes, media_type: bytes, *, shape: str, after: float | None = None) -> None:
        super().__init__(f"the provider answered {status}{_reason(body)}")
        self.status, self.body, self.media_type, self.shape, self.after = status, body, media_type, shape, after


class _Error(msgspec.Struct):
    message: str = ""


class _ErrorBody(msgspec.Struct):
    error: _Error


def _reason(body: bytes) -> str:
    """What both shapes say under `error.message`."""
    try:
        return ": " + msgspec.json.decode(body, type=_ErrorBody).error.message[:1000]
    except msgspec.DecodeError:
        return ""


class Words(NamedTuple):
    """An error in HTTP, in OpenAI's vocabulary and in Anthropic's."""

    status: int
    openai_type: str
    openai_code: str
    anthropic_type: str


_OURS = Words(500, "server_error", "internal_error", "api_error")
_LATER = Words(503, "server_error", "unavailable", "api_error")
_BAD = "invalid_request_error"
_WORDS: dict[type[ShipwayError], Words] = {
    RequestMalformed: Words(400, _BAD, "invalid_request", _BAD),
    NotTranslatable: Words(400, _BAD, "not_translatable", _BAD),
    StateRefused: Words(400, _BAD, "state_refused", _BAD),
    HostRefused: Words(403, "permission_error", "host_refused", "permission_error"),
    KeyUnknown: Words(401, "authentication_error", "invalid_api_key", "authentication_error"),
    OriginRefused: Words(403, "permission_error", "origin_refused", "permission_error"),
    PriceUnknown: Words(403, "permission_error", "price_unknown", "permission_error"),
    NotHere: Words(404, _BAD, "not_found", "not_found_error"),
    ModelUnknown: Words(404, _BAD, "model_not_found", "not_found_error"),
    MethodWrong: Words(405, _BAD, "method_not_allowed", _BAD),
    BodyTooLarge: Words(413, _BAD, "request_too_large", "request_too_large"),
    EncodingUnknown: Words(415, _BAD, "unsupported_media_type", _BAD),
    RateReached: Words(429, "requests", "rate_limit_exceeded", "rate_limit_error"),
    BudgetSpent: Words(429, "insufficient_quota", "insufficient_quota", "rate_limit_error"),
    LedgerDown: Words(503, "server_error", "ledger_down", "api_error"),
    UpstreamDown: Words(502, "server_error", "upstream_down", "api_error"),
    UpstreamSlow: Words(504, "server_error", "upstream_timeout", "api_error"),
    UpstreamRefused: Words(502, "server_error", "upstream_refused", "api_error"),
    UpstreamMalformed: Words(502, "server_error", "upstream_malformed", "api_error"),
    StreamCut: Words(502, "server_error", "stream_cut", "api_error"),
}


def words_of(problem: Exception) -> Words:
    """Status and vocabulary of a problem; what is no error of ours is a fault of ours."""
    if not isinstance(problem, ShipwayError):
        return _OURS
    if isinstance(problem, UpstreamSaid):
        return _WORDS[RateReached] if problem.status == 429 else Words(problem.status, _BAD, "upstream_said", _BAD)
    return _WORDS.get(type(problem), _LATER if problem.retry else _OURS)


def error_body(shape: str, problem: Exception, request: str) -> bytes:
    """The problem as the caller's client expects it; a fault of ours is only named by the id of the request."""
    words = words_of(problem)
    if isinstance(problem, ShipwayError):
        text = "; ".join(filter(None, (problem.what, problem.where, problem.mend)))
    else:
        text = f"internal error, request {request}"
    if shape == ANTHROPIC:
        error = {"type": words.anthropic_type, "message": text}
        return msgspec.json.encode({"type": "error", "error": error, "request_id": request})
    said = {"message": text, "type": words.openai_type, "param": None, "code": words.openai_code}
    return msgspec.json.encode({"error": said})


def error_headers(problem: Exception) -> Pairs:
    """`retry-after` in whole seconds, where the problem knows when to come back."""
    after = getattr(problem, "after", None)
    own: Pairs = getattr(problem, "headers", ())
    if isinstance(problem, BodyTooLarge):
        return ((b"connection", b"close"),)  # rather than read the rest of it
    return own if after is None else ((b"retry-after", b"%d" % max(1, math.ceil(after))), *own)
