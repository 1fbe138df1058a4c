"""What goes wrong, as HTTP says it: one table of statuses, the words of an error, and for a fault of ours an id to look for."""

from __future__ import annotations

import logging
from collections.abc import Callable

from shipway.kernel.clock import Ids, RandomIds
from shipway.kernel.errors import ShipwayError
from shipway.models import InputMismatch
from shipway.protocols._http import (
    BodiesTooMany,
    BodyMalformed,
    BodyTooLarge,
    EncodingUnknown,
    MediaTypeUnknown,
    NotOffered,
    Reply,
    json_reply,
)
from shipway.serve import BatchHung, Overloaded, Replaced

_WORDS = 1500  # characters of an error: names in it are the client's own, of any length

_logger = logging.getLogger(__name__)

Say = Callable[[str, int], object]
"""What a protocol makes of the words and the status of an error."""


class NotHere(ShipwayError):
    """No such address, model or version."""

    code = "protocols.not-here"


class MethodWrong(ShipwayError):
    """The address is right, the HTTP method is not."""

    code = "protocols.method-wrong"

    def __init__(self, path: str, *, allow: str) -> None:
        super().__init__(f"{path} does not answer this method", mend="POST to infer, predict and index, GET everything else")
        self.allow = allow


class OriginRefused(ShipwayError):
    """A page in a browser asks; it could fill the prediction log of whoever looks at it, so only programs are answered."""

    code = "protocols.origin-refused"


_STATUSES: tuple[tuple[type[ShipwayError], int], ...] = (
    (BodyMalformed, 400),
    (NotOffered, 400),
    (InputMismatch, 400),
    (OriginRefused, 403),
    (NotHere, 404),
    (MethodWrong, 405),
    (BodyTooLarge, 413),
    (EncodingUnknown, 415),
    (MediaTypeUnknown, 415),
    (Overloaded, 503),
    (BodiesTooMany, 503),
    (Replaced, 503),
    (BatchHung, 504),
)


def status_of(problem: Exception) -> int:
    """What HTTP calls it."""
    return next((status for kind, status in _STATUSES if isinstance(problem, kind)), 500)


def plain_error(words: str, _status: int) -> object:
    """As Open Inference and V1 say an error."""
    return {"error": words}


class Refusals:
    """Tells what went wrong."""

    def __init__(self, ids: Ids | None = None) -> None:
        self._ids = ids or RandomIds()

    def told(self, problem: Exception) -> tuple[int, str]:
        """The status of what went wrong, and what and how to mend it, or, for a fault of ours, an id to look for in our log."""
        if not isinstance(problem, ShipwayError):
            id = self._ids.new()
            _logger.error("request %s: internal error", id, exc_info=problem)
            return 500, f"internal error, request {id}"
        words = "; ".join(filter(None, (problem.what, problem.where, problem.mend)))
        return status_of(problem), words if len(words) <= _WORDS else words[:_WORDS] + "..."

    def reply(self, problem: Exception, say: Say = plain_error) -> Reply:
        """The answer that says it."""
        status, words = self.told(problem)
        return json_reply(say(words, status), status, _headers(problem))


def _headers(problem: Exception) -> tuple[tuple[bytes, bytes], ...]:
    if isinstance(problem, Overloaded | Replaced):
        return ((b"retry-after", str(problem.after).encode()),)
    if isinstance(problem, MethodWrong):
        return ((b"allow", problem.allow.encode()),)
    if isinstance(problem, BodyTooLarge | BodiesTooMany):  # rather than read the rest of it
        again = ((b"retry-after", b"1"),) if problem.retry else ()
        return ((b"connection", b"close"), *again)
    return ()
