"""The control plane's HTTP application: routes, one store a request, and an answer for whatever goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from shipway.kernel.errors import ShipwayError
from shipway.store import Store
from shipway.web import _documents as documents
from shipway.web._answers import Counting, answer_broken, answer_not_here, answer_refused
from shipway.web._data_site import DataSite
from shipway.web._desk import Desk
from shipway.web._errors import MediaTypeUnknown, ReadOnly
from shipway.web._guard import HOSTS, Guard
from shipway.web._incident_site import IncidentSite
from shipway.web._metrics import Counters
from shipway.web._monitor_site import MonitorSite
from shipway.web._outcomes import BODY_BYTES, RecordOutcomes, check_media_type, parse_rows, read_body
from shipway.web._pages import STATIC, render_page, render_review
from shipway.web._params import check_known, read_choice
from shipway.web._probes import Probes
from shipway.web._query import load_project
from shipway.web._receive import EVENT_BYTES, Receive, Receivers, read_packed
from shipway.web._release_site import ReleaseSite
from shipway.web._reviews import (
    RATING_BYTES,
    RateReview,
    find_review,
    make_review_page,
    parse_form,
    parse_rating,
    review_document,
)
from shipway.web._view import make_page

REFRESH = 10  # seconds between two looks at a page that is left open

Endpoints = Callable[[], Mapping[str, str]]
Read = Callable[[Store, Request], documents.Document]


def make_app(
    open_store: Callable[[], Store],
    *,
    links: Mapping[str, str],
    endpoints: Endpoints,
    record_outcomes: RecordOutcomes,
    rate_review: RateReview | None = None,
    desk: Desk | None = None,
    body_bytes: int = BODY_BYTES,
    hosts: Collection[str] = (),
    counters: Counters | None = None,
    receivers: Receivers | None = None,
) -> Starlette:
    """The pages and `/api/v1` over one project's store, to be bound to a loopback address unless a person says otherwise.

    open_store: called once a request, in the thread that uses and closes it. links: text to address of neighbours such as
    MLflow. endpoints: where the predictor or gateway of each deployment answers now, by ref. record_outcomes: makes rows
    durable before it returns, all or none; threads call it. rate_review: keeps a person's rating, called by threads too;
    without it reviews are only shown. desk: makes plans, approves and applies; without it there are none, and no key
    is trusted. body_bytes: the largest body of outcomes. hosts: names that it answers to beside those of this machine.
    counters: of its answers, where `make_metrics_app` shows them too. receivers: take what other
    people's servers send; without them nothing does.
    """
    site = _Site(
        open_store, links, endpoints, record_outcomes, rate_review, desk, body_bytes, counters or Counters(), receivers
    )
    return Starlette(
        routes=site.routes(),
        middleware=[
            Middleware(Counting, counters=site.counters),
            Middleware(Guard, hosts=HOSTS | {name.lower() for name in hosts}),
        ],
        exception_handlers={ShipwayError: answer_refused, HTTPException: answer_not_here, Exception: answer_broken},
    )


class _Site:
    """The endpoints of one application and what they were given. Plain functions run in threads, as sqlite3 wants it."""

    def __init__(
        self,
        open_store: Callable[[], Store],
        links: Mapping[str, str],
        endpoints: Endpoints,
        record_outcomes: RecordOutcomes,
        rate_review: RateReview | None,
        desk: Desk | None,
        body_bytes: int,
        counters: Counters,
        receivers: Receivers | None,
    ) -> None:
        self._open_store, self._links, self._endpoints = open_store, links, endpoints
        self._record_outcomes, self._rate_review, self._body_bytes = record_outcomes, rate_review, body_bytes
        self._receivers = receivers
        self.counters, self._probes = counters, Probes(open_store, counters)
        self._releases, self._data, self._plans = ReleaseSite(self._store, desk), DataSite(self._store, desk), desk is not None
        self._oncall = desk.oncall if desk else None

    def routes(self) -> list[Route | Mount]:
        reads: dict[str, Read] = {
            "deployments": lambda store, request: documents.deployments(store, request.query_params, self._endpoints()),
            "refs": _with_params(documents.refs),
            "log": _with_params(documents.log),
            "windows": _with_params(documents.windows),
            "alerts": _with_params(documents.alerts),
            "gaps": _with_params(documents.gaps),
            "evaluations": _with_params(documents.evaluations),
            "readings": _with_params(documents.readings),
            "costs": _with_params(documents.costs),
            "reviews": _with_params(documents.reviews),
        }
        return [
            Route("/", self.page),
            *(Route(f"/api/v1/{path}", self._reading(read)) for path, read in reads.items()),
            Route("/api/v1/outcomes", self.outcomes, methods=["POST"]),
            Route("/api/v1/events", self._receiving("events", "deployment"), methods=["POST"]),
            Route("/v1/logs", self._receiving("logs"), methods=["POST"]),
            Route("/v1/traces", self._receiving("traces"), methods=["POST"]),
            Route("/api/v1/reviews/{id}", self.review, methods=["GET", "POST"]),
            Route("/review", self.review_page),
            Route("/review/{id}", self.review_form, methods=["POST"]),
            *self._releases.routes(),
            *self._data.routes(),
            *MonitorSite(self._store).routes(),
            *IncidentSite(self._store, self._oncall).routes(),
            *self._probes.routes(),
            Mount("/static", StaticFiles(directory=STATIC)),
        ]

    def page(self, request: Request) -> Response:
        """What is live, since when, by whom, why; its last windows; its alerts; its history."""
        check_known(request.query_params, "refresh")
        still = read_choice(request.query_params, "refresh", ("off",))
        with self._store() as store:
            facts = load_project(store, self._endpoints())
        return HTMLResponse(
            render_page(make_page(facts, links=self._links, refresh=0 if still else REFRESH), plans=self._plans)
        )

    async def outcomes(self, request: Request) -> Response:
        """What became true; on the device before the answer is sent."""
        check_known(request.query_params)
        kind = check_media_type(request.headers.get("content-type", ""))
        body = await read_body(request, limit=self._body_bytes)
        recorded = await run_in_threadpool(lambda: self._record_outcomes(parse_rows(body, kind)))
        self.counters.recorded(recorded)
        return JSONResponse({"recorded": recorded})

    def _receiving(self, name: str, *known: str) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        async def endpoint(request: Request) -> Response:
            check_known(request.query_params, *known)
            if self._receivers is None:
                raise ReadOnly("nothing is received here", where=request.url.path, mend="start it with: shipway up")
            receive: Receive = getattr(self._receivers, name)
            body = await read_packed(request, limit=EVENT_BYTES)
            headers, parameters = dict(request.headers.raw), dict(request.query_params)
            answer = await run_in_threadpool(receive, body, headers, parameters)
            return Response(answer.body, media_type=answer.media_type)

        return endpoint

    async def review(self, request: Request) -> Response:
        """One review, and a rating of it as JSON."""
        check_known(request.query_params)
        key = str(request.path_params["id"])
        if request.method == "POST":
            rated = await self._rate(request, "application/json", parse_rating)
            return JSONResponse({"id": key, "value": rated})
        return await run_in_threadpool(self._reading(lambda store, _: review_document(find_review(store, key))), request)

    def review_page(self, request: Request) -> Response:
        """The next open review, for a person."""
        check_known(request.query_params, "after")
        with self._store() as store:
            after, writable = request.query_params.get("after", ""), self._rate_review is not None
            page = make_review_page(store, after=after, writable=writable)
            return HTMLResponse(render_review(page, store.project))

    async def review_form(self, request: Request) -> Response:
        """A rating from the page, then the next review."""
        check_known(request.query_params)
        await self._rate(request, "application/x-www-form-urlencoded", parse_form)
        return RedirectResponse("/review", 303)

    async def _rate(self, request: Request, kind: str, parse: Callable[[bytes], int | str]) -> int | str:
        rate = self._rate_review
        if rate is None:
            raise ReadOnly("reviews are read-only here", where="/review", mend="start it with: shipway up")
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != kind:
            raise MediaTypeUnknown("a rating of another type", where="Content-Type", mend=kind)
        value = parse(await read_body(request, limit=RATING_BYTES))
        await run_in_threadpool(rate, str(request.path_params["id"]), value)
        self.counters.rated()
        return value

    def _reading(self, read: Read) -> Callable[[Request], Response]:
        def endpoint(request: Request) -> Response:
            with self._store() as store:
                return JSONResponse(read(store, request))

        return endpoint

    @contextmanager
    def _store(self) -> Iterator[Store]:
        store = self._open_store()
        try:
            yield store
        finally:
            store.close()


def _with_params(read: Callable[[Store, QueryParams], documents.Document]) -> Read:
    return lambda store, request: read(store, request.query_params)
