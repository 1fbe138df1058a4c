"""What S3 says about objects of a bucket, in the shapes in which a function of AWS Lambda gets it.

Straight from S3 (a notification), through a queue of SQS, or from EventBridge. An event is a hint that something is otherwise
than before: which kind it is of, its version and its time are not looked at, because they may be out of date.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, cast
from urllib.parse import unquote_plus

from shipway.kernel.errors import ShipwayError

_MEND = "send notifications of S3, straight, through SQS, or from EventBridge"


class EventUnknown(ShipwayError):
    """An event of another shape than those that are understood here."""

    code = "protocols.event-unknown"


class ObjectNotice(NamedTuple):
    """Something happened to the object under this key."""

    bucket: str
    key: str

    @property
    def address(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class Letter(NamedTuple):
    """What succeeds or fails together: a message of a queue under its id, or all of an event that came straight.

    problem: why it cannot be read; it has no notices then.
    """

    id: str
    notices: tuple[ObjectNotice, ...]
    problem: EventUnknown | None = None


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """The letters of one invocation. queued: they come from a queue, which takes back those that are named to it."""

    letters: tuple[Letter, ...]
    queued: bool

    @property
    def notices(self) -> tuple[ObjectNotice, ...]:
        """Of all letters, each once, in the order in which they came."""
        return tuple(dict.fromkeys(notice for letter in self.letters for notice in letter.notices))


def parse_object_event(event: object) -> ObjectEvent:
    """An event of one of the known shapes. Raises EventUnknown; a message that cannot be read is a letter that says so."""
    if isinstance(event, Mapping) and _is_queue(event.get("Records")):
        return ObjectEvent(tuple(_letter(record) for record in _mappings(event["Records"])), queued=True)
    return ObjectEvent((Letter("", _notices(event)),), queued=False)


def failed_letters(ids: Iterable[str]) -> dict[str, object]:
    """What a queue is answered: these messages come again, the others are done."""
    return {"batchItemFailures": [{"itemIdentifier": id} for id in ids]}


def _is_queue(records: object) -> bool:
    found = records if isinstance(records, list) else []
    return any(isinstance(one, Mapping) and one.get("eventSource") == "aws:sqs" for one in found)


def _letter(record: Mapping[str, object]) -> Letter:
    """Raises EventUnknown for a record without an id: nobody could be told that it failed."""
    id, body = record.get("messageId"), record.get("body")
    if not isinstance(id, str) or not id:
        raise EventUnknown("a record of a queue has no messageId", mend=_MEND)
    try:
        return Letter(id, _notices(json.loads(str(body))))
    except EventUnknown as problem:
        return Letter(id, (), problem)
    except (ValueError, RecursionError):
        return Letter(id, (), EventUnknown("the body of a message is no JSON", where=f"message {id}", mend=_MEND))


def _notices(event: object) -> tuple[ObjectNotice, ...]:
    found = cast("Mapping[str, object]", event) if isinstance(event, Mapping) else {}
    if found.get("source") == "aws.s3":
        return (_notice(found.get("detail"), str),)  # EventBridge gives the key as it is
    if isinstance(found.get("Records"), list):
        return tuple(_of_record(record) for record in _mappings(found["Records"]))
    if found.get("Event") == "s3:TestEvent":  # S3 sends it once, when the notification is made
        return ()
    shown = ", ".join(sorted(map(str, found))[:8]) if found else type(event).__name__
    raise EventUnknown(f"an event of an unknown shape: {shown[:200]}", mend=_MEND)


def _of_record(record: Mapping[str, object]) -> ObjectNotice:
    if record.get("eventSource") != "aws:s3":
        raise EventUnknown(f"a record of {str(record.get('eventSource'))[:100]!r}, not of S3", mend=_MEND)
    return _notice(record.get("s3"), unquote_plus)


def _notice(about: object, read: Callable[[str], str]) -> ObjectNotice:
    """read: how this sender's key is turned into that of the object."""
    parts = cast("Mapping[str, object]", about) if isinstance(about, Mapping) else {}
    bucket, thing = parts.get("bucket"), parts.get("object")
    name = bucket.get("name") if isinstance(bucket, Mapping) else None
    key = thing.get("key") if isinstance(thing, Mapping) else None
    if not isinstance(name, str) or not isinstance(key, str) or not name or not key:
        raise EventUnknown("an event of S3 that names no object", mend=_MEND)
    return ObjectNotice(name, read(key))


def _mappings(records: object) -> list[Mapping[str, object]]:
    found = records if isinstance(records, list) else []
    if not all(isinstance(one, Mapping) for one in found):
        raise EventUnknown("a record of an event is no object", mend=_MEND)
    return [cast("Mapping[str, object]", one) for one in found]
