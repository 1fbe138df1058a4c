"""The life of a predictor process: prove the model, open the log, listen, say so, step aside and return, drain, seal."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import uvicorn

from shipway import __version__
from shipway.kernel.child import say_ready
from shipway.kernel.errors import ShipwayError
from shipway.kernel.pages import SharedPages
from shipway.protocols._accept import Acceptor
from shipway.protocols._app import PredictorApp
from shipway.protocols._metrics import SUMMED
from shipway.protocols._patience import GuardedProtocol, PatientServer
from shipway.protocols._split import open_split
from shipway.protocols._traces import Tracer, open_tracer
from shipway.protocols._watchdog import HUNG, Watchdog, check_memory
from shipway.serve import Batcher, ServingConfig, Split, load_config, open_log, open_model, open_predictor
from shipway.store import SegmentWriter

if TYPE_CHECKING:
    from shipway.protocols._grpc_server import GrpcServer

_DRAIN_SECONDS = 30
_LAST_REQUEST_SECONDS = 1.0  # a client in the midst of its work sends its next request, or its first one, sooner than this
_KEEP_ALIVE_SECONDS = 75  # longer than the 60 s of the usual load balancer, so that it is the one to close


class PortTaken(ShipwayError):
    """The address to listen on cannot be had."""

    code = "protocols.port-taken"


class StartFailed(ShipwayError):
    """Something that no other error describes kept the predictor from starting: a library that is missing, a bug."""

    code = "protocols.start-failed"


class GrpcMissing(ShipwayError):
    """gRPC is asked for where its libraries, or versions of them that go together, are not installed."""

    code = "protocols.grpc-missing"


class Place(NamedTuple):
    """Where to listen: at an inherited socket or at a port of loopback; nowhere when both are None."""

    fd: int | None = None
    port: int | None = None


class _Process(NamedTuple):
    server: _Server
    listener: socket.socket
    batcher: Batcher | Split
    log: SegmentWriter | None
    app: PredictorApp
    watchdog: Watchdog
    arms: ExitStack


def run(
    config_file: str,
    http: Place,
    grpc: Place,
    *,
    ready_fd: int | None,
    beside: str | None = None,
    turn_fd: int | None = None,
) -> int:
    """Serves until SIGTERM or SIGINT; 0, or 1 when it could not start, HUNG or GREW when it is to be replaced.

    beside: a folder of pages, shared with others.

    turn_fd: a socket on which it is told `aside` (answer what is there, take nothing new, stay loaded) and `back`, and says
    the same once it takes nothing new, or takes requests again.
    """
    try:
        process = _open(config_file, http, grpc, ready_fd, beside)
    except Exception as problem:
        return _refuse(problem, ready_fd)
    for name in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises them again once drained; that must not end us
        signal.signal(name, process.server.handle_exit)
    try:
        process.server.run_with(process.listener, turn_fd)
    finally:
        process.watchdog.close()
        process.batcher.close()
        process.watchdog.record_work()
        if process.log:
            process.log.close()
        process.arms.close()
        process.app.close()
    if process.watchdog.exit_code == HUNG:
        os._exit(HUNG)  # the interpreter would wait for the thread that hangs
    return process.watchdog.exit_code or 0


def _open(config_file: str, http: Place, grpc: Place, ready_fd: int | None, beside: str | None) -> _Process:
    config = load_config(Path(config_file))
    ready = open_model(config)
    check_memory(config.memory_bytes)
    listener = _listen(http)
    log = open_log(config)
    live = Batcher(open_predictor(config, ready.model, log), ready.cost)
    line: dict[str, object] = {"ready": True, "port": listener.getsockname()[1], "pid": os.getpid(), "release": config.release}
    batcher: Batcher | Split = live
    arms = ExitStack()
    if config.split:
        opened = open_split(config.split, live)
        batcher, arms = opened.split, opened.opened
        line |= {"problems": opened.problems} if opened.problems else {}
    pages = SharedPages(Path(beside), summed=SUMMED) if beside else None
    app = PredictorApp(
        batcher,
        server_version=__version__,
        golden=ready.golden,
        shared=pages,
        replaced=_replaced(),
        cpu_price=config.usd_per_cpu_hour,
        tracer=_tracer(config),
    )
    second = _second_port(app, grpc)
    if second:
        line["grpc"] = second.port
    server = _Server(app, line, ready_fd, second, shared=pages is not None)
    watchdog = Watchdog(
        batcher.here if isinstance(batcher, Split) else [live],
        seconds=config.batch_seconds,
        memory=config.memory_bytes,
        leave=server.leave_for_good,
        cpu_price=config.usd_per_cpu_hour,
    )
    watchdog.start()
    gc.collect()
    gc.freeze()  # what the libraries made stays: a full collection need not look through it again
    gc.set_threshold(20_000, 10, 10)  # requests in flight are no garbage: a hundred of them are more objects than 700
    return _Process(server, listener, batcher, log, app, watchdog, arms)


def _tracer(config: ServingConfig) -> Tracer | None:
    name = f"{config.application}@{config.environment}"
    resource = {"service.name": name, "service.version": config.release, "deployment.environment.name": config.environment}
    common = {"shipway.release": config.release, "shipway.deployment": config.deployment, "shipway.arm": config.arm}
    return open_tracer(os.environ, resource=resource, common=common)


def _replaced() -> int:
    """What the group that starts this process says of those before it."""
    said = os.environ.get("SHIPWAY_REPLACED", "")
    return int(said) if said.isdecimal() else 0


def _second_port(app: PredictorApp, grpc: Place) -> GrpcServer | None:
    if grpc == Place():
        return None
    try:
        from shipway.protocols._grpc_server import GrpcServer  # a predictor without gRPC needs neither hpack nor protobuf
    except ImportError as problem:
        what = f"gRPC needs hpack and protobuf, and they do not load: {problem}"
        raise GrpcMissing(
            what, where=sys.executable, mend="install `hpack` and `protobuf>=4.22`, or leave gRPC out"
        ) from problem
    return GrpcServer(app, _listen(grpc))


def _refuse(problem: Exception, ready_fd: int | None) -> int:
    if isinstance(problem, ShipwayError):
        error = problem
    else:
        error = StartFailed(f"{type(problem).__name__}: {problem}")
        traceback.print_exception(problem)
    said = {"code": error.code, "what": error.what, "where": error.where, "mend": error.mend}
    say_ready({"ready": False, "error": said}, ready_fd)
    print(error.render(), file=sys.stderr)
    return 1


class _Server(PatientServer):
    """uvicorn, saying when it answers, stepping aside for another process, and closing no connection in use."""

    def __init__(
        self,
        app: PredictorApp,
        line: dict[str, object],
        ready_fd: int | None,
        second: GrpcServer | None,
        *,
        shared: bool = False,
    ) -> None:
        super().__init__(_settings(app))
        self._shared = shared
        self._app, self._line, self._ready_fd, self._second = app, line, ready_fd, second
        self._listener: socket.socket | None = None
        self._turns: socket.socket | None = None
        self._turn: asyncio.Task[None] | None = None

    def run_with(self, listener: socket.socket, turn_fd: int | None) -> None:
        """Serve at a listener, which stays open when this steps aside."""
        self._listener, self._turns = listener, socket.socket(fileno=turn_fd) if turn_fd is not None else None
        self.run(sockets=[listener.dup()])

    def leave_for_good(self) -> None:
        """Drain and end; from any thread."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in sockets or []:
            await self._listen_at(listener)
        if self._second:
            await self._second.start()
        say_ready(self._line, self._ready_fd)
        if self._turns:
            self._turns.setblocking(False)
            asyncio.get_running_loop().add_reader(self._turns, self._told)

    async def _listen_at(self, listener: socket.socket) -> None:
        """uvicorn's own way where no other worker is at the socket."""
        await super().startup([] if self._shared else [listener])
        if not self._shared:
            return
        made: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        protocol = partial(made, config=self.config, server_state=self.server_state, app_state=self.lifespan.state)
        self.servers = [Acceptor(listener, protocol, self.server_state.connections)]  # type: ignore[list-item]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accepts no more; who is connected is told with the next answer, as uvicorn does not."""
        ending = asyncio.ensure_future(self._second.drain(_DRAIN_SECONDS) if self._second else asyncio.sleep(0))
        await self._leave()
        await super().shutdown(sockets)
        await ending

    def _told(self) -> None:
        assert self._turns is not None
        said = self._turns.recv(4096).split()
        if not said:  # whoever starts and ends this process has gone, and SIGTERM is on its way
            asyncio.get_running_loop().remove_reader(self._turns)
            return
        if self._turn:
            self._turn.cancel()
        back = said[-1] == b"back"
        if not back:
            self._close_door()
            with suppress(OSError):  # who asked has ended
                self._turns.send(b"aside\n")
        self._turn = asyncio.get_running_loop().create_task(self._return() if back else self._leave())

    def _close_door(self) -> None:
        """Takes no new connections from here on."""
        for server in self.servers:
            server.close()

    async def _leave(self) -> None:
        """Takes no new connections; those that are open end with their next answer, idle ones after a moment."""
        self._close_door()
        self._app.leave()
        if self._second:
            self._second.leave()
        end = time.monotonic() + _LAST_REQUEST_SECONDS
        await asyncio.sleep(0.01)  # what was accepted in this turn of the loop gets its protocol in the next
        connections = self.server_state.connections
        while time.monotonic() < end and connections:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        for connection in list(connections):
            connection.shutdown()
        if self._second:
            self._second.settle()

    async def _return(self) -> None:
        """Takes connections again."""
        assert self._listener is not None
        assert self._turns is not None
        self._app.stay()
        await self._listen_at(self._listener.dup())
        if self._second:
            await self._second.start()
        self._turns.send(b"back\n")


def _settings(app: PredictorApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="off",
        interface="asgi3",
        http=GuardedProtocol,
        ws="none",
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )


def _listen(place: Place) -> socket.socket:
    fd, port = place
    try:
        if fd is not None:
            return socket.socket(fileno=fd)
        return socket.create_server(("127.0.0.1", port or 0), backlog=2048)
    except OSError as problem:
        where = f"fd {fd}" if fd is not None else f"127.0.0.1:{port}"
        raise PortTaken(f"cannot listen: {problem.strerror}", where=where, mend="choose another port") from problem
