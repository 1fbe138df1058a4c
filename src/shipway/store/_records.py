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

    columns: encoded columns of the request, model inputs with key and event time; outputs: encoded columns of the answer;
    weight: how many requests it stands for where only a share is recorded, left out when that is itself.
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
    weight: float | msgspec.UnsetType = msgspec.UNSET


class FailureRecord(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="failures"):
    """One request to predict that got no answer; a frame of no rows among those of the predictions.

    request: its id, empty when none had been read; status: HTTP's; code: of the error, `internal` for a fault of ours; columns:
    encoded, empty unless they fitted and the model failed on them.
    """

    v: int = 1
    request: str
    release: str
    deployment: str
    arm: str
    recorded: int
    status: int
    code: str
    rows: int = 0
    columns: bytes = b""
    latency_us: int


class WorkRecord(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="work"):
    """What one predictor process has done since its last such record; a frame of no rows among those of the predictions.

    rows: answered, whether logged or not; cpu_us: of the whole process, from its start on; usd: what that costs, -1 where
    no price is known.
    """

    v: int = 1
    release: str
    deployment: str
    arm: str
    recorded: int
    rows: int
    cpu_us: int
    usd: float = -1.0


class OutcomeRecord(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="outcomes"):
    """What became true: ids[i] is a prediction id, names[i] the outcome, times[i] when it happened (ISO 8601) if known.

    A correction is a later record for the same id and name. units[i]: what the value is counted in, left out when none has one.
    entities[i]: of whom it is where ids[i] is empty, left out when every row has an id.
    """

    v: int = 1
    recorded: int
    rows: int
    ids: list[str]
    names: list[str]
    values: list[float]
    times: list[str | None]
    units: list[str | None] | msgspec.UnsetType = msgspec.UNSET
    entities: list[str | None] | msgspec.UnsetType = msgspec.UNSET


class CallSpan(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One layer of a call (`embed`, `dense`, `text`, `prompt`, `model`, `cache`): microseconds from the call's start, how
    long, and how it went: `ok`, `timeout`, `error`, `skipped`.
    """

    layer: str
    start_us: int
    took_us: int
    status: str


class CallRecord(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="calls"):
    """One call through the gateway, refused ones too; no text of anybody is in it.

    release, deployment: empty for a plain pass-through; key: the name of the caller's key, not the key; status: HTTP's;
    cache: `none`, `exact`, `semantic`; cached and written are part of input_tokens; usd: what it cost, saved_usd: what a
    cache kept it from costing; prices: digest of the price table; ttft_us: to the first token, per_token_us: between
    tokens, -1 where there was no stream; degraded: layers that were down.
    """

    v: int = 1
    id: str
    recorded: int
    rows: int = 1
    application: str
    release: str
    deployment: str
    provider: str
    model: str
    key: str
    status: int
    error: str = ""
    finish: str = ""
    cache: str = "none"
    stream: bool = False
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    written_tokens: int = 0
    estimated: bool = False
    usd: float = 0.0
    saved_usd: float = 0.0
    prices: str = ""
    latency_us: int = 0
    ttft_us: int = -1
    per_token_us: int = -1
    retries: int = 0
    index: str = ""
    degraded: list[str] = []
    spans: list[CallSpan] = []


LogRecord = PredictionRecord | FailureRecord | WorkRecord | OutcomeRecord | CallRecord

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
