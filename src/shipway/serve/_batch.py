"""Who goes to the model next: whatever is queued when it is free, never waiting for company.

Requests that arrive in one turn of the event loop share one prediction. A call expected to be slow goes to a worker thread,
so that health stays answered; meanwhile others queue, and beyond the bound they are told when to come back.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

from shipway.kernel.errors import ShipwayError
from shipway.serve._predictor import ModelHung, PredictionFailed, Predictor
from shipway.serve._request import Checked, Request, Response

LARGE_ROWS = 256  # a request of so many rows gains nothing from company, and would make the company wait
BATCH_ROWS = 1024
INLINE_SECONDS = 0.02  # the longest that a prediction may keep the event loop from answering a health probe

Answers = list[Response | PredictionFailed]


class Overloaded(ShipwayError):
    """The queue before the model is full; `after` is in how many seconds there should be room."""

    code = "serve.overloaded"
    retry = True

    def __init__(self, queued: int, *, after: int) -> None:
        super().__init__(f"{queued} rows wait for the model already", mend=f"try again in {after} s")
        self.after = after


class BatchHung(ShipwayError):
    """A call of the model took longer than its deployment allows; the process is replaced."""

    code = "serve.batch-hung"
    retry = True

    def __init__(self) -> None:
        super().__init__(
            "the model did not answer in its time", mend="`limits: {batch: 2m}` of the deployment, if it needs more"
        )


class Replaced(ShipwayError):
    """This process answers nothing any more because its model hangs; another one takes its place."""

    code = "serve.replaced"
    retry = True

    def __init__(self) -> None:
        super().__init__("this predictor is being replaced", mend="try again in 1 s")
        self.after = 1


class Cost(NamedTuple):
    """What a prediction takes: seconds for a call and for each row more."""

    call: float
    row: float

    def seconds(self, rows: int) -> float:
        """
        >>> Cost(call=0.001, row=0.0001).seconds(10)
        0.002
        """
        return self.call + rows * self.row


class Timed(Protocol):
    """Whoever wants to know when the model had a request: began and ended by time.perf_counter. context: what another process
    that is asked for it is told, as W3C's `traceparent`.
    """

    model_began: float
    model_ended: float

    @property
    def context(self) -> bytes: ...


class Spent(NamedTuple):
    """Seconds that answered requests waited for the model, and that the calls took which they were part of, each counting the
    whole call; when the last call ended, by time.perf_counter, 0.0 before the first.
    """

    queue: float
    model: float
    last: float


class _Waiting(NamedTuple):
    request: Checked
    answer: asyncio.Future[Response]
    timed: Timed | None = None


class Batcher:
    """Feeds one predictor from one event loop. queue_rows bounds what waits; one request may always wait.

    calls: how many batches the model was given.
    """

    def __init__(self, predictor: Predictor, cost: Cost, *, queue_rows: int = 100_000) -> None:
        self.predictor, self.queued_rows, self.calls = predictor, 0, 0
        self._cost, self._limit = cost, queue_rows
        self._queued = self._asked = 0.0
        self._queue: deque[_Waiting] = deque()
        self._thread = ThreadPoolExecutor(1, "predict")
        self.busy = False  # whether the thread has the model
        self._loop: asyncio.AbstractEventLoop | None = None  # of a call on the thread
        self._current: Sequence[_Waiting] = ()  # whom the thread works for
        self.on_hang: Callable[[], None] = lambda: None  # told, in the loop, when a call was given up
        self.hung = False

    @property
    def spent(self) -> Spent:
        return Spent(self._queued, self._asked, self.predictor.times[1])

    async def predict(self, request: Request, timed: Timed | None = None) -> Response:
        """The answer, in its turn; raises InputMismatch, Overloaded, PredictionFailed, BatchHung, Replaced."""
        checked = self.predictor.check(request)
        if self.hung:
            raise Replaced
        if self._queue and self.queued_rows + checked.rows > self._limit:
            raise Overloaded(self.queued_rows, after=max(1, math.ceil(self._cost.seconds(self.queued_rows))))
        loop = asyncio.get_running_loop()
        waiting = _Waiting(checked, loop.create_future(), timed)
        if not self.busy and not self._queue:
            loop.call_soon(self._gather, 0)  # after the other requests that this turn of the loop decodes
        self._queue.append(waiting)
        self.queued_rows += checked.rows
        return await waiting.answer

    def close(self) -> None:
        """Ends the worker thread, unless its model hangs."""
        self._thread.shutdown(wait=not self.hung)

    def give_up_soon(self) -> bool:
        """From another thread: whether the call that runs is on a thread, and given up in the loop, which is free."""
        if self.busy and self._loop:
            self._loop.call_soon_threadsafe(self.give_up)
        return self.busy

    def give_up(self) -> None:
        """The call that runs is not waited for any more, nor is anything else asked of this model."""
        if self.hung:
            return
        self.hung = True
        for waiting in self._current:
            _fail(waiting, BatchHung())
        for waiting in self._queue:
            _fail(waiting, Replaced())
        self._current, self.queued_rows = (), 0
        self._queue.clear()
        self.on_hang()

    def _gather(self, seen: int) -> None:
        """Begins once a turn of the loop has brought nothing more: what is on the sockets already comes along. Nobody waits for
        what is not there, and for no more than a batch: a call of scikit-learn costs as much as forty rows more of it.
        """
        if seen < len(self._queue) and self.queued_rows < BATCH_ROWS:
            asyncio.get_running_loop().call_soon(self._gather, len(self._queue))
        else:
            self._next()

    def _next(self) -> None:
        """The model is free: the next batch, here if that is quick, on the thread otherwise."""
        batch = self._take()
        if not batch:
            return
        self.calls += 1
        loop = asyncio.get_running_loop()
        checked = [waiting.request for waiting in batch]
        if self._cost.seconds(sum(request.rows for request in checked)) > INLINE_SECONDS:
            self.busy, self._current, self._loop = True, batch, loop
            future = loop.run_in_executor(self._thread, self.predictor.answer, checked)
            future.add_done_callback(lambda done: self._free(batch, done))
            return
        if self._queue:
            loop.call_soon(self._gather, 0)
        try:
            answers = self.predictor.answer(checked)
        except ModelHung:
            self._current = batch
            self.give_up()
        else:
            self._settle(batch, answers)

    def _free(self, batch: Sequence[_Waiting], done: asyncio.Future[Answers]) -> None:
        if self.hung:  # it has come back after all, too late
            return
        self.busy, self._current = False, ()
        self._settle(batch, done.result())
        self._next()

    def _settle(self, batch: Sequence[_Waiting], answers: Answers) -> None:
        began, ended = self.predictor.times
        answered, came = 0, 0.0
        for waiting, answer in zip(batch, answers, strict=True):
            if waiting.timed is not None:
                waiting.timed.model_began, waiting.timed.model_ended = began, ended
            if waiting.answer.done():  # its client is gone
                continue
            if isinstance(answer, PredictionFailed):
                waiting.answer.set_exception(answer)
            else:
                waiting.answer.set_result(answer)
                answered += 1
                came += waiting.request.started
        self._queued += answered * began - came
        self._asked += answered * (ended - began)

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        rows = 0
        while self._queue:
            size = self._queue[0].request.rows
            if batch and (size >= LARGE_ROWS or rows + size > BATCH_ROWS):
                break
            waiting = self._queue.popleft()
            if waiting.answer.done():  # its client is gone, or its deadline
                self.queued_rows -= size
                continue
            batch.append(waiting)
            rows += size
            if size >= LARGE_ROWS:
                break
        self.queued_rows -= rows
        return batch


def _fail(waiting: _Waiting, problem: ShipwayError) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(problem)
