"""Predict: check at the door, join what waits, one call of the model, cut apart, one log frame for each request.

What is done once a batch is cheap however many share it; what is done for each request is counted in microseconds, since at
ten thousand requests a second there are less than a hundred for everything: `make bench-serving` measures it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from itertools import accumulate

from shipway.kernel.clock import Clock, Ids, RandomIds, SystemClock
from shipway.kernel.errors import ShipwayError
from shipway.models import Predictable, join
from shipway.serve._outputs import Promise
from shipway.serve._recorder import Recorder
from shipway.serve._request import Arrays, Checked, Door, Identity, Request, Response
from shipway.store import SegmentWriter

_logger = logging.getLogger(__name__)


class ModelHung(BaseException):
    """Raised into a call of the model that takes too long, past whatever in it catches an Exception."""


class PredictionFailed(ShipwayError):
    """The model raised, or answered with other rows than it was asked for; the process's own log has the traceback."""

    code = "serve.prediction-failed"


class Predictor:
    """One model of one release. Calls may not overlap: a model is promised one thread at a time (Batcher keeps that).

    key and time: columns that a request may carry for the log alone, together `aside`. log None: nothing is logged;
    sample: the share of requests that is.
    since: when the call of the model that runs now began, by the timer, 0.0 while none does; times: when the last one
    began and ended; spent: seconds of all that have ended.
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
        sample: float = 1.0,
    ) -> None:
        self.identity, self.signature, self.log = identity, model.signature, log
        self._model, self._ids, self._timer = model, ids or RandomIds(), timer
        self.aside = (*key, time_column) if time_column else tuple(key)
        self._door, self._promise = Door(model.signature, self.aside), Promise(model.signature)
        self.since, self.times, self.spent = 0.0, (0.0, 0.0), 0.0
        self.recorder = Recorder(log, identity, model.signature, clock or SystemClock(), timer, sample=sample) if log else None

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
        """One prediction for all; when it fails, one for each, so that a bad row fails alone. Raises ModelHung alone."""
        try:
            outputs = self._outputs(requests)
        except (KeyboardInterrupt, ModelHung):
            raise
        except BaseException as problem:  # a model that calls sys.exit() ends one answer and not this process
            if len(requests) > 1:
                return [answer for request in requests for answer in self.answer([request])]
            _logger.exception("request %s: the model failed", requests[0].id)
            return [PredictionFailed(f"the model failed: {type(problem).__name__}", where=f"request {requests[0].id}")]
        logged = self.recorder.record(requests, outputs) if self.recorder else [False] * len(requests)
        who = self.identity
        return [
            Response(request.id, part, request.rows, who.release, who.deployment, who.arm, who.model_name, taken)
            for request, part, taken in zip(requests, outputs, logged, strict=True)
        ]

    def _outputs(self, requests: Sequence[Checked]) -> list[Arrays]:
        rows = [request.rows for request in requests]
        total = sum(rows)
        one = len(requests) == 1
        columns = requests[0].inputs if one else join([request.inputs for request in requests], self.signature)
        self.since = began = self._timer()
        try:
            outputs = self._model.predict(columns)
        finally:
            ended = self._timer()
            self.since, self.times = 0.0, (began, ended)
            self.spent += ended - began
        self._promise.check(outputs, total)
        return [outputs] if one else _cut(outputs, rows)


def _cut(outputs: Arrays, rows: Sequence[int]) -> list[Arrays]:
    ends = accumulate(rows)
    return [{name: array[end - n : end] for name, array in outputs.items()} for n, end in zip(rows, ends, strict=True)]
