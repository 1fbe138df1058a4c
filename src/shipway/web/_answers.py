"""What is answered when a request cannot be: JSON, or a page where a person asked for a page."""

from __future__ import annotations

import logging

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shipway.kernel.clock import RandomIds
from shipway.kernel.errors import ShipwayError
from shipway.web._errors import Internal, MethodWrong, NotHere, error_response, status_of
from shipway.web._guard import add_security
from shipway.web._metrics import Counters
from shipway.web._pages import render_error

_PAGES = ("/review", "/releases", "/plans", "/data", "/monitor", "/incidents", "/retrain")
_logger = logging.getLogger(__name__)


class Counting:
    """An ASGI application around another one, which counts its answers."""

    def __init__(self, app: ASGIApp, *, counters: Counters) -> None:
        self._app, self._counters = app, counters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._counters.answered(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        except Exception:
            self._counters.answered(500)  # the answer to it is written outside of here
            raise


async def answer_refused(request: Request, problem: Exception) -> Response:
    """An error that a person can mend."""
    assert isinstance(problem, ShipwayError)
    page = request.url.path == "/" or request.url.path.startswith(_PAGES)
    if page and "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(render_error(problem), status_of(problem))
    return error_response(problem)


async def answer_not_here(
    request: Request, problem: Exception, *, mend: str = "/api/v1/deployments, or the page at /"
) -> Response:
    """An address or a method that no route has. mend: what is there."""
    assert isinstance(problem, HTTPException)
    path = request.url.path[:200]
    if problem.status_code == 405:
        allowed = (problem.headers or {}).get("Allow", "")
        found: ShipwayError = MethodWrong(f"{path!r} does not answer {request.method}", where=path, mend=f"use {allowed}")
    elif problem.status_code == 404:
        found = NotHere(f"nothing at {path!r}", where=path, mend=mend)
    else:
        found = Internal(problem.detail, where=path)
    answer = error_response(found)
    answer.status_code = problem.status_code
    answer.headers.update(problem.headers or {})
    return answer


async def answer_broken(request: Request, problem: Exception) -> Response:
    """A fault of ours: no traceback leaves, only the id of its log line. Written outside of the guard."""
    id = RandomIds().new()
    _logger.error("request %s %s: internal error", id, request.url.path, exc_info=problem)
    answer = error_response(Internal(f"internal error {id}", mend="look for this id in the log of shipway up"))
    add_security(answer.headers, request.url.path)
    return answer
