"""Sends OpenLineage events to whoever is named, and to nobody else. One event a request, in their order."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from shipway.kernel.canonical import JsonObject
from shipway.kernel.errors import ShipwayError

LINEAGE_ENDPOINT = "api/v1/lineage"
_PATIENCE = 10.0  # seconds for one event: a catalogue that is slower must not hold a run


class EventsUnsent(ShipwayError):
    """A catalogue did not take the events."""

    code = "release.events-unsent"
    retry = True


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where events go: the base address of a catalogue, the path below it, the key that it knows us by."""

    url: str
    endpoint: str = LINEAGE_ENDPOINT
    api_key: str = field(default="", repr=False)


def send_events(receiver: Receiver, events: Iterable[JsonObject]) -> int:
    """How many events were taken. Raises EventsUnsent at the first that was not; sending one again does no harm there."""
    parts = urlsplit(receiver.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise EventsUnsent(f"{receiver.url!r} is no address", mend="write http://HOST:PORT or https://HOST")
    path = f"{parts.path.rstrip('/')}/{receiver.endpoint.lstrip('/')}"
    headers = {"Content-Type": "application/json"} | (
        {"Authorization": f"Bearer {receiver.api_key}"} if receiver.api_key else {}
    )
    connection, sent = _connect(parts.scheme, parts.hostname, parts.port), 0
    try:
        for event in events:
            connection.request("POST", path, json.dumps(event).encode(), headers)
            answer = connection.getresponse()
            said = answer.read(2000).decode("utf-8", "replace").strip()
            answer.close()
            if not 200 <= answer.status < 300:
                raise EventsUnsent(f"answered {answer.status} to event {sent + 1}: {said[:200]}", where=_shown(receiver))
            sent += 1
    except (OSError, http.client.HTTPException, ValueError) as problem:
        what = f"event {sent + 1} was not taken: {problem or type(problem).__name__}"
        mend = "send them again with: shipway lineage events --url URL"
        raise EventsUnsent(what, where=_shown(receiver), mend=mend) from problem
    finally:
        connection.close()
    return sent


def _connect(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=_PATIENCE, context=ssl.create_default_context())
    return http.client.HTTPConnection(host, port, timeout=_PATIENCE)


def _shown(receiver: Receiver) -> str:
    """The address without what may be a secret in it."""
    parts = urlsplit(receiver.url)
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "") + parts.path
