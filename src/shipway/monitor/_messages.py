"""What people are told of incidents: one message when one opens, gets worse, or is over, and no more. Pure.

A row of state (kind `notified`, key the incident's id) says what was told last, so that a restart tells nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.clock import instant, parse_instant
from shipway.kernel.units import Seconds
from shipway.monitor._alerts import LOUDEST_FIRST, Alert
from shipway.monitor._incidents import Incident
from shipway.monitor._silences import Silence
from shipway.monitor._verdict import Severity

NOTIFIED = "notified"
TOGETHER = 3  # messages of one round; more become one, for ten messages at once are none


@dataclass(frozen=True, slots=True)
class Message:
    """About one incident, or several at once; severity: how loud; told: what is kept of each once it is sent, by id."""

    severity: Severity
    title: str
    body: str
    told: Mapping[str, JsonObject]


def due_messages(
    incidents: Iterable[Incident],
    told: Mapping[str, JsonObject],
    silences: Sequence[Silence],
    *,
    now: datetime,
    every: Seconds,
    link: str = "",
) -> list[Message]:
    """What has to be said now; told: the rows of `notified` by id; link: of the control plane, empty where none is known.

    A new incident is told at once; another alert of one, or a louder one, `every` seconds after the last message at the
    earliest; its end once, to whom its beginning was told. Silenced alerts are not spoken of.
    """
    found = [message for one in incidents if (message := _message(one, told.get(one.id), silences, now, every, link))]
    if len(found) <= TOGETHER:
        return found
    loudest = min((message.severity for message in found), key=LOUDEST_FIRST.index)
    body = "\n\n".join(f"{message.title}\n{message.body.splitlines()[0]}" for message in found)
    kept = {key: value for message in found for key, value in message.told.items()}
    return [Message(loudest, f"{len(found)} incidents", body, kept)]


def _message(
    incident: Incident, told: JsonObject | None, silences: Sequence[Silence], now: datetime, every: Seconds, link: str
) -> Message | None:
    spoken = [alert for alert in incident.alerts if alert.open and not any(one.covers(alert.monitor, now) for one in silences)]
    if not incident.open:
        if told is None or told.get("status") == "resolved":
            return None
        title = f"over: {incident.ref.removeprefix('deploy/')}, {_monitors(incident.alerts)}"
        body = f"It lasted from {incident.first_day} to {incident.last_day}."
        return Message(Severity(str(told["severity"])), title, body, {incident.id: _told(incident, incident.alerts, now)})
    if not spoken:
        return None
    if told is not None and told.get("status") == "open":
        known, severity = {str(one) for one in _list(told.get("monitors"))}, _loudest(spoken)
        worse = LOUDEST_FIRST.index(severity) < LOUDEST_FIRST.index(Severity(str(told["severity"])))
        if not worse and {alert.monitor for alert in spoken} <= known:
            return None
        if now < parse_instant(str(told["at"])) + timedelta(seconds=every):
            return None
    severity = _loudest(spoken)
    title = f"{severity.value}: {incident.ref.removeprefix('deploy/')}, {_monitors(spoken)}"
    return Message(severity, title, _body(incident, spoken, link), {incident.id: _told(incident, spoken, now)})


def _body(incident: Incident, spoken: Sequence[Alert], link: str) -> str:
    """What, since when, how bad, why perhaps, what to do, where to look."""
    lines = [f"Since {incident.first_day}: " + "; ".join(_words(alert) for alert in spoken[:4])]
    lines += [f"{cause.likelihood.capitalize()}: {cause.text}. What to do: {cause.runbook}" for cause in incident.causes[:2]]
    name = incident.ref.removeprefix("deploy/")
    lines.append(f"{link}/incidents/{incident.id}" if link else f"shipway incident {name}")
    return "\n".join(lines)


def _words(alert: Alert) -> str:
    number = "" if alert.value is None else f" {alert.value:.3g}"
    over = "" if alert.threshold is None else f" against {alert.threshold:g}"
    return f"{alert.monitor}{number}{over}" + (f" ({alert.text})" if alert.text else "")


def _monitors(alerts: Sequence[Alert]) -> str:
    names = list(dict.fromkeys(alert.monitor for alert in alerts))
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _loudest(alerts: Sequence[Alert]) -> Severity:
    return min((alert.severity for alert in alerts), key=LOUDEST_FIRST.index)


def _told(incident: Incident, alerts: Sequence[Alert], now: datetime) -> JsonObject:
    monitors: list[Json] = [*sorted({alert.monitor for alert in alerts})]
    status = "open" if incident.open else "resolved"
    return {"version": 1, "at": instant(now), "severity": _loudest(alerts).value, "status": status, "monitors": monitors}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
