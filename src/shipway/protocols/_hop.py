"""An arm in a process of its own: requests to it over HTTP on loopback, as Open Inference with binary tensors, and its answers.

A client of a few lines, because a predictor's environment has no library for it: HTTP/1.1, kept connections, one request on
each at a time. What goes wrong on the way is one error, and who asked has the live release answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import msgspec

from shipway.kernel.errors import ShipwayError
from shipway.models import Column
from shipway.protocols._tensors import binary_data, parse_binary_tensor, parse_json_tensor, wire_datatype
from shipway.serve import ArmDown, Identity, PredictionFailed, Request, Response, Timed

_IDLE = 16  # connections that are kept
_LENGTH = b"inference-header-content-length"


class _Parameters(msgspec.Struct):
    binary_data_size: int | None = None


class _Output(msgspec.Struct):
    name: str
    datatype: str
    shape: list[int]
    parameters: _Parameters = msgspec.field(default_factory=_Parameters)
    data: msgspec.Raw = msgspec.Raw()


class _Answer(msgspec.Struct):
    outputs: list[_Output]


_answers = msgspec.json.Decoder(_Answer)
_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Hop:
    """The predictor at a URL of this machine. who: what it is, as its answers do not say all of it; outputs: those wanted."""

    def __init__(self, url: str, who: Identity, outputs: Sequence[Column]) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._who = parts.hostname or "", parts.port or 80, who
        self._head = f"POST /v2/models/{who.model_name}/infer HTTP/1.1\r\nhost: {parts.netloc}\r\n".encode()
        self._idle: list[_Connection] = []
        self._wanted = [{"name": column.name, "parameters": {"binary_data": column.datatype != "BYTES"}} for column in outputs]

    async def predict(self, request: Request, timed: Timed | None = None) -> Response:
        """Its answer, timed from sending to reading; raises ArmDown, and PredictionFailed where it answers with an error."""
        if timed:
            timed.model_began = time.perf_counter()
        body, head = await self._ask(self._message(request), timed.context if timed else b"")
        if timed:
            timed.model_ended = time.perf_counter()
        try:
            answer = _answers.decode(body[:head])
            outputs, at = {}, head
            for output in answer.outputs:
                size = output.parameters.binary_data_size
                if size is None:
                    outputs[output.name] = parse_json_tensor(output.name, output.datatype, output.shape, output.data)
                else:
                    data = memoryview(body)[at : at + size]
                    outputs[output.name] = parse_binary_tensor(output.name, output.datatype, output.shape, data)
                    at += size
        except (msgspec.DecodeError, ShipwayError) as problem:
            raise ArmDown(f"arm {self._who.arm} answers what cannot be read: {problem}") from problem
        rows, who = len(next(iter(outputs.values()), ())), self._who
        return Response(str(request.id), outputs, rows, who.release, who.deployment, who.arm, who.model_name, logged=True)

    async def tell(self, request: Request) -> float:
        """Ask and look at nothing but whether it answered; the seconds that this kept the event loop. Raises as predict."""
        begun = time.perf_counter()
        message = self._message(request)
        spent = time.perf_counter() - begun
        await self._ask(message)
        return 2 * spent + 0.0001  # and about as much again for sending and for what comes back

    def _message(self, request: Request) -> tuple[bytes, int]:
        """Numbers as their bits, texts as JSON, where one may be missing; and how much of it is JSON."""
        inputs, tail = [], []
        for name, array in request.columns.items():
            datatype = wire_datatype(array)
            tensor: dict[str, object] = {"name": name, "shape": [len(array)], "datatype": datatype}
            if datatype == "BYTES":
                tensor["data"] = array.tolist()
            else:
                tail.append(binary_data(array))
                tensor["parameters"] = {"binary_data_size": len(tail[-1])}
            inputs.append(tensor)
        text = msgspec.json.encode({"id": request.id, "inputs": inputs, "outputs": self._wanted})
        return b"".join((text, *tail)), len(text)

    async def _ask(self, message: tuple[bytes, int], context: bytes = b"") -> tuple[bytes, int]:
        """The body of the answer and how much of it is JSON. context: of the trace that it is part of."""
        body, head = message
        traced = b"traceparent: " + context + b"\r\n" if context else b""
        lengths = traced + f"content-length: {len(body)}\r\n{_LENGTH.decode()}: {head}\r\n\r\n".encode()
        kept = bool(self._idle)
        try:
            reader, writer = self._idle.pop() if kept else await asyncio.open_connection(self._host, self._port)
        except OSError as problem:
            raise ArmDown(f"arm {self._who.arm} does not answer: {problem.strerror}") from problem
        try:
            writer.write(b"".join((self._head, lengths, body)))
            status, headers = _status(await reader.readuntil(b"\r\n\r\n"))
            given = await reader.readexactly(int(headers.get(b"content-length", b"0")))
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as problem:
            writer.close()
            if kept:  # its other end may have closed it while it lay here: another one tells
                return await self._ask(message, context)
            raise ArmDown(f"arm {self._who.arm} does not answer: {type(problem).__name__}") from problem
        except BaseException:  # nobody waits any more, and the answer is still to come
            writer.close()
            raise
        if headers.get(b"connection", b"").lower() == b"close" or len(self._idle) >= _IDLE:
            writer.close()
        else:
            self._idle.append((reader, writer))
        if status != 200:
            raise PredictionFailed(f"arm {self._who.arm} answers with {status}: {given[:200].decode(errors='replace')}")
        return given, int(headers.get(_LENGTH, len(given)))


def _status(head: bytes) -> tuple[int, Mapping[bytes, bytes]]:
    first, *lines = head.split(b"\r\n")
    pairs = (line.partition(b":") for line in lines if line)
    return int(first.split(b" ", 2)[1]), {name.lower(): value.strip() for name, _, value in pairs}
