"""Monitors and incidents over HTTP: two pages and a document. Reads only."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from shipway.kernel.canonical import JsonObject
from shipway.monitor import Incident, load_events, load_incidents, load_readings, load_silences, load_verdicts
from shipway.release import monitors_of
from shipway.spec import MonitorSpec
from shipway.store import RefMissing, Store
from shipway.web._documents import document
from shipway.web._monitor_view import make_incident_page, make_monitor_page
from shipway.web._pages import render_incident, render_monitor
from shipway.web._params import check_known, read_choice
from shipway.web._query import DAYS

Opening = Callable[[], AbstractContextManager[Store]]


class MonitorSite:
    """The endpoints."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening

    def routes(self) -> list[Route]:
        return [
            Route("/monitor/{name}", self.monitor_page),
            Route("/incidents/{name}/{day}", self.incident_page),
            Route("/api/v1/incidents", self.incidents),
        ]

    def monitor_page(self, request: Request) -> Response:
        """Every monitor of a deployment on one timeline, what it said last, and the incidents."""
        check_known(request.query_params)
        with self._opening() as store:
            ref = _ref(store, request)
            verdicts = load_verdicts(store, ref)[-DAYS:]
            page = make_monitor_page(
                ref,
                _monitors(store.get(store.resolve(ref), "deployment")),
                verdicts,
                load_readings(store, ref),
                load_incidents(store, ref),
                load_events(store, ref, verdicts),
                load_silences(store, ref),
                now=store.clock.now(),
            )
            return HTMLResponse(render_monitor(page, store.project))

    def incident_page(self, request: Request) -> Response:
        """One incident: its alerts, what happened around it, what may be the cause, and what to do."""
        check_known(request.query_params)
        with self._opening() as store:
            ref, day = _ref(store, request), str(request.path_params["day"])
            found = next((one for one in load_incidents(store, ref) if one.first_day.isoformat() == day), None)
            if found is None:
                name = str(request.path_params["name"])
                raise RefMissing(f"no incident of {name} began on {day[:50]}", where=ref, mend=f"shipway incident {name}")
            readings, silences = load_readings(store, ref), load_silences(store, ref)
            page = make_incident_page(found, load_verdicts(store, ref), readings, silences, now=store.clock.now())
            return HTMLResponse(render_incident(page, store.project))

    def incidents(self, request: Request) -> Response:
        """Incidents of a deployment, or of all, the newest first of each."""
        check_known(request.query_params, "ref", "status")
        ref, status = request.query_params.get("ref"), read_choice(request.query_params, "status", ("open", "resolved"))
        with self._opening() as store:
            refs = [ref] if ref else [one.name for one in store.refs("deploy/")]
            for name in refs:
                store.resolve(name)
            found = [one for name in refs for one in load_incidents(store, name) if _is(one, status)]
        command = f"shipway incident {(ref or '').removeprefix('deploy/')}".strip() + " --json"
        return JSONResponse(document("incidents", command, ref=ref, incidents=[one.to_json() for one in found]))


def _is(incident: Incident, status: str | None) -> bool:
    return status is None or incident.open == (status == "open")


def _monitors(deployment: JsonObject) -> list[MonitorSpec]:
    """Those that are on and have something to look at."""
    found = monitors_of(deployment)
    return [monitor for name, monitor in found.items() if name != "segments" or deployment.get("segments")]


def _ref(store: Store, request: Request) -> str:
    """Raises RefMissing."""
    name = str(request.path_params["name"])
    ref = name if name.startswith("deploy/") else f"deploy/{name}"
    store.resolve(ref)
    return ref
