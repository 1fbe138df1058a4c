"""Answered requests to frames of the prediction log: one frame for each, one visit to the log for a batch.

What must stay cheap: a request of one row of numbers is packed in one call, for thousands come a second. Everything else goes
the general way, with the same bytes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from shipway.kernel.clock import Clock
from shipway.kernel.errors import ShipwayError
from shipway.models import DATATYPES, Column, Matrix, RowEncoder, Signature, encode_columns
from shipway.serve._request import Arrays, Checked, Identity
from shipway.store import PredictionRecord, SegmentWriter, encode_record

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_logger = logging.getLogger(__name__)


class Recorder:
    """Records what a predictor has answered in its log; timer: the one that the requests were started by."""

    def __init__(
        self, log: SegmentWriter, identity: Identity, signature: Signature, clock: Clock, timer: Callable[[], float]
    ) -> None:
        self._log, self._identity, self._clock, self._timer = log, identity, clock, timer
        self._inputs = _encoder(signature.inputs) if signature.real else None
        self._outputs = _encoder(signature.outputs)
        self._answers = [(column.name, DATATYPES[column.datatype]) for column in signature.outputs]

    def record(self, requests: Sequence[Checked], outputs: Sequence[Arrays]) -> list[bool]:
        """Which of the requests the log has taken. A record that cannot be made costs the record, not the answer."""
        recorded, ended = (self._clock.now() - _EPOCH) // _MICROSECOND, self._timer()
        records: list[tuple[bytes, int]] = []
        places = []
        for place, (request, answer) in enumerate(zip(requests, outputs, strict=True)):
            if request.rows == 0:
                continue
            try:
                records.append((self._encoded(request, answer, recorded, ended), request.rows))
            except ShipwayError:
                _logger.exception("request %s: not logged", request.id)
                continue
            places.append(place)
        logged = [False] * len(requests)
        for place, taken in zip(places, self._log.append_all(records), strict=True):
            logged[place] = taken
        return logged

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
            )
        )

    def _encoded_inputs(self, request: Checked) -> bytes:
        if request.rows == 1 and self._inputs and isinstance(request.logged, Matrix):
            return self._inputs.encode(request.logged.array[0].tolist())
        return encode_columns(request.logged)

    def _encoded_outputs(self, rows: int, outputs: Arrays) -> bytes:
        if rows == 1 and self._outputs and [(name, array.dtype.str) for name, array in outputs.items()] == self._answers:
            return self._outputs.encode([array.item() for array in outputs.values()])
        return encode_columns(outputs)


def _encoder(columns: Sequence[Column]) -> RowEncoder | None:
    """None where a column has no fixed width."""
    numeric = columns and all(column.datatype != "BYTES" for column in columns)
    return RowEncoder(columns) if numeric else None
