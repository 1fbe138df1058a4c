"""The page of an incident and that of a retrain, from facts to what a template draws. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest
from shipway.monitor import ALL, Alert, Cause, DayVerdict, Event, Incident, Reading, Silence
from shipway.web._facts import Move
from shipway.web._monitor_view import IncidentRow, SilenceRow, incident_row, silence_rows
from shipway.web._oncall import Retrained, Ways
from shipway.web._rows import AlertRow, MoveRow, alert_row, move_row
from shipway.web._runbooks import Runbook, runbook_of
from shipway.web._status import Level, Step
from shipway.web._strips import Strips, last_day, make_strips, said_by
from shipway.web._words import (
    ReleaseName,
    Stamp,
    count,
    listed,
    release_name,
    span,
    stamp,
    title_of,
)

AROUND = timedelta(days=28)
_AFTER = timedelta(days=7)
SPANS = (("1h", "1 hour"), ("4h", "4 hours"), ("1d", "1 day"), ("2d", "2 days"), ("7d", "7 days"), ("30d", "30 days"))
_END = ("0s", "end it now")
REFRESH = 2  # seconds between two looks at a retrain that runs


@dataclass(frozen=True, slots=True)
class CauseRow:
    """What may be behind an incident, and what to do about it; runbook: None where its text is not at hand."""

    likelihood: str
    text: str
    place: str
    runbook: Runbook | None


@dataclass(frozen=True, slots=True)
class Actions:
    """The three forms of an incident. standing: the deployment that a rollback leaves; no_...: why a form is not offered, empty
    where it is; monitors, spans: values and words of the choices; last: the newest record of the deployment's history.
    """

    actor: str
    standing: Digest
    live: ReleaseName | None
    back: ReleaseName | None
    no_rollback: str
    no_retrain: str
    no_silence: str
    monitors: tuple[tuple[str, str], ...]
    spans: tuple[tuple[str, str], ...]
    last: MoveRow | None
    retrain: RetrainPage | None


@dataclass(frozen=True, slots=True)
class IncidentPage:
    """One incident: what, since when, how bad, why perhaps, what to do. problem: what, where and mend of the last button."""

    ref: str
    name: str
    day: str
    row: IncidentRow
    lasted: str
    alerts: tuple[AlertRow, ...]
    informing: str
    strips: Strips | None
    causes: tuple[CauseRow, ...]
    events: tuple[Event, ...]
    steps: tuple[Step, ...]
    silences: tuple[SilenceRow, ...]
    actions: Actions | None
    problem: tuple[str, str, str] | None


@dataclass(frozen=True, slots=True)
class RetrainPage:
    """A retrain: how it stands in a word and a sentence, what it said; plan: whether one was made; refresh: seconds or 0."""

    ref: str
    name: str
    level: Level
    word: str
    sentence: str
    mend: str
    who: str
    why: str
    since: Stamp
    lasted: str
    lines: tuple[str, ...]
    challenger: ReleaseName | None
    plan: bool
    refresh: int


def make_incident_page(
    incident: Incident,
    days: Sequence[DayVerdict],
    readings: Sequence[Reading],
    silences: Sequence[Silence],
    *,
    now: datetime,
    actions: Actions | None = None,
    problem: tuple[str, str, str] | None = None,
) -> IncidentPage:
    """days, readings: of the deployment; what lies around the incident is drawn. actions: None without hands."""
    said = said_by(days, readings)
    newest = last_day(said, max([day.day for day in days] + [incident.last_day])) or incident.last_day
    strips = make_strips(
        said, (*incident.alerts, *incident.informing), incident.events,
        first=incident.first_day - AROUND,
        last=newest if incident.open else min(newest, incident.last_day + _AFTER),
    )  # fmt: skip
    ended = (incident.last_day - incident.first_day).days + 1
    return IncidentPage(
        ref=incident.ref,
        name=incident.ref.removeprefix("deploy/"),
        day=incident.first_day.isoformat(),
        row=incident_row(incident),
        lasted=count(ended, "day"),
        alerts=tuple(_alert_line(alert) for alert in incident.alerts),
        informing=listed([title_of(alert.monitor) for alert in incident.informing], most=6),
        strips=strips,
        causes=tuple(_cause(cause, incident.ref.removeprefix("deploy/")) for cause in incident.causes),
        events=tuple(reversed(incident.events)),
        steps=incident_steps(incident),
        silences=silence_rows(silences, now),
        actions=actions if incident.open else None,
        problem=problem,
    )


def make_actions(
    incident: Incident,
    ways: Ways,
    silences: Sequence[Silence],
    *,
    actor: str,
    last: Move | None,
    retrain: Retrained | None,
    now: datetime,
) -> Actions:
    """What can be done about an incident, as whoever started the server."""
    return Actions(
        actor=actor,
        standing=ways.standing,
        live=release_name(ways.live) if ways.live else None,
        back=release_name(ways.back) if ways.back else None,
        no_rollback=ways.no_rollback,
        no_retrain=ways.no_retrain,
        no_silence=ways.no_silence,
        monitors=tuple((name, "every monitor" if name == ALL else title_of(name)) for name in silenceable(incident, silences)),
        spans=SPANS + ((_END,) if silences else ()),
        last=move_row(last, now) if last else None,
        retrain=make_retrain_page(retrain, now) if retrain else None,
    )


def silenceable(incident: Incident, silences: Sequence[Silence]) -> tuple[str, ...]:
    """The monitors of an incident that may be silenced, those that are, and all."""
    return tuple(dict.fromkeys([ALL, *(alert.monitor for alert in incident.alerts), *(one.monitor for one in silences)]))


def incident_steps(incident: Incident) -> tuple[Step, ...]:
    """What to type now, the likeliest help first; nothing for an incident that is over."""
    if not incident.open:
        return ()
    name, kinds = incident.ref.removeprefix("deploy/"), [cause.kind.value for cause in incident.causes]
    back = Step(f"shipway rollback {name}", "returns to what was live before, at once")
    again = Step(f"shipway retrain {name}", "makes a challenger from newer data, compares it with live and opens a plan")
    helps = {
        "release": (back,),
        "columns": (Step(f"shipway why {name}", "leads from the deployment to the data and code that it came from"), back),
        "provider": (Step(f"shipway watch {name} --sentinel", "asks the provider again, now"), back),
        "index": (Step("shipway rag sync", "brings the index up to its documents"),),
        "labels": (Step("shipway outcomes", "shows which outcomes come, and how late"),),
        "world": (again,),
    }
    found = [step for kind in kinds for step in helps.get(kind, ())]
    quiet = Step(f'shipway incident {name} --silence 1d --why "…"', "calls nobody for a day; the alert stays")
    return tuple(dict.fromkeys([*found, quiet]))


def make_retrain_page(found: Retrained, now: datetime) -> RetrainPage:
    """A retrain as it stands."""
    document = found.document or {}
    level, word, sentence, mend = _standing(found, document)
    challenger = document.get("challenger")
    return RetrainPage(
        ref=found.ref,
        name=found.ref.removeprefix("deploy/"),
        level=level,
        word=word,
        sentence=sentence,
        mend=mend,
        who=found.who,
        why=found.why,
        since=stamp(found.since, now),
        lasted=span(max(0.0, ((found.ended or now) - found.since).total_seconds())),
        lines=found.lines,
        challenger=release_name(Digest(str(challenger))) if challenger else None,
        plan=bool(document.get("plan")),
        refresh=REFRESH if found.running else 0,
    )


def _standing(found: Retrained, document: JsonObject) -> tuple[Level, str, str, str]:
    if found.running:
        return Level.QUIET, "Retraining", "the pipeline runs, then the challenger is compared with what is live", ""
    if document.get("promoted"):
        return Level.GOOD, "Promoted", "the challenger passed its gate and is live, as the policy lets retrain do", ""
    if document.get("plan"):
        return Level.GOOD, "Done", f"there is a challenger and a plan; not promoted: {document.get('why_not')}", ""
    if document.get("kind") == "retrain":
        return Level.GOOD, "Nothing new", "data, code and packages are those of what is live, and so would be the model", ""
    error = cast("JsonObject", document.get("error") or {})
    what = str(error.get("what") or f"it ended with exit code {found.code} and no last word")
    return Level.BAD, "Failed", what, str(error.get("mend") or "")


def _cause(cause: Cause, deployment: str) -> CauseRow:
    return CauseRow(cause.likelihood, cause.text, cause.runbook, runbook_of(cause.kind.value, deployment))


def _alert_line(alert: Alert) -> AlertRow:
    """Until its last failing day: what an incident lasted is told by these."""
    return replace(alert_row(alert), until="" if alert.open else alert.last_day.isoformat())
