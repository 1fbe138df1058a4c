"""Answered requests to frames of the prediction log: one frame for each, one visit to the log for a batch.

What must stay cheap: a request of one row of numbers is packed in one call, for thousands come a second. Everything else goes
the general way, with the same bytes.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
import numpy as np

from shipway.kernel.clock import Clock
from shipway.kernel.errors import ShipwayError
from shipway.models import DATATYPES, Column, Matrix, RowEncoder, Rows, Signature, encode_columns
from shipway.serve._request import Arrays, Checked, Identity
from shipway.store import FailureRecord, PredictionRecord, SegmentWriter, WorkRecord, encode_record

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_logger = logging.getLogger(__name__)


FAILURES = 100  # a second: what somebody sends who means harm does not fill the log


class _Done(NamedTuple):
    rows: int
    cpu_seconds: float


class Recorder:
    """Records what a predictor has answered in its log; timer: the one that the requests were started by.

    sample: the share of the requests that is recorded, by their ids; left_out: rows of the others.
    """

    def __init__(
        self,
        log: SegmentWriter,
        identity: Identity,
        signature: Signature,
        clock: Clock,
        timer: Callable[[], float],
        *,
        sample: float = 1.0,
    ) -> None:
        self.left_out = self.rows = self.unrecorded = 0
        self._told = _Done(0, 0.0)  # what work records have said so far
        self._second, self._failures = 0, 0
        self._sample, self._weight = sample, 1 / sample if sample < 1 else msgspec.UNSET
        self._log, self._identity, self._clock, self._timer = log, identity, clock, timer
        self._inputs = RowEncoder(signature.inputs) if signature.inputs else None
        self._outputs = _encoder(signature.outputs)
        self._answers = {column.name: np.dtype(DATATYPES[column.datatype]) for column in signature.outputs}

    def record(self, requests: Sequence[Checked], outputs: Sequence[Arrays]) -> list[bool]:
        """Which of the requests the log has taken. A record that cannot be made costs the record, not the answer."""
        recorded, ended = self._now(), self._timer()
        records: list[tuple[bytes, int]] = []
        places = []
        for place, (request, answer) in enumerate(zip(requests, outputs, strict=True)):
            if request.rows == 0:
                continue
            if self._sample < 1 and not sampled(request.id, self._sample):
                self.left_out += request.rows
                continue
            try:
                records.append((self._encoded(request, answer, recorded, ended), request.rows))
            except ShipwayError:
                _logger.exception("request %s: not logged", request.id)
                continue
            places.append(place)
        self.rows += sum(request.rows for request in requests)
        logged = [False] * len(requests)
        for place, taken in zip(places, self._log.append_all(records), strict=True):
            logged[place] = taken
        return logged

    def record_failure(self, columns: Arrays | None, *, id: str, status: int, code: str, started: float) -> None:
        """Records a request without an answer; of more than FAILURES in a second the others are only counted.

        columns: where they fitted and the model failed on them.
        """
        recorded = self._now()
        if self._second != recorded // 1_000_000:
            self._second, self._failures = recorded // 1_000_000, 0
        self._failures += 1
        if self._failures > FAILURES:
            self.unrecorded += 1
            return
        who = self._identity
        typed = b""
        if columns is not None:
            with suppress(ShipwayError):
                typed = encode_columns(columns)
        record = FailureRecord(
            request=id,
            release=who.release,
            deployment=who.deployment,
            arm=who.arm,
            recorded=recorded,
            status=status,
            code=code,
            columns=typed,
            latency_us=round(1e6 * (self._timer() - started)),
        )
        self._log.append(encode_record(record), 0)

    def record_work(self, cpu_seconds: float, usd_per_hour: float | None) -> None:
        """Records what was done since the last time, if anything was. cpu_seconds: of this process, since it began."""
        rows, cpu = self.rows - self._told.rows, cpu_seconds - self._told.cpu_seconds
        if not rows:
            return
        self._told = _Done(self.rows, cpu_seconds)
        who = self._identity
        usd = -1.0 if usd_per_hour is None else cpu * usd_per_hour / 3600
        record = WorkRecord(
            release=who.release,
            deployment=who.deployment,
            arm=who.arm,
            recorded=self._now(),
            rows=rows,
            cpu_us=round(1e6 * cpu),
            usd=usd,
        )
        self._log.append(encode_record(record), 0)

    def _now(self) -> int:
        return (self._clock.now() - _EPOCH) // _MICROSECOND

    def _encoded(self, request: Checked, outputs: Arrays, recorded: int, ended: float) -> bytes:
        who = self._identity
        return encode_record(
            PredictionRecord(
                request=request.id,
                release=who.release,
                deployment=who.deployment,
                arm=who.arm,
                recorded=recorded,
                rows=request.rows,
                columns=self._encoded_inputs(request),
                outputs=self._encoded_outputs(request.rows, outputs),
                latency_us=round(1e6 * (ended - request.started)),
                weight=self._weight,
            )
        )

    def _encoded_inputs(self, request: Checked) -> bytes:
        logged = request.logged
        if request.rows == 1 and self._inputs:
            if isinstance(logged, Matrix):
                return self._inputs.encode_reals(logged.array[0].tolist())
            if isinstance(logged, Rows):
                with suppress(UnicodeEncodeError):
                    return self._inputs.encode(logged.values_by_row[0])
        return encode_columns(logged)

    def _encoded_outputs(self, rows: int, outputs: Arrays) -> bytes:
        if rows == 1 and self._outputs and {name: array.dtype for name, array in outputs.items()} == self._answers:
            return self._outputs.encode([array.item() for array in outputs.values()])
        return encode_columns(outputs)


def sampled(id: str, share: float) -> bool:
    """Whether a request of this id is among the share: the same everywhere and always; who is in 1 % is in 10 %.

    >>> [sampled("r-1", share) for share in (0.0, 0.1, 1.0)]
    [False, False, True]
    """
    digest = hashlib.blake2b(id.encode(errors="surrogatepass"), digest_size=8, person=b"shipway-log").digest()
    return int.from_bytes(digest, "big") < share * 2**64


def _encoder(columns: Sequence[Column]) -> RowEncoder | None:
    """None where a column has no fixed width."""
    numeric = columns and all(column.datatype != "BYTES" for column in columns)
    return RowEncoder(columns) if numeric else None
