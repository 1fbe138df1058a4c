"""Watch: a verdict on each day that is settled, from the window that ends with it, and the alerts that follow.

Level-triggered and killable: what a day needs is derived from the logs, a judged day is not judged again, alerts are a
fold over all verdicts. Running it twice is running it once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cache
from itertools import islice
from typing import NamedTuple, Protocol

import msgspec

from shipway.data import Profile
from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check
from shipway.kernel.digest import Digest, digest_bytes
from shipway.kernel.units import Seconds
from shipway.monitor._alerts import Alert, fold_alerts
from shipway.monitor._clock import event_clock
from shipway.monitor._deployments import Reference, release_reference
from shipway.monitor._entities import entity_rules
from shipway.monitor._judge import answering_leaves, judge_day
from shipway.monitor._leaf import Question
from shipway.monitor._leaves import Leaves, refresh_leaves
from shipway.monitor._lock import exclusive
from shipway.monitor._schema import load_columns
from shipway.monitor._tables import list_tables
from shipway.monitor._verdict import DayVerdict
from shipway.monitor._window import Windows
from shipway.spec import MonitorSpec
from shipway.store import Store

WINDOW, ALERT, SEEN = "window", "alert", "watched"
_BATCH = 28  # verdicts put into the catalogue at a time


class AttestChecks(Protocol):
    """Signs the checks of a window as evidence about a release. After a crash it is called again with the same."""

    def __call__(self, subject: Digest, name: str, checks: tuple[Check, ...], window: JsonObject) -> None: ...


class WatchResult(NamedTuple):
    """days: the verdicts that this call has added; alerts: every alert of the ref, oldest first."""

    days: tuple[DayVerdict, ...]
    alerts: tuple[Alert, ...]


def watch(
    store: Store,
    ref: str,
    monitors: Mapping[str, MonitorSpec],
    *,
    matures: Seconds,
    outcome: str,
    attest_checks: AttestChecks,
    until: datetime | None = None,
    reference: Reference | None = None,
) -> WatchResult:
    """Judges every settled day that was not judged before, in order.

    A day is settled when it is over and every row has a mature label; or when, a day past the maturity of its last row,
    a later day has labels; or when it has waited a week for any. So the verdict is the same whenever this is called.
    A day belongs to the release that answered most of its rows, and its window holds that release's days only: a new
    release answers for itself. matures: seconds after the event; until: what time it is on the event clock, as the logs
    tell it when left out; reference: the reference profile of a release, its own when left out. Rows of a release or
    deployment that cannot be read wait for it. Raises ObjectMissing, ObjectDamaged when a leaf's profile is not readable.
    """
    profile_of = cache(reference or (lambda release: release_reference(store, release)))
    with exclusive(store.log_folder("predictions").parent / "watch.lock", wait=True):
        seen = _fingerprint(store, (ref, outcome, matures, until, entity_rules(store, ref).get(outcome)), monitors)
        row = store.state(SEEN, ref)
        if row is not None and row.value["seen"] == seen:
            return WatchResult((), load_alerts(store, ref))
        clock = until or event_clock(store, ref)
        if clock is None:
            return WatchResult((), load_alerts(store, ref))
        found = refresh_leaves(store, Question(ref, outcome, matures, clock, store.clock.now()), profile_of)
        days = tuple(_keep(store, _judge(store, ref, monitors, found, profile_of), attest_checks))
        alerts = _keep_alerts(store, ref)
        if not found.settled.waits:
            store.put_state(SEEN, ref, {"version": 1, "seen": seen})
    return WatchResult(days, alerts)


def load_verdicts(store: Store, ref: str) -> tuple[DayVerdict, ...]:
    """Every verdict of a ref, by day."""
    return tuple(DayVerdict.from_json(row.value) for row in store.states(WINDOW, f"{ref}/"))


def load_alerts(store: Store, ref: str) -> tuple[Alert, ...]:
    """Every alert of a ref, oldest first."""
    alerts = [Alert.from_json(row.value) for row in store.states(ALERT, f"{ref}/")]
    return tuple(sorted(alerts, key=lambda alert: (alert.first_day, alert.monitor)))


def _judge(
    store: Store,
    ref: str,
    monitors: Mapping[str, MonitorSpec],
    found: Leaves,
    profile_of: Callable[[Digest], Profile | None],
) -> Iterator[DayVerdict]:
    """The verdict on each day that is settled and has none yet, in order."""
    judged = {row.key for row in store.states(WINDOW, f"{ref}/")}
    windows, settled = Windows(store), set(found.settled.days)
    wanted = [last for last in answering_leaves(found.leaves) if last.day in settled and f"{ref}/{last.day}" not in judged]
    columns = load_columns(store, ref, [last.day for last in wanted]) if wanted and "schema" in monitors else None
    for last in wanted:
        own = [leaf for leaf in found.leaves if leaf.release == last.release]
        yield judge_day(ref, last, own, monitors, windows, profile_of(last.release), columns)


def _keep(store: Store, verdicts: Iterator[DayVerdict], attest_checks: AttestChecks) -> Iterator[DayVerdict]:
    """Evidence first, then the verdicts that say it exists."""
    while batch := list(islice(verdicts, _BATCH)):
        for verdict in batch:
            attest_checks(verdict.release, verdict.ref, tuple(f.check for f in verdict.findings), verdict.window())
        store.put_states(WINDOW, {f"{verdict.ref}/{verdict.day}": verdict.to_json() for verdict in batch})
        yield from batch


def _keep_alerts(store: Store, ref: str) -> tuple[Alert, ...]:
    """The alerts that all verdicts together make; only what has changed is written."""
    alerts = fold_alerts(load_verdicts(store, ref))
    held = {row.key: row.value for row in store.states(ALERT, f"{ref}/")}
    changed = {alert.key: alert.to_json() for alert in alerts if held.get(alert.key) != alert.to_json()}
    if changed:
        store.put_states(ALERT, changed)
    return alerts


def _fingerprint(store: Store, question: tuple[object, ...], monitors: Mapping[str, MonitorSpec]) -> str:
    """The same text means that there is nothing new to say: the same tables, the same question."""
    tables = [[path.name for path in list_tables(store, stream)] for stream in ("predictions", "outcomes")]
    return digest_bytes(msgspec.json.encode([tables, question, dict(monitors)]))
