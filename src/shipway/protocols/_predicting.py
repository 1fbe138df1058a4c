"""How a predictor is asked and answers: a body in the form of its protocol to the model and back, counted, traced, recorded.

What is done here for each request costs microseconds of the few dozen that there are: `make bench-serving` measures it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from shipway.kernel.errors import ShipwayError
from shipway.models import Signature
from shipway.protocols._figures import Figures
from shipway.protocols._http import ClientGone, Headers, MediaTypeUnknown, Receive, Reply, read_body
from shipway.protocols._mlflow import CODES, CSV, parse_invocation
from shipway.protocols._open_inference import parse_infer, render_infer
from shipway.protocols._refusals import NotHere, OriginRefused, Refusals, Say, plain_error, status_of
from shipway.protocols._split import with_arm
from shipway.protocols._traces import Trace, Tracer
from shipway.protocols._v1 import parse_predict, render_predict
from shipway.serve import Batcher, BatchHung, PredictionFailed, Request, Response, Split

if TYPE_CHECKING:
    from shipway.protocols._tables import TableReader

BODY_BYTES = 64 << 20

# none: tritonclient sends JSON without saying so; the last: what `curl -d` says of any body
_MEDIA_TYPES = (b"", b"application/json", b"application/octet-stream", b"application/x-www-form-urlencoded")
_INVOCATIONS = "/invocations"
_TABLES = (  # Arrow and Parquet, which another process reads
    b"application/vnd.apache.arrow.stream", b"application/vnd.apache.arrow.file", b"application/vnd.apache.parquet",
)  # fmt: skip
_EVENT, _EVENTS = b"ce-specversion", b"application/cloudevents+json"  # a CloudEvent by its headers, or as its body
_PACKED_BYTES = 1024  # an answer that is smaller fits in one packet anyway

Wanted = TypeVar("Wanted")
Written = TypeVar("Written")


class Wire(NamedTuple):
    """How one protocol asks and is answered. What parse gives beside the request, render gets with the response.

    media_types: that it reads; refuse: what it says of an error; apart: both block, so in a thread; release: that an address
    names.
    """

    parse: Callable[[bytes, Headers, Signature], tuple[Request, Any]]
    render: Callable[[Response, Any], Reply]
    media_types: tuple[bytes, ...] = _MEDIA_TYPES
    refuse: Say = plain_error
    apart: bool = False
    release: str | None = None


_V2, _V1 = Wire(parse_infer, render_infer), Wire(parse_predict, render_predict)


class Asked(NamedTuple, Generic[Wanted]):
    """A request of a protocol that is not HTTP, how its answer is wanted, the release that it names, and what says who asks."""

    request: Request
    wanted: Wanted
    release: str | None
    headers: Headers


class Answered(NamedTuple, Generic[Written]):
    """An answer as it goes out, what it says, and seconds that reading the request and writing the answer took."""

    written: Written
    response: Response
    decode: float
    encode: float


class Predicting:
    """One predictor's answers to requests to predict. browsers: whether pages in browsers may ask; releases: those of arms
    that a client can ask by version; body_bytes: the largest body, packed or unpacked.
    """

    def __init__(
        self,
        batcher: Batcher | Split,
        figures: Figures,
        refusals: Refusals,
        *,
        releases: tuple[str, ...],
        tracer: Tracer | None,
        browsers: bool,
        body_bytes: int,
    ) -> None:
        self._batcher, self._predictor, self._observe, self._refusals = (
            batcher,
            batcher.predictor,
            figures.requests.observe,
            refusals,
        )
        self._split = batcher if isinstance(batcher, Split) else None
        self._tracer, self._browsers, self._body_bytes = tracer, browsers, body_bytes
        self._tables: TableReader | None = None
        self.wires = self._all_wires(releases)

    def _all_wires(self, releases: tuple[str, ...]) -> Mapping[str, Wire]:
        who = self._predictor.identity
        model = f"/v2/models/{who.model_name}"
        wires = {f"{model}/infer": _V2, f"/v1/models/{who.model_name}:predict": _V1}
        for release in (who.release, *releases):
            wires[f"{model}/versions/{release}/infer"] = _V2._replace(release=release)
        parse = partial(parse_invocation, aside=self._predictor.aside)
        wires[_INVOCATIONS] = Wire(parse, render_predict, (*_MEDIA_TYPES, CSV), _mlflow_error)
        return wires

    def close(self) -> None:
        """Ends the process that reads tables."""
        if self._tables:
            self._tables.close()

    async def infer(self, wire: Wire, path: str, headers: Headers, receive: Receive) -> Reply:
        """The answer over HTTP, also when it is a refusal. Raises ClientGone alone."""
        rows, started, asked, decode, encode = 0, time.perf_counter(), None, 0.0, 0.0
        trace = self._tracer.begin(headers, started) if self._tracer else None
        try:
            media = _check_caller(headers, browsers=self._browsers)
            if media not in wire.media_types or _EVENT in headers:
                wire = self._odd_wire(wire, media)
            body = await read_body(receive, headers, limit=self._body_bytes)
            started = time.perf_counter()
            if wire.apart:
                asked, wanted = await asyncio.to_thread(wire.parse, body, headers, self._predictor.signature)
            else:
                asked, wanted = wire.parse(body, headers, self._predictor.signature)
            decoded = time.perf_counter()
            response = await self._answer(asked, trace, headers, wire.release, decoded)
            answered, rows = time.perf_counter(), response.rows
            reply = await asyncio.to_thread(wire.render, response, wanted) if wire.apart else wire.render(response, wanted)
            encoded = time.perf_counter()
            decode, encode = decoded - started, encoded - answered
            if self._split:
                reply = with_arm(reply, response)
            if trace:
                trace.answered, trace.encoded = answered, encoded
        except ClientGone:
            raise
        except Exception as problem:
            reply = self._refusals.reply(problem, wire.refuse)
            if asked is None:
                self._record_failure(problem, None, status=reply.status, started=started)
        self._observe(reply.status, time.perf_counter() - started, rows=rows, decode=decode, encode=encode)
        if trace and self._tracer:
            self._tracer.end(trace, path=path, status=reply.status, rows=rows)
        return reply if len(reply.body) < _PACKED_BYTES else await _packed(reply, headers)

    async def predict(
        self,
        read: Callable[[], Asked[Wanted]],
        write: Callable[[Response, Wanted], Written],
        headers: Headers,
        *,
        path: str,
    ) -> Answered[Written]:
        """The answer over another protocol, in its turn, traced under that path. Raises whatever went wrong."""
        started, status, rows, found = time.perf_counter(), 500, 0, None
        trace = self._tracer.begin(headers, started) if self._tracer else None
        try:
            found = read()
            decoded = time.perf_counter()
            response = await self._answer(found.request, trace, found.headers, found.release, decoded)
            answered, status, rows = time.perf_counter(), 200, response.rows
            written = write(response, found.wanted)
            encoded = time.perf_counter()
            if trace:
                trace.answered, trace.encoded = answered, encoded
            return Answered(written, response, decoded - started, encoded - answered)
        except Exception as problem:
            status = status_of(problem)
            if found is None and not isinstance(problem, NotHere):  # as over HTTP: who means another model is not ours
                self._record_failure(problem, None, status=status, started=started)
            raise
        finally:
            if trace and self._tracer:
                self._tracer.end(trace, path=path, status=status, rows=rows)

    async def _answer(
        self, request: Request, trace: Trace | None, headers: Headers, release: str | None, decoded: float
    ) -> Response:
        if trace:
            trace.decoded, trace.request = decoded, request.id or ""
        try:
            if self._split is None:
                response = await self._batcher.predict(request, trace)
            else:
                response = await self._split.predict(request, trace, headers, release)
            if trace:
                trace.request = response.id
            return response
        except Exception as problem:
            self._record_failure(problem, request, status=status_of(problem), started=decoded)
            raise

    def _record_failure(self, problem: Exception, asked: Request | None, *, status: int, started: float) -> None:
        """A request to predict was refused: in the log, where failures are logged. asked: None when it could not be read."""
        recorder = self._predictor.recorder
        if recorder is None:
            return
        code = problem.code if isinstance(problem, ShipwayError) else "internal"
        columns = asked.columns if asked and isinstance(problem, PredictionFailed | BatchHung) else None
        recorder.record_failure(columns, id=(asked and asked.id) or "", status=status, code=code, started=started)

    def _odd_wire(self, wire: Wire, media: bytes) -> Wire:
        """The same protocol in a form that is rarely asked; raises MediaTypeUnknown."""
        if media in _TABLES and CSV in wire.media_types:
            return self._table_wire(wire, media)
        if wire._replace(release=None) not in (_V1, _V2) or media not in (*wire.media_types, _EVENTS):
            raise _unknown_media(media, wire.media_types)
        from shipway.protocols._cloud_events import parse_event, render_event

        return wire._replace(
            parse=parse_event(wire.parse), render=render_event(wire.render, self._predictor.identity.model_name)
        )

    def _table_wire(self, wire: Wire, media: bytes) -> Wire:
        from shipway.protocols._tables import TableReader, check_reader

        check_reader(media)
        if self._tables is None:
            self._tables = TableReader(self._predictor.aside, limit=self._body_bytes)
        return wire._replace(parse=self._tables.parse, render=self._tables.render, apart=True)


async def _packed(reply: Reply, headers: Headers) -> Reply:
    """Packed, where the client accepts that."""
    if not (accepts := headers.get(b"accept-encoding")):
        return reply
    from shipway.protocols._packing import packed

    return await packed(reply, accepts)


def _mlflow_error(words: str, status: int) -> object:
    return {"error_code": CODES.get(status, "INTERNAL_ERROR" if status >= 500 else CODES[400]), "message": words}


def _check_caller(headers: Headers, *, browsers: bool) -> bytes:
    """The media type of the body. No pages of browsers, which always send an Origin with a POST."""
    if not browsers and (origin := headers.get(b"origin")):
        raise OriginRefused(f"a page of {origin[:100].decode('latin-1')!r} asks", mend="ask from a program, without Origin")
    return headers.get(b"content-type", b"").split(b";")[0].strip().lower()


def _unknown_media(given: bytes, media_types: tuple[bytes, ...]) -> MediaTypeUnknown:
    expected = "application/json, or application/octet-stream with binary tensors"
    expected = "application/json or text/csv" if CSV in media_types else expected
    return MediaTypeUnknown(f"Content-Type: expected {expected}, given {given[:100].decode('latin-1')!r}")
