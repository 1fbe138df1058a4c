"""The first thing an on-call engineer looks for: is it fine, since when, what changed, what to type. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from shipway.kernel.check import Verdict
from shipway.kernel.digest import Digest, short
from shipway.monitor import Alert, DayVerdict, Severity
from shipway.web._facts import DeploymentFacts
from shipway.web._words import count, interval, limit, listed, number, title_of

YOUNG_DAYS = 28  # one window: what begins within it may have come with the release


class Level(StrEnum):
    """How a status looks."""

    BAD = "bad"
    WARN = "warn"
    GOOD = "good"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Step:
    """A command worth typing now, and what it does."""

    command: str
    text: str


@dataclass(frozen=True, slots=True)
class Status:
    """One word, one sentence, what is known about the cause, and the commands."""

    level: Level
    word: str
    sentence: str
    notes: tuple[str, ...]
    steps: tuple[Step, ...]


def status_of(facts: DeploymentFacts) -> Status:
    """The status of one deployment: nothing live, alerting, not judged yet, undecided, or fine. Its gateway has its own."""
    if facts.live is None:
        return _nothing_live(facts)
    if not facts.days or facts.days[-1].release != facts.live.release.digest:
        return _not_judged(facts)
    for severity, level, word in ((Severity.PAGE, Level.BAD, "Paging"), (Severity.TICKET, Level.WARN, "Ticket")):
        alerts = [alert for alert in open_alerts(facts) if alert.severity is severity]
        if alerts:
            return _alerting(facts, alerts, level, word)
    newest = facts.days[-1]
    return _fine(facts, newest) if newest.verdict is Verdict.PASS else _undecided(facts, newest)


def open_alerts(facts: DeploymentFacts) -> list[Alert]:
    """Open alerts, the longest first."""
    return sorted((alert for alert in facts.alerts if alert.open), key=lambda alert: alert.first_day)


def release_began(facts: DeploymentFacts) -> date | None:
    """The first judged day of the live release since it last took over."""
    began = None
    for day in reversed(facts.days):
        if facts.live is None or day.release != facts.live.release.digest:
            break
        began = day.day
    return began


def previous_release(facts: DeploymentFacts) -> Digest | None:
    """Where `shipway rollback` would go: what was live before the live release."""
    live = facts.live.release.digest if facts.live else None
    return next((move.target for move in facts.history if move.moved and move.target not in (None, live)), None)


def _alerting(facts: DeploymentFacts, alerts: list[Alert], level: Level, word: str) -> Status:
    first = alerts[0]
    numbers = " ".join(filter(None, (number(first.value), interval(first.low, first.high))))
    over = f", beyond {limit(first.monitor, first.threshold)}" if first.threshold is not None else ""
    lasted = count((first.last_day - first.first_day).days + 1, "day")
    sentence = f"{title_of(first.monitor)} {numbers}{over} since {first.first_day} ({lasted})"
    others = [f"{title_of(alert.monitor)} since {alert.first_day}" for alert in alerts[1:]]
    also = (f"Also: {listed(others, most=4)}.",) if others else ()
    cause, steps = _cause(facts, first)
    return Status(level, word, sentence, (*_words_of(facts, first), *also, *cause), (*steps, *_next_release(facts)))


def _words_of(facts: DeploymentFacts, alert: Alert) -> tuple[str, ...]:
    """What the monitor said in words on the newest day, such as the predicted and the realised rate."""
    findings = facts.days[-1].findings if facts.days else ()
    texts = [finding.check.text for finding in findings if finding.check.name == alert.monitor and finding.check.text]
    return (f"Last window: {texts[0]}.",) if texts else ()


def _cause(facts: DeploymentFacts, alert: Alert) -> tuple[tuple[str, ...], tuple[Step, ...]]:
    """Whether the release or the world changed before the alert began, and the way back when it was the release."""
    began, before = release_began(facts), previous_release(facts)
    if began is None:
        return (), ()
    served = (alert.first_day - began).days
    if served >= YOUNG_DAYS:
        return (f"The release had served {count(served, 'day')} by then and did not change: the world did.",), ()
    note = f"It began {count(served, 'day')} after this release took over."
    if before is None:
        return (note, "Nothing else was live before."), ()
    return (note,), (Step(f"shipway rollback {facts.name}", f"returns to {short(before)}, live before, at once"),)


def _next_release(facts: DeploymentFacts) -> tuple[Step, ...]:
    """The candidate that waits, or how to make one."""
    return candidate_step(facts) or (Step("shipway run", "makes a challenger from newer data; then check, release and plan"),)


def candidate_step(facts: DeploymentFacts) -> tuple[Step, ...]:
    """A release that was made and never was live here."""
    known = {move.target for move in facts.history if move.moved}
    if facts.candidate is None or facts.candidate.digest in known:
        return ()
    text = f"compares the candidate {short(facts.candidate.digest)} with live, and says what its gate would say"
    return (Step(f"shipway plan {facts.name}", text),)


def _not_judged(facts: DeploymentFacts) -> Status:
    """Live, and what is known is about another release or about none."""
    steps = (Step(f"shipway watch {facts.name}", "judges every day that has labels"), *candidate_step(facts))
    if not facts.days:
        return Status(Level.QUIET, "Not judged", "The live release has no judged day yet", (), steps)
    newest = facts.days[-1]
    notes = [f"The last verdict, {newest.verdict} on {newest.day}, is about {short(newest.release)}, which is not live now."]
    waiting = [f"{title_of(alert.monitor)} since {alert.first_day}" for alert in open_alerts(facts) if is_loud(alert.severity)]
    if waiting:
        notes.append(f"Its alerts stay open until the live release has a verdict: {listed(waiting, most=4)}.")
    level = Level.WARN if waiting else Level.QUIET
    return Status(level, "Not judged", "The live release has no judged day since it took over", tuple(notes), steps)


def _undecided(facts: DeploymentFacts, newest: DayVerdict) -> Status:
    unclear = [f.check for f in newest.findings if f.check.verdict is Verdict.INCONCLUSIVE and is_loud(f.severity)]
    names = listed([title_of(check.name) for check in unclear], most=3)
    needed = max((check.still_needed or 0 for check in unclear), default=0)
    more = f"; about {count(needed, 'label')} more would decide" if needed else ""
    return Status(Level.QUIET, "Undecided", f"{names} on {newest.day}{more}", (), candidate_step(facts))


def _fine(facts: DeploymentFacts, newest: DayVerdict) -> Status:
    sentence = f"Every monitor passes on the {count(newest.days, 'day')} to {newest.day} ({count(newest.labels, 'label')})"
    quiet = [alert for alert in facts.alerts if alert.resolved and is_loud(alert.severity)]
    last = max(quiet, key=lambda alert: alert.last_day, default=None)
    notes = (f"The last alert, {title_of(last.monitor)}, was resolved on {last.resolved}.",) if last else ()
    return Status(Level.GOOD, "Fine", sentence, notes, candidate_step(facts))


def _nothing_live(facts: DeploymentFacts) -> Status:
    refused = next((move for move in facts.history if move.outcome == "refused" and move.verdict), None)
    if refused is None or refused.verdict is None:
        return Status(Level.QUIET, "Nothing live", "Nothing was ever live here", (), candidate_step(facts))
    missing = refused.verdict.missing
    steps = []
    if any(not text.startswith("approval") for text in missing):
        steps.append(Step(f"shipway check {facts.name}", "measures the candidate: contracts, evaluation"))
    if any(text.startswith("approval") for text in missing):
        steps.append(Step(f"shipway approve {facts.name}", "signs that the candidate may go live"))
    steps.append(Step(f"shipway apply {facts.name}", "moves the deployment, if its gate allows"))
    notes = tuple(f"Missing: {text}" for text in missing)
    return Status(Level.WARN, "Refused", "Nothing is live: the gate refused the last move", notes, tuple(steps))


def is_loud(severity: Severity) -> bool:
    """Whether a failure of it wakes somebody or opens a ticket."""
    return severity in (Severity.PAGE, Severity.TICKET)
