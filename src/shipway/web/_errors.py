"""What can go wrong in a request, and the one table that turns an error into an HTTP status."""

from __future__ import annotations

from starlette.responses import JSONResponse

from shipway.access import Forbidden
from shipway.data import DataUnreadable
from shipway.evals import RatingMalformed, ReviewMissing
from shipway.gate import MoveRefused, ReasonMissing, TargetWrong
from shipway.kernel.canonical import NotCanonical
from shipway.kernel.digest import DigestMalformed
from shipway.kernel.errors import ShipwayError
from shipway.kernel.units import UnitMalformed
from shipway.monitor import OutcomeMalformed, SilenceMalformed
from shipway.release import (
    NoCandidate,
    NothingToReturnTo,
    PlanAltered,
    PlanStale,
    PolicyUnmeetable,
    ReleaseDamaged,
    ReleaseMalformed,
)
from shipway.spec import SpecMalformed
from shipway.store import ObjectMissing, ObjectUnexpected, RefMissing, RefMoved


class HostRefused(ShipwayError):
    """The request names a host that is not this machine: a page elsewhere may have pointed its own name here."""

    code = "web.host-refused"


class OriginRefused(ShipwayError):
    """Another site's page asks to write."""

    code = "web.origin-refused"


class NotHere(ShipwayError):
    """No such address."""

    code = "web.not-here"


class MethodWrong(ShipwayError):
    """The address is right, the HTTP method is not."""

    code = "web.method-wrong"


class ParameterWrong(ShipwayError):
    """A parameter of the address that is unknown or malformed."""

    code = "web.parameter-wrong"


class BodyTooLarge(ShipwayError):
    """A request body over the limit; nothing of it was recorded."""

    code = "web.body-too-large"


class EventRefused(ShipwayError):
    """An event or an export that is none, or of nothing that is known here."""

    code = "web.event-refused"


class MediaTypeUnknown(ShipwayError):
    """A body of a type or encoding that this address does not read."""

    code = "web.media-type-unknown"


class ReadOnly(ShipwayError):
    """This server was started without a hand that writes ratings, approves or applies."""

    code = "web.read-only"


class FormMalformed(ShipwayError):
    """A body of an approval or an apply that is none."""

    code = "web.form-malformed"


class RetrainRunning(ShipwayError):
    """One `shipway retrain` at a time: two would take the same processors from what answers."""

    code = "web.retrain-running"


class Internal(ShipwayError):
    """A fault of ours; the id is in our log."""

    code = "web.internal"


_STATUSES: tuple[tuple[type[ShipwayError], int], ...] = (
    (ParameterWrong, 400),
    (OutcomeMalformed, 400),
    (DigestMalformed, 400),
    (RatingMalformed, 400),
    (FormMalformed, 400),
    (UnitMalformed, 400),
    (SilenceMalformed, 400),
    (EventRefused, 400),
    (OriginRefused, 403),
    (Forbidden, 403),
    (ReadOnly, 403),
    (NotHere, 404),
    (RefMissing, 404),
    (ReviewMissing, 404),
    (ObjectMissing, 404),
    (ReleaseMalformed, 404),
    (ObjectUnexpected, 404),
    (NoCandidate, 404),
    (NotCanonical, 404),  # a leaf where an object was asked for
    (MethodWrong, 405),
    (MoveRefused, 409),
    (PlanStale, 409),
    (NothingToReturnTo, 409),
    (RetrainRunning, 409),
    (ReasonMissing, 409),
    (DataUnreadable, 409),
    (PlanAltered, 409),
    (RefMoved, 409),
    (TargetWrong, 409),
    (ReleaseDamaged, 409),
    (PolicyUnmeetable, 409),
    (SpecMalformed, 409),
    (BodyTooLarge, 413),
    (MediaTypeUnknown, 415),
    (HostRefused, 421),
)


def status_of(problem: ShipwayError) -> int:
    """The HTTP status of an error: 503 for what may succeed later, 500 for what is not the client's to mend."""
    fitting = (status for kind, status in _STATUSES if isinstance(problem, kind))
    return next(fitting, 503 if problem.retry else 500)


def error_document(problem: ShipwayError) -> dict[str, dict[str, str | None]]:
    return {"error": {"code": problem.code, "what": problem.what, "where": problem.where, "mend": problem.mend}}


def error_response(problem: ShipwayError) -> JSONResponse:
    """The error as JSON. A body that was not read to its end takes its connection along."""
    headers = {"Connection": "close"} if isinstance(problem, BodyTooLarge) else {}
    return JSONResponse(error_document(problem), status_of(problem), headers)
