"""Incidents over HTTP: a page, a document, three forms, and the page of a retrain. What is done goes through given hands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from shipway.kernel.digest import parse_digest
from shipway.kernel.errors import ShipwayError
from shipway.kernel.units import parse_duration
from shipway.monitor import Event, Incident, load_events, load_incidents, load_readings, load_silences, load_verdicts
from shipway.store import RefMissing, Store
from shipway.web._documents import document
from shipway.web._errors import FormMalformed, NotHere, ReadOnly, status_of
from shipway.web._forms import FORM, FORM_BYTES, check_type, parse_fields
from shipway.web._incident_view import Actions, make_actions, make_incident_page, make_retrain_page, silenceable
from shipway.web._monitor_site import ref_of
from shipway.web._oncall import OnCall
from shipway.web._outcomes import read_body
from shipway.web._pages import render_incident, render_retrain
from shipway.web._params import check_known, read_choice
from shipway.web._query import load_last_move

Opening = Callable[[], AbstractContextManager[Store]]
Fields = Mapping[str, str]
_SHOWN = frozenset({400, 409})  # what a person can mend on the page itself


class IncidentSite:
    """The endpoints. Without hands an incident is only shown."""

    def __init__(self, opening: Opening, oncall: OnCall | None) -> None:
        self._opening, self._oncall = opening, oncall

    def routes(self) -> list[Route]:
        place = "/incidents/{name}/{day}"
        return [
            Route(place, self.page),
            Route(f"{place}/rollback", self._form(self._roll_back, "release", "standing", "why"), methods=["POST"]),
            Route(f"{place}/retrain", self._form(self._retrain), methods=["POST"]),
            Route(f"{place}/silence", self._form(self._silence, "monitor", "span", "why"), methods=["POST"]),
            Route("/retrain/{name}", self.retrain_page),
            Route("/api/v1/incidents", self.incidents),
        ]

    def page(self, request: Request) -> Response:
        """One incident: its alerts, what happened around it, what may be the cause, and what to do."""
        check_known(request.query_params)
        return HTMLResponse(self._drawn(request))

    def _drawn(self, request: Request, problem: ShipwayError | None = None) -> str:
        with self._opening() as store:
            ref = ref_of(store, str(request.path_params["name"]))
            verdicts = load_verdicts(store, ref)
            found = _find(store, request, load_events(store, ref, verdicts))
            readings, silences = load_readings(store, found.ref), load_silences(store, found.ref)
            told = (problem.what, problem.where or "", problem.mend or "") if problem else None
            page = make_incident_page(
                found,
                verdicts,
                readings,
                silences,
                now=store.clock.now(),
                actions=self._actions(store, found) if found.open else None,
                problem=told,
            )
            return render_incident(page, store.project)

    def _actions(self, store: Store, incident: Incident) -> Actions | None:
        hands = self._oncall
        if hands is None:
            return None
        return make_actions(
            incident,
            hands.ways(incident.ref),
            load_silences(store, incident.ref),
            actor=hands.actor,
            last=load_last_move(store, incident.ref),
            retrain=hands.retrained(incident.ref),
            now=store.clock.now(),
        )

    def retrain_page(self, request: Request) -> Response:
        """The newest retrain of a deployment that this server has started: how far it is, or how it ended."""
        check_known(request.query_params)
        name = str(request.path_params["name"])
        with self._opening() as store:
            found = self._oncall.retrained(ref_of(store, name)) if self._oncall else None
            if found is None:
                what = f"no retrain of {name[:80]} was started here"
                raise NotHere(what, where=f"/retrain/{name[:80]}", mend=f"shipway retrain {name[:80]}")
            return HTMLResponse(render_retrain(make_retrain_page(found, store.clock.now()), store.project))

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

    def _form(self, do: Callable[[OnCall, Incident, Fields], str], *needed: str) -> Callable[[Request], object]:
        """do: returns where to go on."""

        async def pressed(request: Request) -> Response:
            check_known(request.query_params)
            hands = self._hands()
            check_type(request.headers.get("content-type", ""), FORM)
            body = await read_body(request, limit=FORM_BYTES)
            return await run_in_threadpool(self._pressed, request, lambda found: do(hands, found, _read(body, needed)))

        return pressed

    def _pressed(self, request: Request, do: Callable[[Incident], str]) -> Response:
        with self._opening() as store:
            found = _find(store, request)
        try:
            return RedirectResponse(do(found), 303)
        except ShipwayError as problem:
            status = status_of(problem)
            if status not in _SHOWN:
                raise
            return HTMLResponse(self._drawn(request, problem), status)

    def _roll_back(self, hands: OnCall, incident: Incident, fields: Fields) -> str:
        standing, release = parse_digest(fields["standing"]), parse_digest(fields["release"])
        hands.roll_back(incident.ref, standing, release, fields["why"])
        return _address(incident)

    def _retrain(self, hands: OnCall, incident: Incident, fields: Fields) -> str:
        about = f"incident {incident.id}"
        hands.retrain(incident.ref, f"{fields['why']} ({about})" if fields["why"] else about)
        return f"/retrain/{incident.ref.removeprefix('deploy/')}"

    def _silence(self, hands: OnCall, incident: Incident, fields: Fields) -> str:
        monitor, seconds = fields["monitor"], parse_duration(fields["span"])
        with self._opening() as store:
            known = silenceable(incident, load_silences(store, incident.ref))
        if monitor not in known:
            what = f"no monitor {monitor[:80]!r} in this incident"
            raise FormMalformed(what, where="monitor", mend=f"one of {', '.join(known)}")
        hands.silence(incident.ref, monitor, fields["why"], seconds)
        return _address(incident)

    def _hands(self) -> OnCall:
        if self._oncall is None:
            raise ReadOnly("incidents are only shown here", where="/incidents", mend="start it with: shipway up")
        return self._oncall


def _read(body: bytes, needed: tuple[str, ...]) -> Fields:
    return parse_fields(body, FORM, needed=needed)


def _find(store: Store, request: Request, events: Sequence[Event] | None = None) -> Incident:
    """events: as of `load_incidents`. Raises RefMissing."""
    name, day = str(request.path_params["name"]), str(request.path_params["day"])
    ref = ref_of(store, name)
    found = next((one for one in load_incidents(store, ref, events) if one.first_day.isoformat() == day), None)
    if found is None:
        raise RefMissing(f"no incident of {name} began on {day[:50]}", where=ref, mend=f"shipway incident {name}")
    return found


def _address(incident: Incident) -> str:
    return f"/incidents/{incident.id}"


def _is(incident: Incident, status: str | None) -> bool:
    return status is None or incident.open == (status == "open")
