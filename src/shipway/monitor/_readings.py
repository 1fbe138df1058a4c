"""Readings: the newest word of each monitor on the wall clock (freshness, cost, sentinel), and the alert that follows.

A row of state (kind `reading`, key `<ref>/<monitor>`) with its history, and rows of kind `alert` beside those of the day
monitors, which a fold over days writes and which are never touched here. Level-triggered: what a crash left half-way, the
next call with the same reading mends.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple, cast

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.check import Check, Verdict
from shipway.kernel.clock import instant, parse_instant
from shipway.kernel.digest import Digest, parse_digest
from shipway.kernel.units import Seconds
from shipway.monitor._alerts import LOUDEST_FIRST, Alert
from shipway.monitor._lock import exclusive
from shipway.monitor._verdict import Severity
from shipway.monitor._watch import ALERT, AttestChecks
from shipway.store import Store

READING = "reading"
HISTORY = 200  # points of a reading that are kept
STEP_SECONDS = 900.0  # between two of them while the verdict stays: two days at least, whatever a look every 5 s says
BESIDE = timedelta(minutes=1)  # what somebody else has looked at since is the newer word; later, our clock was set back


class ReadingPoint(NamedTuple):
    """One point of a reading's history."""

    at: datetime
    value: float | None
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Reading:
    """What a monitor of a deployment said last, about which release; history: oldest first, ends with the newest."""

    ref: str
    monitor: str
    at: datetime
    severity: Severity
    release: Digest
    check: Check
    detail: JsonObject
    history: tuple[ReadingPoint, ...]

    @property
    def key(self) -> str:
        """The key of its row of state."""
        return f"{self.ref}/{self.monitor}"

    def to_json(self) -> JsonObject:
        """The value of its row of state."""
        history: list[Json] = [[instant(point.at), point.value, point.verdict.value] for point in self.history]
        return {
            "version": 1,
            "ref": self.ref,
            "monitor": self.monitor,
            "at": instant(self.at),
            "severity": self.severity.value,
            "release": self.release,
            "check": self.check.to_json(),
            "detail": self.detail,
            "history": history,
        }

    @classmethod
    def from_json(cls, record: JsonObject) -> Reading:
        """The inverse of to_json. Raises KeyError, TypeError, ValueError, CheckMalformed."""
        history = cast("list[tuple[str, float | None, str]]", record["history"])
        return cls(
            ref=str(record["ref"]),
            monitor=str(record["monitor"]),
            at=parse_instant(str(record["at"])),
            severity=Severity(str(record["severity"])),
            release=parse_digest(str(record["release"])),
            check=Check.from_json(cast("JsonObject", record["check"])),
            detail=cast("JsonObject", record["detail"]),
            history=tuple(ReadingPoint(parse_instant(at), value, Verdict(verdict)) for at, value, verdict in history),
        )


def keep_reading(
    store: Store,
    ref: str,
    monitor: str,
    check: Check,
    *,
    severity: Severity,
    release: Digest,
    detail: JsonObject,
    now: datetime,
    window: Seconds | None = None,
    attest_checks: AttestChecks | None = None,
    undecided_ends: bool = False,
) -> Reading:
    """Keeps what a monitor says now of a deployment, and opens, extends or resolves its alert; the reading as kept.

    severity: how loud a failure is; REPORT never is an alert. A failing check opens an alert of the day or extends the one
    that is open, a passing one resolves it at once, an inconclusive one does neither. An alert that opens again on the day
    of its resolution is the same one. undecided_ends: an inconclusive one resolves it too, of a monitor whose every look is
    at something else. attest_checks: called when the verdict or the release differs from the one kept
    before. window: of the monitor; its history is thinned to days then, and has every call's point without. Several processes
    of a machine may look at once: one keeps its reading after the other, and an older look changes nothing. Calling it again
    with the same is calling it once.
    """
    reading = Reading(ref, monitor, now, severity, release, check, detail, ())
    with exclusive(store.log_folder("predictions").parent / "readings.lock", wait=True):
        return _keep(store, reading, window, attest_checks, undecided_ends)


def _keep(
    store: Store, reading: Reading, window: Seconds | None, attest_checks: AttestChecks | None, undecided_ends: bool
) -> Reading:
    """reading: without its history."""
    ref, monitor, now, check, release = reading.ref, reading.monitor, reading.at, reading.check, reading.release
    row = store.state(READING, f"{ref}/{monitor}")
    before = Reading.from_json(row.value) if row else None
    if before is not None and now < before.at <= now + BESIDE:
        return before
    every = 0.0 if window is None else max(window / 50, STEP_SECONDS)
    history = _extended(before.history if before else (), ReadingPoint(now, check.value, check.verdict), every)
    reading = replace(reading, history=history)
    _keep_alert(store, reading, undecided_ends)
    if attest_checks and (before is None or (before.check.verdict, before.release) != (check.verdict, release)):
        attest_checks(release, ref, (check,), _window(reading))
    store.put_state(READING, reading.key, reading.to_json())  # last: what came before it is done again when it is missing
    return reading


def _extended(history: Sequence[ReadingPoint], newest: ReadingPoint, every: float) -> tuple[ReadingPoint, ...]:
    """The history with its newest point. Of points of one verdict the one before gives way when it is too near its own
    predecessor; a change of the verdict is always kept.
    """
    kept = [point for point in history if point.at < newest.at]
    if len(kept) > 1 and kept[-1].verdict == kept[-2].verdict and (kept[-1].at - kept[-2].at).total_seconds() < every:
        kept.pop()
    return (*kept, newest)[-HISTORY:]


def load_readings(store: Store, ref: str) -> tuple[Reading, ...]:
    """The newest reading of every monitor on the wall clock of a ref, by monitor."""
    return tuple(Reading.from_json(row.value) for row in store.states(READING, f"{ref}/"))


def drop_readings(store: Store, ref: str, *, monitors: Collection[str], now: datetime) -> tuple[str, ...]:
    """Forgets the readings of a ref whose monitors are none of these any more, and resolves their alerts; their names."""
    gone = [reading for reading in load_readings(store, ref) if reading.monitor not in monitors]
    for reading in gone:
        for alert in _open_alerts(store, reading):
            store.put_state(ALERT, alert.key, replace(alert, resolved=now.date()).to_json())
        store.delete_state(READING, reading.key)
    return tuple(reading.monitor for reading in gone)


def _keep_alert(store: Store, reading: Reading, undecided_ends: bool) -> None:
    """Writes only what changes. An alert of another severity than now keeps the louder of both."""
    held = _open_alerts(store, reading)
    verdict = reading.check.verdict
    if reading.severity is Severity.REPORT or (verdict is Verdict.INCONCLUSIVE and not undecided_ends):
        return
    changed = [replace(alert, resolved=reading.at.date()) for alert in held]
    if verdict is Verdict.FAIL:
        changed = [_failing(reading, held[0] if held else None)]
    fresh = {alert.key: alert.to_json() for alert in changed if alert not in held}
    if fresh:
        store.put_states(ALERT, fresh)


def _open_alerts(store: Store, reading: Reading) -> list[Alert]:
    alerts = [Alert.from_json(row.value) for row in store.states(ALERT, f"{reading.key}/")]
    return [alert for alert in alerts if alert.open]


def _failing(reading: Reading, held: Alert | None) -> Alert:
    check, today = reading.check, reading.at.date()
    severity = min(held.severity, reading.severity, key=LOUDEST_FIRST.index) if held else reading.severity
    return Alert(
        ref=reading.ref,
        severity=severity,
        monitor=reading.monitor,
        value=check.value,
        low=check.low,
        high=check.high,
        threshold=check.threshold,
        first_day=held.first_day if held else today,
        last_day=max(today, held.last_day) if held else today,
        release=reading.release,
        text=check.text,
    )


def _window(reading: Reading) -> JsonObject:
    """What stands beside the check in its evidence."""
    return {
        "verdict": reading.check.verdict.value,
        "text": reading.check.text,
        "ref": reading.ref,
        "monitor": reading.monitor,
        "at": instant(reading.at),
    }
