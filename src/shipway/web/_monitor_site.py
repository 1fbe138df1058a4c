"""The monitors of a deployment over HTTP: a page, and what is known of its labels. Reads only."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from shipway.monitor import load_events, load_incidents, load_readings, load_silences, load_verdicts, unfit_monitors
from shipway.release import monitors_of
from shipway.store import Store
from shipway.web._documents import document
from shipway.web._labels import LabelsNow
from shipway.web._labels_view import make_labels_view
from shipway.web._monitor_view import make_monitor_page
from shipway.web._pages import render_monitor
from shipway.web._params import check_known
from shipway.web._query import DAYS

Opening = Callable[[], AbstractContextManager[Store]]


class MonitorSite:
    """The endpoints."""

    def __init__(self, opening: Opening) -> None:
        self._opening, self._labels = opening, LabelsNow()

    def routes(self) -> list[Route]:
        return [Route("/monitor/{name}", self.page), Route("/api/v1/labels", self.labels)]

    def page(self, request: Request) -> Response:
        """Every monitor of a deployment on one timeline, what it said last, the incidents, and what is known of its labels."""
        check_known(request.query_params)
        with self._opening() as store:
            ref = ref_of(store, str(request.path_params["name"]))
            deployment = store.get(store.resolve(ref), "deployment")
            verdicts = load_verdicts(store, ref)
            events = load_events(store, ref, verdicts)
            page = make_monitor_page(
                ref,
                list(monitors_of(deployment).values()),
                verdicts[-DAYS:],
                load_readings(store, ref),
                load_incidents(store, ref, events),
                events,
                load_silences(store, ref),
                unfit=unfit_monitors(store, deployment),
                now=store.clock.now(),
            )
            known = make_labels_view(self._labels.of(store, ref))
            return HTMLResponse(render_monitor(page, known, store.project))

    def labels(self, request: Request) -> Response:
        """Coverage, ambiguous ids, bias and the maturity curve of each arm, by deployment."""
        check_known(request.query_params, "ref")
        ref = request.query_params.get("ref")
        with self._opening() as store:
            refs = [ref] if ref else [one.name for one in store.refs("deploy/")]
            for name in refs:
                store.resolve(name)
            found = {name: [one.to_json() for one in self._labels.of(store, name).labels] for name in refs}
        return JSONResponse(document("labels", "shipway outcomes --json", ref=ref, deployments=found))


def ref_of(store: Store, name: str) -> str:
    """The ref of a deployment such as `delay@prod`. Raises RefMissing."""
    ref = name if name.startswith("deploy/") else f"deploy/{name}"
    store.resolve(ref)
    return ref
