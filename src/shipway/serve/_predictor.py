"""Predict: check at the door, join what waits, one call of the model, cut apart, one log frame for each request."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from shipway.kernel.clock import Clock, Ids, RandomIds, SystemClock
from shipway.kernel.errors import ShipwayError
from shipway.models import Predictable, encode_columns
from shipway.serve._request import Arrays, Checked, Door, Identity, Request, Response
from shipway.store import PredictionRecord, SegmentWriter, encode_record

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_logger = logging.getLogger(__name__)


class PredictionFailed(ShipwayError):
    """The model raised, or answered with other rows than it was asked for; the process's own log has the traceback."""

    code = "serve.prediction-failed"


class Predictor:
    """One model of one release. Calls may not overlap: a model is promised one thread at a time (Batcher keeps that).

    key and time: columns that a request may carry for the log alone, together `aside`. log None: nothing is logged.
    """

    def __init__(
        self,
        model: Predictable,
        identity: Identity,
        *,
        key: Sequence[str] = (),
        time_column: str | None = None,
        log: SegmentWriter | None = None,
        clock: Clock | None = None,
        ids: Ids | None = None,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.identity, self.signature, self.log = identity, model.signature, log
        self._model, self._clock, self._ids, self._timer = model, clock or SystemClock(), ids or RandomIds(), timer
        self.aside = (*key, time_column) if time_column else tuple(key)
        self._door = Door(model.signature, self.aside)

    def predict(self, request: Request) -> Response:
        """The answer to one request; raises InputMismatch, PredictionFailed."""
        (answer,) = self.answer([self.check(request)])
        if isinstance(answer, PredictionFailed):
            raise answer
        return answer

    def check(self, request: Request) -> Checked:
        """The request, with an id, once it is known to fit; raises InputMismatch."""
        return self._door.check(request, id=request.id or self._ids.new(), started=self._timer())

    def answer(self, requests: Sequence[Checked]) -> list[Response | PredictionFailed]:
        """One prediction for all; when it fails, one for each, so that a bad row fails alone. Never raises."""
        try:
            outputs = self._outputs(requests)
        except Exception as problem:
            if len(requests) > 1:
                return [answer for request in requests for answer in self.answer([request])]
            _logger.exception("request %s: the model failed", requests[0].id)
            return [PredictionFailed(f"the model failed: {type(problem).__name__}", where=f"request {requests[0].id}")]
        return [self._finish(request, part) for request, part in zip(requests, outputs, strict=True)]

    def _outputs(self, requests: Sequence[Checked]) -> list[Arrays]:
        rows = [request.rows for request in requests]
        columns = requests[0].inputs if len(requests) == 1 else _joined(requests)
        outputs = self._model.predict(columns)
        for name, array in outputs.items():
            if len(array) != sum(rows):
                raise ValueError(f"output {name!r} has {len(array)} rows for {sum(rows)}")
        return [outputs] if len(rows) == 1 else _cut(outputs, rows)

    def _finish(self, request: Checked, outputs: Arrays) -> Response:
        logged = self.log is not None and request.rows > 0 and self._logs(request, outputs)
        who = self.identity
        return Response(request.id, outputs, request.rows, who.release, who.deployment, who.arm, who.model_name, logged)

    def _logs(self, request: Checked, outputs: Arrays) -> bool:
        """Whether the log has taken it. A record that cannot be made costs the record, not the answer."""
        assert self.log is not None
        try:
            return self.log.append(self._record(request, outputs), request.rows)
        except ShipwayError:
            _logger.exception("request %s: not logged", request.id)
            return False

    def _record(self, request: Checked, outputs: Arrays) -> bytes:
        return encode_record(
            PredictionRecord(
                request=request.id,
                release=self.identity.release,
                deployment=self.identity.deployment,
                arm=self.identity.arm,
                recorded=(self._clock.now() - _EPOCH) // _MICROSECOND,
                rows=request.rows,
                columns=encode_columns(request.logged),
                outputs=encode_columns(outputs),
                latency_us=round(1e6 * (self._timer() - request.started)),
            )
        )


def _joined(requests: Sequence[Checked]) -> Arrays:
    return {name: np.concatenate([request.inputs[name] for request in requests]) for name in requests[0].inputs}


def _cut(outputs: Arrays, rows: Sequence[int]) -> list[Arrays]:
    ends = np.cumsum(rows)
    return [{name: array[end - n : end] for name, array in outputs.items()} for n, end in zip(rows, ends, strict=True)]
