"""The life of a gateway process: open everything, listen, say so, drain, settle, seal."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import uvicorn

from shipway.gateway._app import GatewayApp
from shipway.gateway._budget import LEDGER_WAIT, Purse
from shipway.gateway._callers import Callers
from shipway.gateway._config import GatewayConfig, load_config
from shipway.gateway._errors import ConfigMalformed, PortTaken, StartFailed
from shipway.gateway._gateway import Gateway
from shipway.gateway._local_models import with_local_models
from shipway.gateway._metrics import LOWEST, SUMMED
from shipway.gateway._targets import Targets
from shipway.gateway._upstream import Upstream
from shipway.kernel.child import say_ready
from shipway.kernel.clock import RandomIds
from shipway.kernel.errors import ShipwayError
from shipway.kernel.pages import SharedPages
from shipway.llm import Ledger, count_tokens
from shipway.store import SegmentWriter

if TYPE_CHECKING:
    from shipway.gateway._meaning import Meaning

_DRAIN_SECONDS = 60  # a long answer is worth waiting for; the supervisor may have less patience
_FIRST_REQUEST_SECONDS = 1.0  # a client sends its request right after it has connected
_KEEP_ALIVE_SECONDS = 75  # longer than the 60 s of the usual load balancer, so that it is the one to close
_ROTATE_SECONDS = 5.0  # a call waits at most this long before a monitor can read it


class _Process(NamedTuple):
    server: uvicorn.Server
    listener: socket.socket
    log: SegmentWriter | None
    models: ExitStack


def run_gateway(
    config: GatewayConfig | Path,
    *,
    fd: int | None = None,
    port: int | None = None,
    ready_fd: int | None = None,
    environ: Mapping[str, str] | None = None,
    beside: Path | None = None,
) -> int:
    """Serves on 127.0.0.1 until SIGTERM or SIGINT; 0, or 1 when it could not start. Call it from the main thread.

    fd: an inherited listening socket, instead of a port (0 or None takes a free one); one JSON line goes to ready_fd or stdout.
    beside: the folder of pages of metrics that it shares with other processes of the same address.
    """
    try:
        known = config if isinstance(config, GatewayConfig) else load_config(config)
        process = _open(known, fd, port, ready_fd, environ, beside)
    except Exception as problem:
        return _refuse(problem, ready_fd)
    for name in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises them again once drained; that must not end us
        signal.signal(name, process.server.handle_exit)
    try:
        process.server.run(sockets=[process.listener])
    finally:
        if process.log is not None:
            process.log.close()
        process.models.close()
    return 0


def open_app(
    config: GatewayConfig, environ: Mapping[str, str], log: SegmentWriter | None, *, beside: Path | None = None
) -> GatewayApp:
    """The ASGI application of a configuration; `await app.close()` when done. Raises what keeps it from answering."""
    if not config.providers and not config.applications:
        raise ConfigMalformed("the gateway has no provider and no application", mend="name at least one")
    Path(config.state_directory).mkdir(parents=True, exist_ok=True)
    callers = Callers(config, environ, now=time.monotonic())
    gateway = Gateway(
        config,
        targets=Targets(config, environ),
        purse=Purse(
            (lambda: Ledger(config.ledger_path, busy_seconds=LEDGER_WAIT)) if callers.budgeted else None,
            allow=config.ledger_down == "allow",
            now=time.time,
        ),
        upstream=Upstream(timeout=config.timeout_seconds, retries=config.retries),
        meaning=_open_meaning(config),
    )
    pages = SharedPages(beside, summed=SUMMED, lowest=LOWEST) if beside else None
    return GatewayApp(gateway, callers, log, pages=pages)


def _open(
    config: GatewayConfig,
    fd: int | None,
    port: int | None,
    ready_fd: int | None,
    environ: Mapping[str, str] | None,
    beside: Path | None,
) -> _Process:
    models = ExitStack()
    listener = _listen(fd, port)
    log = _open_log(config)
    try:
        config = with_local_models(config, models)
        app = open_app(config, os.environ if environ is None else environ, log, beside=beside)
    except BaseException:
        if log is not None:
            log.close()
        listener.close()
        models.close()
        raise
    if app.budgeted:
        count_tokens("")  # its table takes 0.1 s to load, which would be the first caller's
    if not config.keys:
        print("warning: the gateway has no keys: whoever reaches this address may call", file=sys.stderr, flush=True)
    line = {"ready": True, "port": listener.getsockname()[1], "pid": os.getpid(), "open": not config.keys}
    line["releases"] = {part.name: part.release for part in config.applications}
    server = _Server(_settings(app), app, line, ready_fd)
    gc.collect()
    gc.freeze()  # what the libraries made stays: a full collection need not look through it again
    return _Process(server, listener, log, models)


def _open_meaning(config: GatewayConfig) -> Meaning | None:
    if config.semantic_errors is None:
        return None
    from shipway.gateway._meaning import open_meaning

    return open_meaning(config, config.semantic_errors)


def _open_log(config: GatewayConfig) -> SegmentWriter | None:
    """Its writer's name is never used again, so that a gap is recorded once."""
    if config.log_directory is None:
        return None
    name = f"gateway-{RandomIds().new()}"
    return SegmentWriter(Path(config.log_directory), name, rotate_seconds=_ROTATE_SECONDS)


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


class _Server(uvicorn.Server):
    """uvicorn, saying when it answers, and closing the gateway in the loop that it runs in."""

    def __init__(self, settings: uvicorn.Config, app: GatewayApp, line: Mapping[str, object], ready_fd: int | None) -> None:
        super().__init__(settings)
        self._app, self._line, self._ready_fd = app, line, ready_fd

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        say_ready(self._line, self._ready_fd)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accepts no more; who is connected already and has not asked yet is waited for, as uvicorn does not."""
        for server in self.servers:
            server.close()
        end = time.monotonic() + _FIRST_REQUEST_SECONDS
        await asyncio.sleep(0.01)  # what was accepted in this turn of the loop gets its protocol in the next
        connections = self.server_state.connections
        while time.monotonic() < end and any(map(_waits, connections)):  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        await super().shutdown(sockets)
        await self._app.close()


def _waits(connection: object) -> bool:
    """Connected, and no request has come yet."""
    return getattr(connection, "cycle", None) is None


def _settings(app: GatewayApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )


def _listen(fd: int | None, port: int | None) -> socket.socket:
    try:
        if fd is not None:
            return socket.socket(fileno=fd)
        return socket.create_server(("127.0.0.1", port or 0), backlog=2048)
    except OSError as problem:
        where = f"fd {fd}" if fd is not None else f"127.0.0.1:{port}"
        raise PortTaken(f"cannot listen: {problem.strerror}", where=where, mend="choose another port") from problem
