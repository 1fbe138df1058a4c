"""The status of a deployment of target `gateway`: from its readings and alerts, as of the others from their windows. Pure."""

from __future__ import annotations

from shipway.kernel.check import Verdict
from shipway.monitor import Alert, Severity
from shipway.spec import REQUEST_MONITORS
from shipway.web._facts import DeploymentFacts
from shipway.web._gateway_facts import GatewayFacts
from shipway.web._status import Level, Status, Step, candidate_step, is_loud, open_alerts
from shipway.web._words import amount, count, limit, listed, title_of


def gateway_status(facts: DeploymentFacts, gateway: GatewayFacts) -> Status:
    """Alerting, never measured, undecided, or fine."""
    for severity, level, word in ((Severity.PAGE, Level.BAD, "Paging"), (Severity.TICKET, Level.WARN, "Ticket")):
        alerts = [alert for alert in open_alerts(facts) if alert.severity is severity]
        if alerts:
            return _alerting(facts, gateway, alerts, level, word)
    if not gateway.readings:
        steps = (Step("shipway up", "looks at freshness, cost and the sentinel while it runs"), *candidate_step(facts))
        return Status(Level.QUIET, "Not measured", "No monitor has looked at what is live yet", (), steps)
    unclear = [
        r
        for r in gateway.readings
        if r.check.verdict is Verdict.INCONCLUSIVE
        and is_loud(r.severity)
        and r.monitor not in REQUEST_MONITORS  # no traffic yet
    ]
    if unclear:
        sentence = f"{listed([title_of(reading.monitor) for reading in unclear], most=3)} cannot tell yet"
        notes = tuple(f"{title_of(reading.monitor)}: {reading.check.text}." for reading in unclear)
        return Status(Level.QUIET, "Undecided", sentence, (*notes, *_missing(gateway)), candidate_step(facts))
    return _fine(facts, gateway)


def _alerting(facts: DeploymentFacts, gateway: GatewayFacts, alerts: list[Alert], level: Level, word: str) -> Status:
    first = alerts[0]
    reading = next((found for found in gateway.readings if found.monitor == first.monitor), None)
    over = f", beyond {limit(first.monitor, first.threshold)}" if first.threshold else ""
    lasted = count((first.last_day - first.first_day).days + 1, "day")
    value = amount(first.monitor, first.value)
    sentence = f"{title_of(first.monitor)}: {value}{over} since {first.first_day} ({lasted})"
    said = (f"Last reading: {reading.check.text}.",) if reading and reading.check.text else ()
    others = [f"{title_of(alert.monitor)} since {alert.first_day}" for alert in alerts[1:]]
    also = (f"Also: {listed(others, most=4)}.",) if others else ()
    steps = (*_steps(facts, first.monitor), *candidate_step(facts))
    return Status(level, word, sentence, (*said, *also, *_missing(gateway)), steps)


def _steps(facts: DeploymentFacts, monitor: str) -> tuple[Step, ...]:
    if monitor == "freshness":
        return (Step("shipway rag sync", "builds an index of the documents as they are now; the deployment follows it"),)
    if monitor == "sentinel":
        return (Step(f"shipway eval {facts.name}", "scores the golden set against the provider as it answers now"),)
    if monitor == "cost":
        return (Step(f"shipway gateway cost {facts.name}", "says which release, key and day cost what"),)
    return ()


def _fine(facts: DeploymentFacts, gateway: GatewayFacts) -> Status:
    names = listed([title_of(reading.monitor) for reading in gateway.readings], most=4)
    quiet = [alert for alert in facts.alerts if alert.resolved and is_loud(alert.severity)]
    last = max(quiet, key=lambda alert: alert.last_day, default=None)
    notes = (f"The last alert, {title_of(last.monitor)}, was resolved on {last.resolved}.",) if last else ()
    return Status(Level.GOOD, "Fine", f"Every monitor passes: {names}", (*notes, *_missing(gateway)), candidate_step(facts))


def _missing(gateway: GatewayFacts) -> tuple[str, ...]:
    """Monitors that the deployment asks for and that have not looked yet."""
    silent = [name for name in gateway.monitors if name not in {reading.monitor for reading in gateway.readings}]
    return (f"No reading yet: {', '.join(title_of(name) for name in silent)}.",) if silent else ()
