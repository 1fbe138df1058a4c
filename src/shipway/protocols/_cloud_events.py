"""KServe's CloudEvents: a request to predict inside an event, and its answer as one. Imported with the first event.

In the binary mode the attributes are `ce-` headers and the body is the protocol's own; in the structured mode the body is the
event, the protocol's body its `data`. The event's id is the request's, where its body names none, so that what a payload logger
joins by id is what our log has. Source: CloudEvents 1.0, HTTP protocol binding; KServe's data plane (the type and source of an
answer).
"""

from __future__ import annotations

import binascii
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec

from shipway.kernel.clock import Clock, SystemClock
from shipway.models import Signature
from shipway.protocols._http import JSON, BodyMalformed, Headers, Reply
from shipway.protocols._json import decode_body
from shipway.protocols._open_inference import BINARY_LENGTH, check_id
from shipway.serve import Request, Response

_MARK, _STRUCTURED = b"ce-specversion", b"application/cloudevents+json"
ANSWER = "io.kserve.inference.response"
_VERSIONS = ("1.0", "0.3")

Parse = Callable[[bytes, Headers, Signature], tuple[Request, Any]]
Render = Callable[[Response, Any], Reply]


class _Event(msgspec.Struct):
    specversion: str
    id: str
    source: str
    type: str
    time: str = ""
    datacontenttype: str = "application/json"
    data: msgspec.Raw = msgspec.Raw()
    data_base64: str | None = None


class LoggedEvent(NamedTuple):
    """An event of somebody else's server: its id and type, when it was made (empty: not said), the protocol's body."""

    id: str
    type: str
    time: str
    data: bytes


class _Asked(NamedTuple):
    """What the protocol itself wants for its answer, and the event's version and mode."""

    wanted: Any
    version: str
    structured: bool


_decoder = msgspec.json.Decoder(_Event)


def parse_logged(body: bytes, headers: Headers) -> LoggedEvent:
    """The event in a body of either mode. headers: names in small letters. Raises BodyMalformed."""
    structured = _MARK not in headers
    event = decode_body(_decoder, body, "a CloudEvent") if structured else _of_headers(headers)
    _check(event)
    return LoggedEvent(event.id, event.type, event.time, _data(event) if structured else body)


def parse_event(parse: Parse) -> Parse:
    """The same, of a body inside an event. Raises BodyMalformed, and what parse raises."""

    def parsed(body: bytes, headers: Headers, signature: Signature) -> tuple[Request, _Asked]:
        structured = _MARK not in headers
        event = decode_body(_decoder, body, "a CloudEvent") if structured else _of_headers(headers)
        _check(event)
        inner, inner_headers = (_data(event), _inner(headers)) if structured else (body, headers)
        request, wanted = parse(inner, inner_headers, signature)
        return replace(request, id=request.id or event.id), _Asked(wanted, event.specversion, structured)

    return parsed


def render_event(render: Render, model: str, clock: Clock | None = None) -> Render:
    """The same, with the answer as an event in the mode of the one that asked."""
    clock = clock or SystemClock()

    def rendered(response: Response, asked: _Asked) -> Reply:
        reply = render(response, asked.wanted)
        event = {
            "specversion": asked.version,
            "id": response.id,
            "source": f"io.kserve.inference.{model}",
            "type": ANSWER,
            "time": clock.now().isoformat(),
        }
        if not asked.structured:
            more = tuple((f"ce-{name}".encode(), value.encode("ascii", "xmlcharrefreplace")) for name, value in event.items())
            return reply._replace(headers=(*reply.headers, *more))
        data: dict[str, Any] = {"data": msgspec.Raw(reply.body)}
        if reply.media_type != JSON:
            data = {"data_base64": binascii.b2a_base64(reply.body, newline=False).decode()}
        body = msgspec.json.encode({**event, "datacontenttype": reply.media_type.decode(), **data})
        return reply._replace(body=body, media_type=_STRUCTURED)

    return rendered


def _check(event: _Event) -> None:
    if event.specversion not in _VERSIONS:
        raise BodyMalformed(f"specversion: expected {' or '.join(_VERSIONS)}, given {event.specversion[:20]!r}")
    for name in ("id", "source", "type"):
        if not getattr(event, name):
            raise BodyMalformed(f"a CloudEvent: expected a {name}, given none")
    check_id(event.id)


def _of_headers(headers: Headers) -> _Event:
    given = {name[3:].decode("latin-1"): value.decode("latin-1") for name, value in headers.items() if name[:3] == b"ce-"}
    id_, source, kind, time = (given.get(name, "") for name in ("id", "source", "type", "time"))
    return _Event(given["specversion"], id_, source, kind, time)


def _data(event: _Event) -> bytes:
    """The protocol's body of a structured event."""
    if event.datacontenttype.partition(";")[0].strip().lower() not in ("application/json", "application/octet-stream"):
        raise BodyMalformed(f"datacontenttype: expected application/json, given {event.datacontenttype[:60]!r}")
    data = bytes(event.data)
    if bool(data) == (event.data_base64 is not None):
        raise BodyMalformed("a CloudEvent: expected either data or data_base64")
    if event.data_base64 is None:
        return data
    try:
        return binascii.a2b_base64(event.data_base64, strict_mode=True)
    except (binascii.Error, ValueError) as problem:
        raise BodyMalformed(f"data_base64 is not base64: {problem}") from problem


def _inner(headers: Headers) -> dict[bytes, bytes]:
    """The headers that say something of the data: where its tensors begin."""
    return {name: value for name, value in headers.items() if name == BINARY_LENGTH}
