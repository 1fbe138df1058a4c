"""The methods of a predictor over gRPC: Open Inference v2, health, reflection. They say what HTTP says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from shipway.kernel.errors import ShipwayError
from shipway.protocols._app import PredictorApp
from shipway.protocols._grpc_call import Call, Method, Room
from shipway.protocols._grpc_infer import Reader, Wanted, fill_response, response_bytes, said_headers
from shipway.protocols._grpc_messages import INFERENCE, kind_of, kinds, message_bytes, parse_message
from shipway.protocols._grpc_reflection import reflect
from shipway.protocols._grpc_status import CallFailed
from shipway.protocols._http import Headers
from shipway.protocols._http2_frames import header_block
from shipway.protocols._predicting import Answered, Asked
from shipway.protocols._split import RELEASE_HEADER, arm_headers
from shipway.serve import Overloaded, Response

Written = TypeVar("Written")

_HEALTH = "grpc.health.v1.Health"
_SERVING, _NOT_SERVING, _SERVICE_UNKNOWN = 1, 2, 3
_AT_ONCE = 64  # requests of one stream that are on their way to the model
_HELD = 4  # largest messages that incomplete ones may hold together


class GrpcService:
    """What gRPC is asked of one predictor. It is the host of all calls."""

    def __init__(self, app: PredictorApp) -> None:
        self._app, self._who, self._pages = app, app.predictor.identity, app.pages
        self._reader = Reader(app.predictor.signature, splits=app.splits)
        self.observe = app.figures.requests.observe
        self.room = Room(app.body_bytes, _HELD * app.body_bytes)
        self.head = _head([(RELEASE_HEADER, self._who.release.encode())])
        self._request, self._response = kind_of("ModelInferRequest"), kind_of("ModelInferResponse")
        self._part = kind_of("ModelStreamInferResponse")
        self._serves = {"", INFERENCE, self._who.model_name}
        self._draining = asyncio.Event()
        self._methods = self._all_methods()

    def method(self, path: bytes) -> Method | None:
        """By `/package.Service/Method`."""
        return self._methods.get(path)

    def refused(self, problem: Exception) -> CallFailed:
        """How what went wrong is told: as over HTTP."""
        if isinstance(problem, CallFailed):
            return problem
        after = problem.after if isinstance(problem, Overloaded) else None
        return CallFailed(*self._app.refusals.told(problem), after=after)

    def drain(self) -> None:
        """Whoever watches its health is told that it ends."""
        self._draining.set()

    @property
    def leaves(self) -> bool:
        """Whether it serves nobody new."""
        return self._draining.is_set()

    def stay(self) -> None:
        """It serves, from now on or again."""
        self._draining = asyncio.Event()

    def _all_methods(self) -> dict[bytes, Method]:
        named: dict[str, Method] = {f"{INFERENCE}/{name}": Method(answer) for name, answer in self._all_pages().items()}
        named[f"{INFERENCE}/ModelInfer"] = Method(predict=self._infer)
        named[f"{INFERENCE}/ModelStreamInfer"] = Method(converse=self._infer_stream)
        for name in ("RepositoryModelLoad", "RepositoryModelUnload"):
            named[f"{INFERENCE}/{name}"] = Method(_refuse_load)
        for name in ("SystemSharedMemory", "CudaSharedMemory"):
            named |= {f"{INFERENCE}/{name}{what}": Method(_no_region(f"{name}{what}")) for what in ("Status", "Unregister")}
        named[f"{_HEALTH}/Check"] = Method(self._check)
        named[f"{_HEALTH}/Watch"] = Method(converse=self._watch)
        for version in ("v1", "v1alpha"):
            service = f"grpc.reflection.{version}.ServerReflection"
            named[f"{service}/ServerReflectionInfo"] = Method(converse=reflect(version))
        return {f"/{name}".encode(): method for name, method in named.items()}

    def _all_pages(self) -> dict[str, Callable[[bytes, Call], bytes]]:
        """Methods whose answer is a page of HTTP in the names of fields."""
        pages = self._pages
        server = {"ServerLive": {"live": True}, "ServerReady": {"ready": True}, "ServerMetadata": pages.server()}
        found = {name: self._fixed(name, page) for name, page in server.items()}
        found["ModelReady"] = self._of_model("ModelReady", lambda: {"ready": True})
        found["ModelMetadata"] = self._of_model("ModelMetadata", pages.model)
        found["ModelConfig"] = self._of_model("ModelConfig", lambda: {"config": pages.config()})
        found["ModelStatistics"] = self._of_model("ModelStatistics", pages.statistics)
        found["RepositoryIndex"] = self._fixed("RepositoryIndex", {"models": pages.index()})
        return found

    def _fixed(self, method: str, page: object) -> Callable[[bytes, Call], bytes]:
        request, answer = kind_of(f"{method}Request"), message_bytes(kind_of(f"{method}Response"), page)

        def answered(message: bytes, _call: Call) -> bytes:
            parse_message(request, message)
            return answer

        return answered

    def _of_model(self, method: str, page: Callable[[], object]) -> Callable[[bytes, Call], bytes]:
        request, response = kind_of(f"{method}Request"), kind_of(f"{method}Response")

        def answered(message: bytes, _call: Call) -> bytes:
            asked = parse_message(request, message)
            if asked.name or method != "ModelStatistics":  # of which nothing named means all
                self._pages.check_model(asked.name, asked.version)
            return message_bytes(response, page())

        return answered

    async def _infer(self, message: bytes, call: Call) -> bytes:
        found = await self._answer(message, call.headers, response_bytes)
        call.rows, call.decode, call.encode = found.response.rows, found.decode, found.encode
        if self._app.splits:
            call.head = _head(arm_headers(found.response))
        return found.written

    async def _answer(
        self, message: bytes, headers: Headers, write: Callable[[Response, Wanted], Written]
    ) -> Answered[Written]:
        def read() -> Asked[Wanted]:
            asked = parse_message(self._request, message)
            self._pages.check_model(asked.model_name, asked.model_version)
            request, wanted = self._reader.read(asked)
            said = {**said_headers(asked), **headers} if self._app.splits else headers
            return Asked(request, wanted, asked.model_version or None, said)

        return await self._app.predicting.predict(read, write, headers, path="ModelInfer")

    async def _infer_stream(self, call: Call) -> None:
        """Answers in the order of the requests, which share batches; what goes wrong with one is told in its place."""
        asked: asyncio.Queue[asyncio.Task[bytes] | None] = asyncio.Queue(_AT_ONCE)
        reader = asyncio.create_task(self._ask_all(call, asked))
        try:
            while (task := await asked.get()) is not None:
                await call.send(await task)
        finally:
            reader.cancel()
            while not asked.empty():
                if task := asked.get_nowait():
                    task.cancel()

    async def _ask_all(self, call: Call, asked: asyncio.Queue[asyncio.Task[bytes] | None]) -> None:
        async for message in call.messages():
            await asked.put(asyncio.create_task(self._part_of(message, call)))
        await asked.put(None)

    async def _part_of(self, message: bytes, call: Call) -> bytes:
        part, rows, status, started, decode, encode = self._part(), 0, 200, time.perf_counter(), 0.0, 0.0

        def write(response: Response, wanted: Wanted) -> None:
            fill_response(part.infer_response, response, wanted)

        try:
            _, response, decode, encode = await self._answer(message, call.headers, write)
            rows = response.rows
        except Exception as problem:
            failed = self.refused(problem)
            status, part.error_message, part.infer_response.id = failed.status, failed.words, self._id_of(message)
        self.observe(status, time.perf_counter() - started, rows=rows, decode=decode, encode=encode)
        return bytes(part.SerializeToString())

    def _id_of(self, message: bytes) -> str:
        """By which a client finds the request that an error in a stream is about."""
        try:
            return str(parse_message(self._request, message).id)
        except ShipwayError:
            return ""

    def _check(self, message: bytes, _call: Call) -> bytes:
        service = parse_message(kinds().messages["grpc.health.v1.HealthCheckRequest"], message).service
        if service not in self._serves:
            raise CallFailed(404, f"no service {service[:200]!r} here")
        return _health(_NOT_SERVING if self._draining.is_set() else _SERVING)

    async def _watch(self, call: Call) -> None:
        draining = self._draining
        async for message in call.messages():
            service = parse_message(kinds().messages["grpc.health.v1.HealthCheckRequest"], message).service
            if service not in self._serves:
                await call.send(_health(_SERVICE_UNKNOWN))
            elif not draining.is_set():
                await call.send(_health(_SERVING))
            await draining.wait()
            await call.send(_health(_NOT_SERVING))
            return


def _head(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    return header_block([(b"content-type", b"application/grpc"), *headers], status=200)


def _health(status: int) -> bytes:
    return bytes(kinds().messages["grpc.health.v1.HealthCheckResponse"](status=status).SerializeToString())


def _no_region(method: str) -> Callable[[bytes, Call], bytes]:
    """No memory is shared: there is nothing to list, and to leave all of it is done."""

    def answered(message: bytes, _call: Call) -> bytes:
        if name := parse_message(kind_of(f"{method}Request"), message).name:
            raise CallFailed(501, f"a predictor shares no memory with its clients, so there is no region {name[:100]!r}")
        return b""

    return answered


def _refuse_load(_message: bytes, _call: Call) -> bytes:
    raise CallFailed(501, "a predictor serves the one release that its deployment names; `shipway apply` changes that")
