"""Which of several releases answers a request: the arm of its unit, the live one where that fails, a shadow besides.

Stands before the Batcher of the live release where there are arms, and nowhere else: one release alone pays nothing for it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from shipway.kernel.clock import Ids, RandomIds
from shipway.kernel.errors import ShipwayError
from shipway.kernel.split import BUCKETS, LIVE, SHADOW, Ranges, bucket_of, share_of
from shipway.models import Array
from shipway.serve._batch import Batcher, BatchHung, Overloaded, Replaced, Spent, Timed
from shipway.serve._predictor import PredictionFailed, Predictor
from shipway.serve._request import Request, Response
from shipway.serve._shadow import Shadow

ARM_HEADER = b"x-shipway-arm"  # who splits before us says by it which arm it shall be; an answer says which it was
ARM_SECONDS = 5.0  # an arm that takes longer does not answer, and the live release does
DOWN_SECONDS = 1.0  # an arm that is not there is asked again after so long
SLOW_SECONDS = 30.0  # and one that did not answer in its time
_NO_HEADERS: Mapping[bytes, bytes] = {}


class ArmDown(ShipwayError):
    """An arm in a process of its own does not answer; the live release does instead."""

    code = "serve.arm-down"
    retry = True


_FAILURES = (PredictionFailed, Overloaded, BatchHung, Replaced, ArmDown, TimeoutError)


class Answering(Protocol):
    """What answers requests: a Batcher, or another process."""

    async def predict(self, request: Request, timed: Timed | None = None) -> Response: ...


@dataclass(slots=True)
class SplitArm:
    """A release beside the live one. answers: None where it could not be loaded; takes: the columns that it may be given."""

    name: str
    release: str
    ranges: Ranges
    answers: Answering | None
    takes: frozenset[str]
    down_until: float = 0.0

    @property
    def share(self) -> float:
        return share_of(self.ranges)


class Split:
    """Answers as a Batcher does. shadow: what asks the arm of that name besides; counts: requests by arm, and what became of
    them.
    """

    def __init__(
        self,
        live: Batcher,
        arms: Sequence[SplitArm],
        *,
        salt: str,
        unit: str,
        shadow: Shadow | None = None,
        ids: Ids | None = None,
    ) -> None:
        self.live, self.arms, self.shadow = live, tuple(arms), shadow
        self.predictor: Predictor = live.predictor
        self.counts: Counter[tuple[str, str]] = Counter()
        self._salt, self._ids, self._kind, self._unit = salt, ids or RandomIds(), *_unit(unit)
        self._names = {arm.name.encode(): arm for arm in arms if arm.name != SHADOW} | {LIVE.encode(): None}
        self._releases = {arm.release: arm for arm in arms if arm.name != SHADOW} | {self.predictor.identity.release: None}
        self._table = _table(arm for arm in arms if arm.name != SHADOW)
        self._shadowed = _table(arm for arm in arms if arm.name == SHADOW)
        self._outputs = [column.name for column in self.predictor.signature.outputs]

    @property
    def queued_rows(self) -> int:
        return sum(one.queued_rows for one in self.here)

    @property
    def calls(self) -> int:
        return sum(one.calls for one in self.here)

    @property
    def spent(self) -> Spent:
        each = [one.spent for one in self.here]
        return Spent(sum(one.queue for one in each), sum(one.model for one in each), max(one.last for one in each))

    @property
    def here(self) -> list[Batcher]:
        """What answers in this process, the live release first."""
        return [self.live, *(arm.answers for arm in self.arms if isinstance(arm.answers, Batcher))]

    async def predict(
        self,
        request: Request,
        timed: Timed | None = None,
        headers: Mapping[bytes, bytes] = _NO_HEADERS,
        release: str | None = None,
    ) -> Response:
        """The answer of the arm whose turn it is; release: of this one, whoever's turn it is. Raises as Batcher.predict."""
        request = Request(request.id or self._ids.new(), request.columns)
        unit = self._unit_of(request, headers)
        beside = self._shadowed[bucket_of(f"{self._salt}/shadow", unit or b"")]
        if self.shadow and beside and unit is not None:
            self.shadow.ask(_fitting(request, beside))
        arm = self._arm(unit, headers, release)
        if arm is None:
            response = await self.live.predict(request, timed)
        else:
            response = await self._of_arm(arm, request, timed)
        self.counts[response.arm, "answered"] += 1
        return response

    def close(self) -> None:
        """Ends the worker threads of this process."""
        for one in self.here:
            one.close()

    def _arm(self, unit: bytes | None, headers: Mapping[bytes, bytes], release: str | None) -> SplitArm | None:
        if release is not None:
            return self._releases.get(release)
        named = headers.get(ARM_HEADER)
        if named is not None and named in self._names:  # one that is not there any more is split as if nobody had said
            return self._names[named]
        return self._table[bucket_of(self._salt, unit)] if unit is not None else None

    async def _of_arm(self, arm: SplitArm, request: Request, timed: Timed | None) -> Response:
        if arm.answers is not None and time.monotonic() >= arm.down_until:
            started = time.perf_counter()
            try:
                async with asyncio.timeout(ARM_SECONDS):
                    response = await arm.answers.predict(_fitting(request, arm), timed)
                if response.outputs.keys() == {*self._outputs}:
                    return response
                return replace(response, outputs={name: response.outputs[name] for name in self._outputs})
            except _FAILURES as problem:
                if isinstance(problem, ArmDown | TimeoutError):
                    pause = DOWN_SECONDS if isinstance(problem, ArmDown) else SLOW_SECONDS
                    arm.down_until = time.monotonic() + pause
                _record(arm, request, problem, started)
        response = replace(await self.live.predict(request, timed), instead=arm.name)  # or says what is wrong with the request
        self.counts[arm.name, "failed"] += 1
        return response

    def _unit_of(self, request: Request, headers: Mapping[bytes, bytes]) -> bytes | None:
        """The key that is hashed: the request's own id where it has no other; None where the rows are of several units."""
        if self._kind == "header" and (given := headers.get(self._unit.encode())):
            return given
        if self._kind == "column" and self._unit in request.columns:
            values = {*_values(request.columns[self._unit])}
            return str(values.pop()).encode() if len(values) == 1 else None
        return str(request.id).encode()


def _record(arm: SplitArm, request: Request, problem: Exception, started: float) -> None:
    """Into the log of an arm in this process; any other has a log of its own."""
    recorder = arm.answers.predictor.recorder if isinstance(arm.answers, Batcher) else None
    if recorder is not None:
        code = problem.code if isinstance(problem, ShipwayError) else ArmDown.code
        columns = _fitting(request, arm).columns
        recorder.record_failure(columns, id=str(request.id), status=500, code=code, started=started)


def _values(column: Array) -> list[object]:
    found: list[object] = column.tolist()
    return found


def _unit(text: str) -> tuple[str, str]:
    kind, _, name = text.partition(":")
    return kind, name


def _table(arms: Iterable[SplitArm]) -> list[SplitArm | None]:
    """The arm of each bucket, None: the live one."""
    table: list[SplitArm | None] = [None] * BUCKETS
    for arm in arms:
        for start, end in arm.ranges:
            table[start:end] = [arm] * (end - start)
    return table


def _fitting(request: Request, arm: SplitArm) -> Request:
    """The request with those columns alone that the arm takes."""
    if request.columns.keys() <= arm.takes:
        return request
    return Request(request.id, {name: array for name, array in request.columns.items() if name in arm.takes})
