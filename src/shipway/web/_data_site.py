"""The review of a data set over HTTP: a page, a document, three buttons. What is signed is the snapshot that was shown."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from shipway.kernel.digest import Digest, parse_digest
from shipway.kernel.errors import ShipwayError
from shipway.release import list_data
from shipway.store import Store
from shipway.web._data_view import data_set_row, make_data_page
from shipway.web._desk import Desk
from shipway.web._documents import document
from shipway.web._errors import ReadOnly, status_of
from shipway.web._forms import FORM, FORM_BYTES, JSON, check_type, parse_fields
from shipway.web._outcomes import read_body
from shipway.web._pages import render_data, render_data_sets
from shipway.web._params import check_known

_WORDS = ("approve", "reject", "comment")

Opening = Callable[[], AbstractContextManager[Store]]


class DataSite:
    """The endpoints. Without a desk there is nothing to review: nobody's evidence is trusted."""

    def __init__(self, opening: Opening, desk: Desk | None) -> None:
        self._opening, self._desk = opening, desk

    def routes(self) -> list[Route]:
        forms = [Route(f"/data/{{name}}/{word}", self._form(word), methods=["POST"]) for word in _WORDS]
        words = [Route(f"/api/v1/data/{{name}}/{word}", self._word(word), methods=["POST"]) for word in _WORDS]
        lists = [Route("/data", self.list_page), Route("/api/v1/data", self.listed)]
        return [*lists, Route("/data/{name}", self.page), Route("/api/v1/data/{name}", self.review), *forms, *words]

    def list_page(self, request: Request) -> Response:
        """The data sets: what stands, since when and by whom, what waits."""
        check_known(request.query_params)
        with self._opening() as store:
            rows = tuple(data_set_row(one, store.clock.now()) for one in list_data(store))
            return HTMLResponse(render_data_sets(rows, store.project))

    def listed(self, request: Request) -> Response:
        """As list_page, as a document."""
        check_known(request.query_params)
        with self._opening() as store:
            rows = [one.to_json() for one in list_data(store)]
        return JSONResponse(document("data-sets", "shipway data list --json", data=rows))

    def page(self, request: Request) -> Response:
        """What waits at a data set's ref, or another snapshot: what differs, the gate, who said what."""
        return HTMLResponse(self._drawn(str(request.path_params["name"]), _snapshot(request)))

    def review(self, request: Request) -> Response:
        """As page, as a document."""
        name, snapshot = str(request.path_params["name"]), _snapshot(request)
        reviewed = self._at().review(name, snapshot)
        content = {"name": name, **reviewed.review.to_json(), "diff": reviewed.diff}
        command = f"shipway data review {name}{f' {snapshot}' if snapshot else ''} --json"
        return JSONResponse(document("data-review", command, **content))

    def _drawn(self, name: str, snapshot: Digest | None, problem: ShipwayError | None = None) -> str:
        desk = self._at()
        reviewed = desk.review(name, snapshot)
        told = (problem.what, problem.mend or "") if problem else None
        with self._opening() as store:
            now = store.clock.now()
            page = make_data_page(reviewed.review, reviewed.diff, actor=desk.actor, now=now, problem=told)
            return render_data(page, store.project)

    def _form(self, word: str) -> Callable[[Request], object]:
        async def pressed(request: Request) -> Response:
            check_known(request.query_params)
            fields = await self._fields(request, FORM)
            name = str(request.path_params["name"])
            return await run_in_threadpool(self._pressed, word, name, parse_digest(fields["snapshot"]), fields["why"])

        return pressed

    def _pressed(self, word: str, name: str, snapshot: Digest, why: str) -> Response:
        try:
            self._at().say(word, name, snapshot, why)
        except ShipwayError as problem:
            status = status_of(problem)
            if status != 409:
                raise
            return HTMLResponse(self._drawn(name, snapshot, problem), status)
        return RedirectResponse(f"/data/{name}?snapshot={snapshot}", 303)

    def _word(self, word: str) -> Callable[[Request], object]:
        async def said(request: Request) -> Response:
            check_known(request.query_params)
            fields = await self._fields(request, JSON)
            name, snapshot = str(request.path_params["name"]), parse_digest(fields["snapshot"])
            done = await run_in_threadpool(self._at().say, word, name, snapshot, fields["why"])
            content = {"ref": f"data/{name}", "digest": snapshot, "by": done.approver, "evidence": done.envelope}
            kind = {"approve": "approval", "reject": "rejection", "comment": "comment"}[word]
            return JSONResponse(document(kind, f"shipway {word} {snapshot} --json", **content))

        return said

    async def _fields(self, request: Request, kind: str) -> dict[str, str]:
        self._at()
        check_type(request.headers.get("content-type", ""), kind)
        return parse_fields(await read_body(request, limit=FORM_BYTES), kind, needed=("snapshot",))

    def _at(self) -> Desk:
        if self._desk is None:
            raise ReadOnly("there are no reviews of data here", where="/data", mend="start it with: shipway up")
        return self._desk


def _snapshot(request: Request) -> Digest | None:
    check_known(request.query_params, "snapshot")
    given = request.query_params.get("snapshot")
    return parse_digest(given) if given else None
