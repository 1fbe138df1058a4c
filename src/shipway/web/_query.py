"""From the store to facts. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.check import Check
from shipway.kernel.digest import Digest
from shipway.monitor import GAP, READING, Alert, DayVerdict, load_readings
from shipway.release import arms_at
from shipway.store import RefMissing, StateRow, Store
from shipway.web._facts import DeploymentFacts, LiveFacts, Move, ProjectFacts, ReleaseFacts, Signed
from shipway.web._gateway_facts import GatewayFacts
from shipway.web._gateway_query import load_evaluations, load_gateway
from shipway.web._reading import Reading

WINDOW, ALERT = "window", "alert"  # kinds of state that the monitor writes
_ENDPOINT = "endpoint"  # and the supervisor
HISTORY = 50  # records of a deployment that a page looks at
DAYS = 400  # a year and a month: more would be less than two pixels a day
_RELEASE_RECORDS = 500
_PROJECT_RECORDS = 2_000


def load_project(store: Store, endpoints: Mapping[str, str]) -> ProjectFacts:
    """Everything that the page at `/` shows."""
    reading = Reading(store)
    refs = {ref.name: ref.digest for ref in store.refs()}
    names = deployment_names(store, refs)
    deployments = tuple(_deployment(reading, name, endpoints.get(name)) for name in names)
    gaps = tuple(load_gaps(store))
    return ProjectFacts(store.project, store.clock.now(), deployments, refs, gaps, tuple(reading.problems))


def load_gaps(store: Store) -> list[JsonObject]:
    """Rows of state, one for each gap of the logs."""
    return [row.value for row in store.states(GAP)]


def deployment_names(store: Store, refs: Mapping[str, Digest]) -> list[str]:
    """Deployments that are live, then those whose every move was refused so far."""
    live = [name for name in refs if name.startswith("deploy/")]
    records = store.history(None, limit=_PROJECT_RECORDS)
    asked = {record.resource for record in records if record.resource.startswith("deploy/")}
    return live + sorted(asked - set(live))


def load_live(store: Store, *, costs: bool = True) -> tuple[dict[str, LiveFacts], tuple[str, ...]]:
    """What every deployment's ref points at, and what could not be read. costs: whether tables of the log are read for them."""
    reading = Reading(store)
    found = {ref.name: _live(reading, ref.name, costs=costs) for ref in store.refs("deploy/")}
    return {name: live for name, live in found.items() if live}, tuple(reading.problems)


def load_history(store: Store, ref: str | None, *, limit: int) -> tuple[Move, ...]:
    """Moves of a ref, or of all, newest first. Raises RefMissing when nothing ever happened to it."""
    records = store.history(ref, limit=limit)
    if ref and not records:
        raise RefMissing(f"nothing ever happened to {ref}", where=store.project, mend="shipway log shows every ref")
    reading = Reading(store)
    return tuple(reading.move(record) for record in records)


def load_last_move(store: Store, ref: str) -> Move | None:
    """The newest record of a ref, moved or refused; None when nothing ever happened to it."""
    return next((Reading(store).move(record) for record in store.history(ref, limit=1)), None)


def load_states(store: Store, kind: str, ref: str | None) -> list[JsonObject]:
    """Rows of state of one deployment, or of all, by key. Raises RefMissing for a deployment that never was."""
    if ref and store.ref(ref) is None and not store.history(ref, limit=1):
        raise RefMissing(f"there is no {ref}", where=store.project, mend="shipway log shows every ref")
    return [row.value for row in store.states(kind, f"{ref}/" if ref else "")]


def load_costs(store: Store, ref: str | None) -> list[JsonObject]:
    """What the newest reading of the monitor `cost` of a deployment, or of each, says. Raises RefMissing."""
    rows = [row for row in load_states(store, READING, ref) if row.get("monitor") == "cost"]
    kept = ("ref", "at", "release", "history")
    return [{**_object(row.get("detail")), **{name: row.get(name) for name in kept}} for row in rows]


def load_evaluated(store: Store, ref: str | None) -> list[JsonObject]:
    """Evaluations of the releases that were ever live at a deployment and of its candidate, or of all. Raises RefMissing."""
    if ref is None:
        return load_evaluations(store, None)
    moves = load_history(store, ref, limit=_RELEASE_RECORDS)
    found = store.ref(f"release/{_application(ref)}")
    releases = [move.target for move in moves if move.target]
    return load_evaluations(store, [*releases, *([found.digest] if found else [])])


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _deployment(reading: Reading, ref: str, endpoint: str | None) -> DeploymentFacts:
    store = reading.store
    rows = store.states(WINDOW, f"{ref}/")
    live, candidate = _live(reading, ref), _candidate(reading, ref)
    return DeploymentFacts(
        ref=ref,
        live=live,
        candidate=candidate,
        history=tuple(reading.move(record) for record in store.history(ref, limit=HISTORY)),
        days=_days(reading, rows[-DAYS:]),
        alerts=_alerts(reading, store.states(ALERT, f"{ref}/")),
        judged=_newest(rows),
        endpoint=endpoint,
        gateway=_gateway(reading, ref, live, candidate),
    )


def _gateway(reading: Reading, ref: str, live: LiveFacts | None, candidate: ReleaseFacts | None) -> GatewayFacts | None:
    if live is None:
        return None
    releases = [live.release.digest, *([candidate.digest] if candidate else [])]
    return load_gateway(reading, ref, live.deployment, live.release.components, releases)


def _live(reading: Reading, ref: str, *, costs: bool = True) -> LiveFacts | None:
    found = reading.store.ref(ref)
    record = reading.store.audit(found.audit) if found else None
    if found is None or record is None:
        return None
    release = reading.release_of(found.digest) or found.digest
    arms = arms_at(reading.store, found.digest)
    releases = (release, *(arm.release for arm in arms)) if costs else ()
    return LiveFacts(
        deployment=found.digest,
        release=_release(reading, _application(ref), release),
        move=reading.move(record),
        arms=arms,
        costs={one: cost for one in releases if (cost := reading.cost(one))},
        problems=_arm_problems(reading.store, ref, found.digest) if arms else {},
        business=_arm_business(reading.store, ref) if arms else {},
    )


def _arm_problems(store: Store, ref: str, deployment: Digest) -> dict[str, str]:
    """Why arms of a deployment do not answer, where it is served from this store."""
    row = store.state(_ENDPOINT, ref)
    if row is None or row.value.get("deployment") != deployment:
        return {}
    return {name: str(text) for name, text in _object(row.value.get("arms")).items()}


def _arm_business(store: Store, ref: str) -> dict[str, Check]:
    """What was said last of each arm against what is live, by business metrics."""
    found = [(one.monitor.partition("business."), one.check) for one in load_readings(store, ref)]
    return {arm: check for (before, name, arm), check in found if name and not before}


def _candidate(reading: Reading, ref: str) -> ReleaseFacts | None:
    """The newest release of the deployment's application."""
    application = _application(ref)
    found = reading.store.ref(f"release/{application}")
    return _release(reading, application, found.digest) if found else None


def _release(reading: Reading, application: str, digest: Digest) -> ReleaseFacts:
    records = reading.store.history(f"release/{application}", limit=_RELEASE_RECORDS)
    ours = [record for record in reversed(records) if record.target == digest]
    made = [Signed(record.actor, record.at, record.why) for record in ours if record.outcome == "moved"]
    approvals = tuple(Signed(record.actor, record.at, record.why) for record in ours if record.outcome == "approved")
    return ReleaseFacts(digest, reading.components(digest), made[0] if made else None, approvals)


def _application(ref: str) -> str:
    return ref.removeprefix("deploy/").partition("@")[0]


def _days(reading: Reading, rows: list[StateRow]) -> tuple[DayVerdict, ...]:
    found = [reading.attempt(partial(DayVerdict.from_json, row.value), None) for row in rows]
    return tuple(day for day in found if day)


def _alerts(reading: Reading, rows: list[StateRow]) -> tuple[Alert, ...]:
    found = [reading.attempt(partial(Alert.from_json, row.value), None) for row in rows]
    return tuple(alert for alert in found if alert)


def _newest(rows: list[StateRow]) -> datetime | None:
    return max((row.updated for row in rows), default=None)
