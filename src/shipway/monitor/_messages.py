"""What people are told of incidents: one message when one opens, gets worse, or is over, and no more. Pure.

A row of state (kind `notified`, key `<incident's id> <address>`) says what was told there last, so that a restart tells nothing
twice, and an address that takes nothing does not make the others hear it again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
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
    heard: Collection[Severity] = tuple(Severity),
) -> list[Message]:
    """What has to be said now at one address; told: what was said there, by id of the incident; link: of the control plane,
    empty where none is known; heard: the severities that the address is for.

    A new incident and a louder alert of one are told at once; another alert, and the end of it, `every` seconds after the last
    message at the earliest: what comes and goes is one message. The end is told to whom the beginning was, once none of its
    alerts that are heard there is open. Silenced alerts are not spoken of.
    """
    found = [message for one in incidents if (message := _message(one, told.get(one.id), silences, now, every, link, heard))]
    if len(found) <= TOGETHER:
        return found
    loudest = min((message.severity for message in found), key=LOUDEST_FIRST.index)
    body = "\n\n".join(f"{message.title}\n{message.body.splitlines()[0]}" for message in found)
    kept = {key: value for message in found for key, value in message.told.items()}
    return [Message(loudest, f"{len(found)} incidents", body, kept)]


def _message(
    incident: Incident,
    told: JsonObject | None,
    silences: Sequence[Silence],
    now: datetime,
    every: Seconds,
    link: str,
    heard: Collection[Severity],
) -> Message | None:
    mine = [alert for alert in incident.alerts if alert.severity in heard]
    if not any(alert.open for alert in mine):
        return _over(incident, mine, told, now, every)
    spoken = [alert for alert in incident.alerts if alert.open and not any(one.covers(alert.monitor, now) for one in silences)]
    reasons = [alert for alert in spoken if alert.severity in heard]
    if not reasons:
        return None
    severity = _loudest(reasons)
    if told is not None and told.get("status") == "open":
        known = {str(one) for one in _list(told.get("monitors"))}
        worse = LOUDEST_FIRST.index(severity) < LOUDEST_FIRST.index(Severity(str(told["severity"])))
        if not worse and ({alert.monitor for alert in reasons} <= known or not _rested(told, now, every)):
            return None
    title = f"{severity.value}: {incident.ref.removeprefix('deploy/')}, {_monitors(spoken)}"
    return Message(severity, title, _body(incident, spoken, link), {incident.id: _told("open", reasons, now)})


def _over(
    incident: Incident, alerts: Sequence[Alert], told: JsonObject | None, now: datetime, every: Seconds
) -> Message | None:
    """alerts: those of the incident that are heard, none of them open."""
    if told is None or told.get("status") == "resolved" or not _rested(told, now, every):
        return None
    title = f"over: {incident.ref.removeprefix('deploy/')}, {_monitors(alerts)}"
    body = f"It lasted from {min(alert.first_day for alert in alerts)} to {max(alert.last_day for alert in alerts)}."
    return Message(Severity(str(told["severity"])), title, body, {incident.id: _told("resolved", alerts, now)})


def _rested(told: JsonObject, now: datetime, every: Seconds) -> bool:
    return now >= parse_instant(str(told["at"])) + timedelta(seconds=every)


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


def _told(status: str, alerts: Sequence[Alert], now: datetime) -> JsonObject:
    monitors: list[Json] = [*sorted({alert.monitor for alert in alerts})]
    return {"version": 1, "at": instant(now), "severity": _loudest(alerts).value, "status": status, "monitors": monitors}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
