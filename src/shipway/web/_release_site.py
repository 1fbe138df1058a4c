"""Releases and plans over HTTP: pages, documents, two buttons. Looking moves nothing; pressing goes through the desk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from shipway.access import KeyRing
from shipway.gate import Moved, MoveRefused, release_of
from shipway.kernel.digest import Digest, parse_digest
from shipway.kernel.errors import ShipwayError
from shipway.release import Dossier, gate_document, list_releases, load_approvals, load_dossier, plan_document
from shipway.store import Store
from shipway.web._desk import Desk, Draft, Drafts
from shipway.web._documents import document
from shipway.web._errors import FormMalformed, ReadOnly, error_document, status_of
from shipway.web._forms import FORM, FORM_BYTES, JSON, check_type, parse_fields
from shipway.web._outcomes import read_body
from shipway.web._pages import render_plan, render_release, render_releases
from shipway.web._params import check_known, read_limit, read_number
from shipway.web._plan_view import PlanPage, make_plan_page
from shipway.web._query import load_last_move
from shipway.web._release_view import make_release_page, make_releases_page

PAGE = 50  # statements, or releases, of one page

Opening = Callable[[], AbstractContextManager[Store]]


class ReleaseSite:
    """The endpoints. Without a desk no evidence is trusted, and there are no plans."""

    def __init__(self, opening: Opening, desk: Desk | None) -> None:
        self._opening, self._desk, self._drafts = opening, desk, Drafts()

    def routes(self) -> list[Route]:
        return [
            Route("/releases", self.releases_page),
            Route("/releases/{digest}", self.release_page),
            Route("/plans/{name}", self.plan_page),
            Route("/plans/{name}/approve", self.approve_form, methods=["POST"]),
            Route("/plans/{name}/apply", self.apply_form, methods=["POST"]),
            Route("/api/v1/releases", self.releases),
            Route("/api/v1/releases/{digest}", self.release),
            Route("/api/v1/plans/{name}", self.plan),
            Route("/api/v1/plans/{digest}/apply", self.apply, methods=["POST"]),
            Route("/api/v1/approvals", self.approve, methods=["POST"]),
        ]

    def releases_page(self, request: Request) -> Response:
        """The releases of all applications, or of one, newest first."""
        check_known(request.query_params, "application", "before")
        application, before = request.query_params.get("application"), read_number(request.query_params, "before")
        with self._opening() as store:
            rows, following = list_releases(store, application, before=before, limit=PAGE)
            page = make_releases_page(rows, following, application=application or "", now=store.clock.now())
            return HTMLResponse(render_releases(page, store.project, plans=self._desk is not None))

    def releases(self, request: Request) -> Response:
        """As releases_page, as a document."""
        check_known(request.query_params, "application", "before", "limit")
        application, before = request.query_params.get("application"), read_number(request.query_params, "before")
        with self._opening() as store:
            limit = read_limit(request.query_params, default=PAGE)
            rows, following = list_releases(store, application, before=before, limit=limit)
        content = {"application": application, "releases": [row.to_json() for row in rows], "before": following}
        return JSONResponse(document("releases", "shipway release list --json", **content))

    def release_page(self, request: Request) -> Response:
        """One release: what it is, what was found, who signed, where it is live."""
        check_known(request.query_params, "offset")
        with self._opening() as store:
            dossier = self._dossier(store, request, limit=PAGE)
            page = make_release_page(dossier, limit=PAGE, now=store.clock.now())
            return HTMLResponse(render_release(page, store.project, plans=self._desk is not None))

    def release(self, request: Request) -> Response:
        """As release_page, as a document."""
        check_known(request.query_params, "offset", "limit")
        with self._opening() as store:
            dossier = self._dossier(store, request, limit=read_limit(request.query_params, default=PAGE))
        return JSONResponse(document("dossier", f"shipway release show {dossier.release} --json", **dossier.to_json()))

    def _dossier(self, store: Store, request: Request, *, limit: int) -> Dossier:
        digest = parse_digest(str(request.path_params["digest"]))
        offset, root = read_number(request.query_params, "offset") or 0, self._desk.root if self._desk else None
        return load_dossier(store, self._keys(), digest, root=root, offset=offset, limit=limit)

    def _keys(self) -> KeyRing:
        return self._desk.keys() if self._desk else KeyRing()

    def plan_page(self, request: Request) -> Response:
        """What `apply` would do to one deployment now."""
        check_known(request.query_params)
        return HTMLResponse(self._drawn(str(request.path_params["name"])))

    def plan(self, request: Request) -> Response:
        """As plan_page, as a document; `plan` is the digest by which it can be applied."""
        check_known(request.query_params)
        name = str(request.path_params["name"])
        draft = self._at().plan(name)
        content = {**plan_document(draft.plan), "plan": self._drafts.remember(draft.record), "file": None}
        return JSONResponse(document("plan", f"shipway plan {name} --json", **content))

    def _drawn(self, name: str, problem: ShipwayError | None = None) -> str:
        desk = self._at()
        draft = desk.plan(name)
        with self._opening() as store:
            return render_plan(self._page(store, desk, draft, problem), store.project)

    def _page(self, store: Store, desk: Desk, draft: Draft, problem: ShipwayError | None) -> PlanPage:
        plan = draft.plan
        return make_plan_page(
            plan,
            self._drafts.remember(draft.record),
            approvals=load_approvals(store, self._keys(), plan.release),
            last=load_last_move(store, plan.ref),
            actor=desk.actor,
            now=store.clock.now(),
            problem=(problem.what, problem.mend or "") if problem else None,
        )

    async def approve_form(self, request: Request) -> Response:
        """A signature under the release that the page showed, then the plan as it is now."""
        return await self._pressed(request, ("release",), self._approve_as_shown)

    async def apply_form(self, request: Request) -> Response:
        """Exactly the plan that the page showed; then the plan as it is now, with what went wrong if it did."""
        return await self._pressed(request, ("plan",), self._apply_as_shown)

    async def _pressed(
        self, request: Request, needed: tuple[str, ...], do: Callable[[str, Mapping[str, str]], None]
    ) -> Response:
        check_known(request.query_params)
        fields = await self._fields(request, FORM, needed)
        name = str(request.path_params["name"])
        return await run_in_threadpool(self._do, name, lambda: do(name, fields))

    def _do(self, name: str, do: Callable[[], None]) -> Response:
        try:
            do()
        except ShipwayError as problem:
            status = status_of(problem)
            if status != 409:
                raise
            return HTMLResponse(self._drawn(name, problem), status)
        return RedirectResponse(f"/plans/{name}", 303)

    def _approve_as_shown(self, name: str, fields: Mapping[str, str]) -> None:
        self._at().approve(name, parse_digest(fields["release"]), fields["why"])

    def _apply_as_shown(self, name: str, fields: Mapping[str, str]) -> None:
        digest = parse_digest(fields["plan"])
        ref = self._drafts.find(digest)["ref"]
        if ref != f"deploy/{name}":
            what = f"a plan of {ref} on the page of {name[:80]}"
            raise FormMalformed(what, where="plan", mend="open the page and press a button")
        self._apply(digest, fields["why"])

    def _apply(self, digest: Digest, why: str) -> Moved:
        return self._at().apply(self._drafts.find(digest), why)

    async def apply(self, request: Request) -> Response:
        """Exactly the plan of that digest, which a plan said before."""
        check_known(request.query_params)
        fields = await self._fields(request, JSON, ())
        digest = parse_digest(str(request.path_params["digest"]))
        return await run_in_threadpool(self._applied, digest, fields["why"])

    def _applied(self, digest: Digest, why: str) -> Response:
        try:
            moved = self._apply(digest, why)
        except MoveRefused as problem:
            refused = {**error_document(problem), "gate": gate_document(problem.judged)}
            return JSONResponse(refused, status_of(problem))
        with self._opening() as store:
            live = release_of(store, moved.source) if moved.source else None
            release = release_of(store, moved.target)
        content = {"ref": moved.ref, "from": live, "to": release, "deployment": moved.target, "changed": moved.changed}
        content |= {"forced": moved.forced}
        gate = gate_document(moved.judged)
        command = f"shipway log {moved.ref} --json"
        return JSONResponse(document("apply", command, **content, plan=digest, verdict=moved.verdict, gate=gate))

    async def approve(self, request: Request) -> Response:
        """A signature under a release."""
        check_known(request.query_params)
        fields = await self._fields(request, JSON, ("deployment", "release"))
        name, release = fields["deployment"], parse_digest(fields["release"])
        approved = await run_in_threadpool(self._at().approve, name, release, fields["why"])
        content = {"release": release, "approver": approved.approver, "evidence": approved.envelope}
        return JSONResponse(document("approval", f"shipway approve {name} --json", **content))

    async def _fields(self, request: Request, kind: str, needed: tuple[str, ...]) -> dict[str, str]:
        self._at()
        check_type(request.headers.get("content-type", ""), kind)
        return parse_fields(await read_body(request, limit=FORM_BYTES), kind, needed=needed)

    def _at(self) -> Desk:
        if self._desk is None:
            raise ReadOnly("there are no plans here", where="/plans", mend="start it with: shipway up")
        return self._desk
