"""KServe's payload logger: a request and its response as two CloudEvents of one id, which together are predictions.

The servers are somebody else's: what they answered is read by its shape. Requests wait for their responses in memory, a bounded
number of them, and what is dropped is counted. Source: KServe's logger (pkg/logger): types
`org.kubeflow.serving.inference.request` and `.response`, data the body of V1 or V2.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from shipway.kernel.clock import parse_instant
from shipway.models import Signature, encode_columns
from shipway.protocols._cloud_events import LoggedEvent, parse_logged
from shipway.protocols._http import BodyMalformed, Headers
from shipway.protocols._open_inference import parse_infer
from shipway.protocols._v1 import parse_predict
from shipway.serve import Door
from shipway.store import PredictionRecord

MOST, MOST_BYTES = 10_000, 64 << 20  # requests that wait for their responses
REQUEST, RESPONSE = ".inference.request", ".inference.response"


class Answered(NamedTuple):
    """A request and its response."""

    request: LoggedEvent
    response: LoggedEvent


class PayloadLog:
    """Pairs events by id, whichever comes first. Threads may share it. dropped: events whose other half never came in time."""

    def __init__(self) -> None:
        self.dropped = 0
        self._waiting: OrderedDict[tuple[str, str], LoggedEvent] = OrderedDict()
        self._bytes = 0
        self._alone = threading.Lock()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def take(self, body: bytes, headers: Headers, *, group: str) -> Answered | None:
        """The pair that this event completes, None while its other half is missing. group: events of another never pair.

        Raises BodyMalformed for what is no event of a payload logger.
        """
        event = parse_logged(body, headers)
        if not event.type.endswith((REQUEST, RESPONSE)):
            raise BodyMalformed(f"type: expected one that ends in {REQUEST} or {RESPONSE}, given {event.type[:80]!r}")
        key = (group, event.id)
        with self._alone:
            other = self._waiting.get(key)
            if other is None or _asks(other) == _asks(event):  # the first, or the same half again: the later one counts
                self._keep(key, event)
                return None
            self._forget(key)
        return Answered(event, other) if _asks(event) else Answered(other, event)

    def _keep(self, key: tuple[str, str], event: LoggedEvent) -> None:
        if key in self._waiting:
            self._forget(key)
        self._waiting[key] = event
        self._bytes += len(event.data)
        while len(self._waiting) > MOST or self._bytes > MOST_BYTES:
            self._forget(next(iter(self._waiting)))
            self.dropped += 1

    def _forget(self, key: tuple[str, str]) -> None:
        self._bytes -= len(self._waiting.pop(key).data)


def logged_prediction(
    pair: Answered, signature: Signature, aside: tuple[str, ...], *, release: str, deployment: str, recorded: int
) -> PredictionRecord:
    """The record of an answered request. aside: columns for the log alone; recorded: microseconds of the epoch.

    Raises BodyMalformed, InputMismatch for a request that the release could not have been asked, or an answer of another shape.
    """
    parse = parse_infer if b'"inputs"' in pair.request.data[:65_536] else parse_predict
    request, _ = parse(pair.request.data, {}, signature)
    checked = Door(signature, aside).check(request, id=pair.request.id, started=0.0)
    outputs = _outputs(pair.response.data, signature, checked.rows)
    return PredictionRecord(
        request=pair.request.id,
        release=release,
        deployment=deployment,
        arm="live",
        recorded=recorded,
        rows=checked.rows,
        columns=encode_columns(checked.logged),
        outputs=encode_columns(outputs),
        latency_us=_between(pair.request.time, pair.response.time),
    )


def _asks(event: LoggedEvent) -> bool:
    return event.type.endswith(REQUEST)


def _outputs(data: bytes, signature: Signature, rows: int) -> Mapping[str, NDArray[Any]]:
    """By the names of the signature; one output without a known name is the model's one, of two columns the second class."""
    try:
        message = msgspec.json.decode(data)
        if "predictions" in message:
            given = {"": np.asarray(message["predictions"], dtype=np.float64)}
        else:
            given = {str(one["name"]): np.asarray(one["data"], np.float64).reshape(one["shape"]) for one in message["outputs"]}
    except (msgspec.DecodeError, RecursionError, KeyError, TypeError, ValueError, OverflowError) as problem:
        raise BodyMalformed(f"the response is no answer of numbers in V1 or V2: {str(problem)[:200]}") from problem
    names = [column.name for column in signature.outputs]
    known = {name: array for name, array in given.items() if name in names}
    if not known and len(given) == len(names) == 1:
        known = {names[0]: next(iter(given.values()))}
    if not known:
        raise BodyMalformed(f"the response: expected {', '.join(names)}, given {', '.join(given)[:200]}")
    return {name: _column(name, array, rows) for name, array in known.items()}


def _column(name: str, array: NDArray[Any], rows: int) -> NDArray[Any]:
    if array.ndim == 2 and array.shape[1] in (1, 2):
        array = array[:, -1]
    if array.shape != (rows,):
        raise BodyMalformed(f"output {name!r}: expected one number for each of {rows} rows, given shape {array.shape}")
    return array


def _between(asked: str, answered: str) -> int:
    """Microseconds; 0 where an event has no time, or they are in the wrong order."""
    try:
        times: list[datetime] = [parse_instant(text) for text in (asked, answered)]
    except ValueError:
        return 0
    return max(0, round((times[1] - times[0]).total_seconds() * 1e6))
