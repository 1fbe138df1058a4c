"""The methods of a predictor over gRPC: Open Inference v2, health, reflection. They say what HTTP says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from shipway.kernel.errors import ShipwayError
from shipway.protocols._app import PredictorApp, status_of
from shipway.protocols._grpc_call import Call, Method, Room
from shipway.protocols._grpc_infer import Reader, Wanted, fill_response, response_bytes
from shipway.protocols._grpc_messages import INFERENCE, kind_of, kinds, message_bytes, parse_message
from shipway.protocols._grpc_reflection import reflect
from shipway.protocols._grpc_status import CallFailed
from shipway.protocols._http2_frames import header_block
from shipway.protocols._triton import model_config, model_statistics
from shipway.serve import Overloaded, Response

_HEALTH = "grpc.health.v1.Health"
_SERVING, _NOT_SERVING, _SERVICE_UNKNOWN = 1, 2, 3
_AT_ONCE = 64  # requests of one stream that are on their way to the model
_HELD = 4  # largest messages that incomplete ones may hold together


class GrpcService:
    """What gRPC is asked of one predictor. It is the host of all calls."""

    def __init__(self, app: PredictorApp) -> None:
        self._app, self._who, self._reader = app, app.predictor.identity, Reader(app.predictor.signature)
        self.room = Room(app.body_bytes, _HELD * app.body_bytes)
        media = (b"content-type", b"application/grpc")
        self.head = header_block([media, (b"x-shipway-release", self._who.release.encode())], status=200)
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
        return CallFailed(*self._app.refused(problem), after=after)

    def observe(self, *, status: int, seconds: float, rows: int) -> None:
        """One prediction was answered, by the status that HTTP would have."""
        self._app.observe(status=status, seconds=seconds, rows=rows)

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
        named: dict[str, Method] = {f"{INFERENCE}/{name}": Method(answer) for name, answer in self._pages().items()}
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

    def _pages(self) -> dict[str, Callable[[bytes, Call], bytes]]:
        """Methods whose answer is a page of HTTP in the names of fields."""
        app = self._app
        server = {"ServerLive": {"live": True}, "ServerReady": {"ready": True}, "ServerMetadata": app.about_server()}
        found = {name: self._fixed(name, page) for name, page in server.items()}
        found["ModelReady"] = self._of_model("ModelReady", lambda: {"ready": True})
        found["ModelMetadata"] = self._of_model("ModelMetadata", app.about_model)
        config = {"config": model_config(self._who.model_name, app.predictor.signature)}
        found["ModelConfig"] = self._of_model("ModelConfig", lambda: config)
        found["ModelStatistics"] = self._of_model("ModelStatistics", self._statistics)
        found["RepositoryIndex"] = self._fixed("RepositoryIndex", {"models": app.index()})
        return found

    def _statistics(self) -> dict[str, object]:
        return {"model_stats": [model_statistics(self._who, self._app.whole_metrics())]}

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
                self._check_model(asked.name, asked.version)
            return message_bytes(response, page())

        return answered

    def _check_model(self, name: str, version: str) -> None:
        who = self._who
        if name != who.model_name:
            raise CallFailed(404, f"no model {name[:200]!r}: expected {who.model_name!r}")
        if version not in ("", who.release):
            raise CallFailed(404, f"no version {version[:200]!r} of {who.model_name!r}: expected {who.release!r}")

    async def _infer(self, message: bytes, call: Call) -> bytes:
        response, wanted = await self._answer(message, call)
        call.rows = response.rows
        return response_bytes(response, wanted)

    async def _answer(self, message: bytes, call: Call) -> tuple[Response, Wanted]:
        started = time.perf_counter()
        try:
            asked = parse_message(self._request, message)
            self._check_model(asked.model_name, asked.model_version)
            request, wanted = self._reader.read(asked)
        except ShipwayError as problem:  # as over HTTP: one that means another model is none of ours
            self._app.record_failure(problem, None, status=status_of(problem), started=started)
            raise
        return await self._app.predict(request, call.headers), wanted

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
        part, rows, status, started = self._part(), 0, 200, time.perf_counter()
        try:
            response, wanted = await self._answer(message, call)
            rows = response.rows
            fill_response(part.infer_response, response, wanted)
        except Exception as problem:
            failed = self.refused(problem)
            status, part.error_message, part.infer_response.id = failed.status, failed.words, self._id_of(message)
        self.observe(status=status, seconds=time.perf_counter() - started, rows=rows)
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
