"""A release as a part of somebody's own ASGI application: loaded when it is first asked, closed with that application.

A mounted application hears nothing of its parent's life, so nothing here depends on that: it may be told (`lifespan`), and
otherwise starts by itself and ends with the process.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import NamedTuple

from shipway import __version__
from shipway.kernel.errors import ShipwayError
from shipway.operate import LoadedRelease
from shipway.protocols._app import PredictorApp, route_path
from shipway.protocols._http import Receive, Reply, Scope, Send, json_reply, send_reply
from shipway.serve import Batcher

_logger = logging.getLogger(__name__)
_LIVE = ("/healthz", "/v2/health/live")
_READY = ("/readyz", "/v2/health/ready", "/ping", "/health")
_AGAIN_SECONDS = 2


class _Started(NamedTuple):
    app: PredictorApp
    batcher: Batcher
    loaded: LoadedRelease


class MountedRelease:
    """The routes of a predictor, for `app.mount(...)` of Starlette or FastAPI, or to be served alone.

    load: loads the release, in a thread; browsers: whether pages in browsers may ask, for an application that guards its
    addresses itself. While it is loading, `/healthz` says live and `/readyz` 503; requests to predict wait.
    """

    def __init__(self, load: Callable[[], LoadedRelease], *, browsers: bool = False) -> None:
        self._load, self._browsers = load, browsers
        self._lock = threading.Lock()
        self._starting: Future[_Started] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or goes through the life of an application that it is itself."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    @asynccontextmanager
    async def lifespan(self, _app: object = None) -> AsyncIterator[None]:
        """For `FastAPI(lifespan=...)`: the release is loaded before the application answers, and closed after it."""
        await _done(self._start())
        try:
            yield
        finally:
            await asyncio.to_thread(self.close)

    def close(self) -> None:
        """End what answers and seal the log. Asked again, it loads again."""
        with self._lock:
            starting, self._starting = self._starting, None
        if starting is not None and starting.exception() is None:
            _close(starting.result())

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, starting = route_path(scope), self._start()
        if not starting.done():
            if path in _LIVE:
                return await send_reply(send, json_reply({"live": True}), [])
            if path in _READY:
                return await send_reply(send, json_reply({"live": True, "ready": False}, 503), [])
        try:
            started = await _done(starting)
        except Exception as problem:
            live = path in _LIVE
            return await send_reply(send, json_reply({"live": True}) if live else _not_loaded(problem), [])
        return await started.app(scope, receive, send)

    def _start(self) -> Future[_Started]:
        """The start under way or done; after one that failed, another."""
        with self._lock:
            if self._starting is None or (self._starting.done() and self._starting.exception() is not None):
                thread = ThreadPoolExecutor(1, "shipway-load")
                self._starting = thread.submit(self._open)
                thread.shutdown(wait=False)
            return self._starting

    def _open(self) -> _Started:
        loaded = self._load()
        batcher = Batcher(loaded.predictor, loaded.cost)
        app = PredictorApp(batcher, server_version=__version__, golden=loaded.golden, browsers=self._browsers)
        atexit.register(self.close)
        return _Started(app, batcher, loaded)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await _done(self._start())
                except Exception as problem:
                    await send({"type": "lifespan.startup.failed", "message": _words(problem)})
                    return
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await asyncio.to_thread(self.close)
                await send({"type": "lifespan.shutdown.complete"})
                return


async def _done(starting: Future[_Started]) -> _Started:
    """Who asks may go away; the start goes on for the others."""
    return await asyncio.shield(asyncio.wrap_future(starting))


def _close(started: _Started) -> None:
    started.batcher.close()
    started.app.close()
    started.loaded.close()


def _not_loaded(problem: Exception) -> Reply:
    """503: another process, or a later request, may find what is missing now."""
    _logger.error("the release is not loaded", exc_info=problem)
    again = ((b"retry-after", str(_AGAIN_SECONDS).encode()),)
    return json_reply({"error": _words(problem)}, 503, again)


def _words(problem: Exception) -> str:
    if isinstance(problem, ShipwayError):
        return "; ".join(filter(None, ("the release is not loaded: " + problem.what, problem.where, problem.mend)))
    return f"the release is not loaded: {type(problem).__name__}"
