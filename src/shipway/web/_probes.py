"""What watches the control plane may ask: is it alive, is it ready, its metrics. Beside the pages, or alone at another address.

The pages and the API ask nobody who they are and stay on loopback; Prometheus and probes come from elsewhere. What they find at
the second address can be read and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from shipway.store import Store
from shipway.web._answers import Counting, answer_broken, answer_not_here
from shipway.web._gauges import read_gauges
from shipway.web._guard import Headed
from shipway.web._metrics import CONTENT_TYPE, Counters, render_metrics


class Probes:
    """Three addresses over one project's store. Plain functions run in threads, as sqlite3 wants it."""

    def __init__(self, open_store: Callable[[], Store], counters: Counters) -> None:
        self._open_store, self._counters = open_store, counters

    def routes(self) -> list[Route]:
        return [Route("/healthz", self.healthz), Route("/readyz", self.readyz), Route("/metrics", self.metrics)]

    async def healthz(self, _request: Request) -> Response:
        """This process runs."""
        return JSONResponse({"live": True})

    def readyz(self, _request: Request) -> Response:
        """The catalogue can be read."""
        try:
            with closing(self._open_store()) as store:
                store.refs("deploy/")
        except Exception as problem:  # whatever it is, it is a reason
            return JSONResponse({"live": True, "ready": False, "why": str(problem)}, 503)
        return JSONResponse({"live": True, "ready": True})

    def metrics(self, _request: Request) -> Response:
        with closing(self._open_store()) as store:
            gauges = read_gauges(store)
        return PlainTextResponse(render_metrics({**self._counters.samples(), **gauges}), media_type=CONTENT_TYPE)


def make_metrics_app(open_store: Callable[[], Store], counters: Counters) -> Starlette:
    """`/metrics`, `/healthz` and `/readyz` alone, to whoever asks and by whatever name: for another address than the pages'.

    open_store: called once a request, in the thread that uses and closes it. counters: those of the pages, which answers from
    here are added to.
    """
    not_here = partial(answer_not_here, mend="/metrics, /healthz and /readyz are all there is")
    return Starlette(
        routes=list(Probes(open_store, counters).routes()),
        middleware=[Middleware(Counting, counters=counters), Middleware(Headed)],
        exception_handlers={HTTPException: not_here, Exception: answer_broken},
    )
