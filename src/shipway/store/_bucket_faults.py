"""What an object store says when it cannot go on, in the store's own errors. What it said is not repeated: only its kind is."""

from __future__ import annotations

import re

from shipway.kernel.errors import ShipwayError
from shipway.store._types import ObjectsDown, ObjectsRefused, StoreFull

_KEY = re.compile(r'path: "(.*?)"', re.DOTALL)
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "specified bucket does not exist")
_NO_CREDENTIALS = re.compile(  # the library ends its search at the machine's own role
    r"169\.254\.(169\.254|170\.2)|/latest/(api/token|meta-data)|metadata\.google|[Mm]issing credentials|no credentials"
)
_NOT_LET_IN = re.compile(
    r"AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|: 40[13] (Unauthorized|Forbidden)"
)
_NO_RANGE = re.compile(r"416 |InvalidRange|non-partial|NotPartial")
_NO_ROOM = re.compile(r"507 |StorageFull|QuotaExceeded|InsufficientStorage")
_ELSEWHERE = re.compile(r"PermanentRedirect|[Rr]edirect without LOCATION|AuthorizationHeaderMalformed|IllegalLocation")


def is_missing(problem: Exception) -> bool:
    """Whether an answer of "not found" is about the object, not about its bucket."""
    return isinstance(problem, FileNotFoundError) and not any(words in str(problem) for words in _NO_BUCKET)


def is_no_range(problem: Exception) -> bool:
    """Whether a server has nothing at the place that was asked for, or knows no places."""
    from obstore.exceptions import BaseError

    return isinstance(problem, BaseError) and bool(_NO_RANGE.search(str(problem)))


def fault_of(problem: Exception, *, where: str) -> ShipwayError | None:
    """The error for what obstore raised; None for a fault of ours. where: bucket and key."""
    from obstore.exceptions import BaseError, InvalidPathError, PermissionDeniedError, UnauthenticatedError

    if not isinstance(problem, BaseError | FileNotFoundError | PermissionError):
        return None
    said = str(problem)
    if isinstance(problem, InvalidPathError):  # of a listing: our own keys are paths
        named = _KEY.search(said)
        mend = "give it another name: without //, and without a part that is . or .."
        return ObjectsRefused(f"a key there is no path: {named[1] if named else '?'}", where=where, mend=mend)
    refused = isinstance(problem, PermissionDeniedError | UnauthenticatedError | PermissionError)
    return fault_in_words(said, where=where, refused=refused)


def fault_in_words(said: str, *, where: str, refused: bool = False) -> ShipwayError:
    """The error for what a server or its client said. refused: known to be about who asks."""
    if any(words in said for words in _NO_BUCKET):
        return ObjectsRefused("there is no such bucket", where=where, mend="make it first, or correct SHIPWAY_OBJECTS")
    if _NO_CREDENTIALS.search(said):
        mend = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where the machine has a role"
        return ObjectsRefused("no credentials for the object store were found", where=where, mend=mend)
    if _NO_ROOM.search(said):
        return StoreFull("no room left at the remote", where=where, mend="make some room there, then run this again")
    if _ELSEWHERE.search(said):
        return ObjectsRefused("the bucket is in another region", where=where, mend="set AWS_REGION to the bucket's region")
    if refused or _NOT_LET_IN.search(said):
        what = "the object store refuses these credentials, or this to them"
        return ObjectsRefused(what, where=where, mend="look at the AWS_* variables, and at what their user may do there")
    what = "the object store cannot be reached, or went away; what was being written is there as a whole or not at all"
    return ObjectsDown(what, where=where, mend="run this again when it is back")
