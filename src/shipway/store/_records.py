"""The payloads of log frames: MessagePack maps, one type per kind of log, each with its kind and version inside.

Columns are opaque bytes here (the models room owns their codec). A reader ignores fields it does not know; what a
version means never changes, so a frame of a newer version is refused. Times are microseconds of the Unix epoch, UTC.
"""

from __future__ import annotations

import msgspec

from shipway.kernel.errors import ShipwayError


class RecordForeign(ShipwayError):
    """A log frame that is no record of ours, or of a version that this release of Shipway does not know."""

    code = "store.record-foreign"


class PredictionRecord(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="predictions"):
    """One answered request; row i of it is the prediction `<request>:<i>`.

    columns: encoded columns of the request, model inputs with key and event time; outputs: encoded columns of the answer.
    """

    v: int = 1
    request: str
    release: str
    deployment: str
    arm: str
    recorded: int
    rows: int
    columns: bytes
    outputs: bytes
    latency_us: int


class OutcomeRecord(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="outcomes"):
    """What became true: ids[i] is a prediction id, names[i] the outcome, times[i] when it happened (ISO 8601) if known.

    A correction is a later record for the same id and name.
    """

    v: int = 1
    recorded: int
    rows: int
    ids: list[str]
    names: list[str]
    values: list[float]
    times: list[str | None]


LogRecord = PredictionRecord | OutcomeRecord

_encode = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[LogRecord] = msgspec.msgpack.Decoder(LogRecord)


def encode_record(record: LogRecord) -> bytes:
    """The payload of a frame."""
    return _encode(record)


def decode_record(payload: bytes) -> LogRecord:
    """The record in a frame's payload; raises RecordForeign.

    >>> late = OutcomeRecord(recorded=0, rows=1, ids=["r:0"], names=["late"], values=[1.0], times=[None])
    >>> decode_record(encode_record(late)) == late
    True
    """
    try:
        record = _decoder.decode(payload)
    except msgspec.DecodeError as problem:  # ValidationError is one
        raise RecordForeign(f"not a log record: {problem}") from problem
    if record.v != 1:
        raise RecordForeign(f"a log record of version {record.v}", mend="read it with a newer Shipway")
    return record
