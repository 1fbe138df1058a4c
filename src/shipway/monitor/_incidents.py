"""Incidents: alerts of one deployment that overlap, with what happened around them and what may be the cause. Pure.

A page or a ticket makes an incident; what only informs is told beside it. Like alerts, incidents are derived each time
and never written, so they cannot differ from what they are made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Digest
from shipway.monitor._alerts import LOUDEST_FIRST, Alert
from shipway.monitor._verdict import Severity

YOUNG = 28  # days, one window: what begins within it after a release may have come with it
NEAR = timedelta(days=1)  # between two alerts of one incident
LIKELY, POSSIBLE = 0.75, 0.4
_COLUMNS, _SERVICE = ("schema", "dead_columns"), ("errors", "contract", "latency", "silence", "missed_run")
_OUTCOMES = ("performance", "prediction_error", "calibration", "base_rate", "business", "segments")


class EventKind(StrEnum):
    """What may have to do with an incident."""

    DEPLOY = "deploy"
    CODE = "code"
    DATA = "data"
    PROVIDER = "provider"
    LABELS = "labels"
    GAP = "gap"


class CauseKind(StrEnum):
    """Each has a runbook, a heading of docs/runbooks.md."""

    COLUMNS = "columns"
    PROVIDER = "provider"
    INDEX = "index"
    RELEASE = "release"
    SERVICE = "service"
    COST = "cost"
    LABELS = "labels"
    GAP = "gap"
    WORLD = "world"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, on the clock of the events that are judged. release: that took over, of a deploy."""

    day: date
    kind: EventKind
    text: str
    release: Digest | None = None
    changed: tuple[str, ...] = ()

    def to_json(self) -> JsonObject:
        changed: list[Json] = [*self.changed]
        return {
            "day": self.day.isoformat(),
            "kind": self.kind.value,
            "text": self.text,
            "release": self.release,
            "changed": changed,
        }


@dataclass(frozen=True, slots=True)
class Cause:
    """What may be behind an incident, in words; weight: from 0 to 1, an order and no probability."""

    kind: CauseKind
    text: str
    weight: float

    @property
    def likelihood(self) -> str:
        """The weight in a word."""
        return "likely" if self.weight >= LIKELY else "possible" if self.weight >= POSSIBLE else "less likely"

    @property
    def runbook(self) -> str:
        """Where it says what to do."""
        return f"docs/runbooks.md#{self.kind.value}"

    def to_json(self) -> JsonObject:
        likelihood, runbook = self.likelihood, self.runbook
        return {"kind": self.kind.value, "text": self.text, "likelihood": likelihood, "runbook": runbook}


@dataclass(frozen=True, slots=True)
class Incident:
    """Alerts that overlap, oldest first; informing: those that only inform and fall into it; causes: the likeliest first."""

    ref: str
    alerts: tuple[Alert, ...]
    informing: tuple[Alert, ...]
    events: tuple[Event, ...] = ()
    causes: tuple[Cause, ...] = ()

    @property
    def id(self) -> str:
        """`<application>@<environment>/<first day>`, which later days do not change."""
        return f"{self.ref.removeprefix('deploy/')}/{self.first_day}"

    @property
    def first_day(self) -> date:
        return min(alert.first_day for alert in self.alerts)

    @property
    def last_day(self) -> date:
        return max(alert.last_day for alert in self.alerts)

    @property
    def open(self) -> bool:
        return any(alert.open for alert in self.alerts)

    @property
    def severity(self) -> Severity:
        """The loudest of the alerts that are open, of all once none is."""
        held = [alert.severity for alert in self.alerts if alert.open] or [alert.severity for alert in self.alerts]
        return min(held, key=LOUDEST_FIRST.index)

    def to_json(self) -> JsonObject:
        alerts: list[Json] = [alert.to_json() for alert in self.alerts]
        informing: list[Json] = [alert.monitor for alert in self.informing]
        return {
            "id": self.id,
            "ref": self.ref,
            "severity": self.severity.value,
            "status": "open" if self.open else "resolved",
            "first_day": self.first_day.isoformat(),
            "last_day": self.last_day.isoformat(),
            "alerts": alerts,
            "informing": informing,
            "events": [event.to_json() for event in self.events],
            "causes": [cause.to_json() for cause in self.causes],
        }


def group_alerts(alerts: Iterable[Alert]) -> list[Incident]:
    """The incidents of one deployment, oldest first, without events and causes yet."""
    held = sorted(alerts, key=lambda alert: (alert.first_day, alert.monitor))
    loud = [alert for alert in held if alert.severity in (Severity.PAGE, Severity.TICKET)]
    groups: list[list[Alert]] = []
    until = date.min
    for alert in loud:
        if not groups or alert.first_day > until + NEAR:
            groups.append([])
        groups[-1].append(alert)
        until = max(until, _end(alert)) if len(groups[-1]) > 1 else _end(alert)
    return [Incident(group[0].ref, tuple(group), _beside(held, group)) for group in groups]


def rank_causes(incident: Incident, events: Sequence[Event]) -> tuple[Cause, ...]:
    """What may be behind it, the likeliest first: what broke visibly before what came with a release, before the world."""
    causes = [*_broken(incident), *_released(incident, events), *_incomplete(events), *_world(incident, events)]
    return tuple(sorted(causes, key=lambda cause: -cause.weight))


def _beside(held: Sequence[Alert], group: Sequence[Alert]) -> tuple[Alert, ...]:
    first, last = min(alert.first_day for alert in group), max(_end(alert) for alert in group)
    informing = [alert for alert in held if alert.severity is Severity.INFORM]
    return tuple(alert for alert in informing if alert.first_day <= last and _end(alert) >= first)


def _end(alert: Alert) -> date:
    return date.max - NEAR if alert.open else alert.last_day


def _family(alert: Alert) -> str:
    return alert.monitor.partition(".")[0]


def _broken(incident: Incident) -> list[Cause]:
    """What an alert says by itself."""
    families = {_family(alert) for alert in incident.alerts}
    texts = [alert.text for alert in incident.alerts if _family(alert) in _COLUMNS and alert.text]
    causes = []
    if texts:
        causes.append(Cause(CauseKind.COLUMNS, "; ".join(texts[:3]), 0.95))
    if "sentinel" in families:
        causes.append(Cause(CauseKind.PROVIDER, "the provider answers otherwise than when it was first asked", 0.9))
    if "freshness" in families:
        causes.append(Cause(CauseKind.INDEX, "the index does not serve the documents as they are now", 0.8))
    if serving := sorted(families & {*_SERVICE}):
        weight = 0.85 if families <= {*_SERVICE} else 0.5
        causes.append(Cause(CauseKind.SERVICE, f"requests or runs fail by themselves: {', '.join(serving)}", weight))
    if "cost" in families:
        causes.append(Cause(CauseKind.COST, _text_of(incident, "cost") or "more was spent than the threshold allows", 0.9))
    return [*causes, *_stale(incident)]


def _stale(incident: Incident) -> list[Cause]:
    """A comparison explains what began within a window of it, and while no later one has ended its ticket."""
    said = [alert for alert in incident.alerts if _family(alert) == "staleness"]
    if not said:
        return []
    newest = max(said, key=lambda alert: alert.last_day)
    began = max((alert.first_day for alert in incident.alerts if alert not in said), default=newest.last_day)
    ended = not newest.open and incident.open
    weight = 0.3 if ended or (began - newest.last_day).days >= YOUNG else 0.8
    return [Cause(CauseKind.WORLD, f"the data moved on: {newest.text}".rstrip(": "), weight)]


def _text_of(incident: Incident, family: str) -> str:
    return next((alert.text for alert in incident.alerts if _family(alert) == family), "")


def _released(incident: Incident, events: Sequence[Event]) -> list[Cause]:
    deploys = [event for event in events if event.kind is EventKind.DEPLOY and event.day <= incident.first_day]
    if not deploys:
        return []
    newest = max(deploys, key=lambda event: event.day)
    age = (incident.first_day - newest.day).days
    if age >= YOUNG:
        return []
    changed = f", which changed {', '.join(newest.changed)}" if newest.changed else ""
    when = "the same day" if age == 0 else f"{age} {'day' if age == 1 else 'days'} after"
    return [Cause(CauseKind.RELEASE, f"it began {when} a release took over{changed}", 0.85 * (1 - age / YOUNG))]


def _incomplete(events: Sequence[Event]) -> list[Cause]:
    """Numbers that say less than they seem to."""
    causes = []
    if late := [event for event in events if event.kind is EventKind.LABELS]:
        causes.append(Cause(CauseKind.LABELS, late[-1].text, 0.45))
    if lost := [event for event in events if event.kind is EventKind.GAP]:
        causes.append(Cause(CauseKind.GAP, lost[-1].text, 0.4))
    return causes


def _world(incident: Incident, events: Sequence[Event]) -> list[Cause]:
    if not {_family(alert) for alert in incident.alerts} & {*_OUTCOMES}:
        return []
    moved = sorted(incident.informing, key=lambda alert: -(alert.value or 0.0))
    features = [alert.monitor.partition(".")[2] or "the predictions" for alert in moved[:3]]
    drifted = f"; most drifted: {', '.join(features)}" if features else "; no feature has drifted"
    steady = not _released(incident, events)
    text = "the release did not change before it, the world did" if steady else "the world changed"
    return [Cause(CauseKind.WORLD, text + drifted, 0.7 if steady else 0.3)]
