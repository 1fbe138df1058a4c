"""What happened around a deployment: releases that took over, code and data that moved, providers, late labels, rows lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from itertools import pairwise
from statistics import median

from shipway.kernel.check import Verdict
from shipway.kernel.clock import parse_instant
from shipway.kernel.digest import Descriptor, Digest, short
from shipway.monitor._alerts import Alert
from shipway.monitor._faults import past_unreadable
from shipway.monitor._gaps import GAP
from shipway.monitor._incidents import YOUNG, Event, EventKind, Incident, group_alerts, rank_causes
from shipway.monitor._readings import load_readings
from shipway.monitor._verdict import DayVerdict
from shipway.monitor._watch import load_alerts, load_verdicts
from shipway.release import load_components
from shipway.store import AuditRecord, Store

_MOVES = 50  # records of a ref that are looked at
_FILES = 4  # of changed code that are named
_FEW = 0.5  # of the usual share of labels: below it a day's labels are late


def load_incidents(store: Store, ref: str, events: Sequence[Event] | None = None) -> tuple[Incident, ...]:
    """Every incident of a deployment with its events and causes, the newest first.

    events: what happened, by `load_events` of all verdicts, for whoever has read them; else they are read here.
    """
    incidents = group_alerts(load_alerts(store, ref))
    if not incidents:
        return ()
    if events is None:
        events = load_events(store, ref, load_verdicts(store, ref))
    return tuple(_whole(incident, events) for incident in reversed(incidents))


def load_events(store: Store, ref: str, verdicts: Sequence[DayVerdict]) -> tuple[Event, ...]:
    """All that is known, by day; verdicts: of the ref, by day.

    Days that are judged are those of the events, and moves are of the wall clock: a release took over on the first day that
    it answered, and a move is told on its own day where nobody has judged that release.
    """
    found = [
        *_takeovers(store, verdicts),
        *_moves(store, ref, {verdict.release for verdict in verdicts}),
        *_data(store),
        *_provider(store, ref),
        *_labels(verdicts),
        *_gaps(store),
    ]
    return tuple(sorted(found, key=lambda event: (event.day, event.kind, event.text)))


def _whole(incident: Incident, events: Sequence[Event]) -> Incident:
    first, last = incident.first_day - timedelta(days=YOUNG), _last(incident.alerts)
    around = tuple(event for event in events if first <= event.day <= last)
    causes = rank_causes(incident, around)
    return Incident(incident.ref, incident.alerts, incident.informing, around, causes)


def _last(alerts: Sequence[Alert]) -> date:
    return date.max if any(alert.open for alert in alerts) else max(alert.resolved or alert.last_day for alert in alerts)


def _takeovers(store: Store, verdicts: Sequence[DayVerdict]) -> Iterator[Event]:
    for before, day in pairwise(verdicts):
        if before.release != day.release:
            yield from _deploy(store, day.day, day.release, before.release)
    if verdicts:
        yield from _deploy(store, verdicts[0].day, verdicts[0].release, None)


def _moves(store: Store, ref: str, judged: set[Digest]) -> Iterator[Event]:
    records = [record for record in store.history(ref, limit=_MOVES) if record.outcome == "moved" and record.release]
    for newer, older in pairwise([*records, None]):
        if newer is not None and newer.release is not None and newer.release not in judged:
            yield from _deploy(store, newer.at.date(), newer.release, older.release if older else None)


def _deploy(store: Store, day: date, release: Digest, before: Digest | None) -> Iterator[Event]:
    """A release that took over, and beside it the files of code that it changed."""
    changed = changed_components(store, before, release) if before else ()
    what = f": {', '.join(changed)} changed" if changed else ""
    yield Event(day, EventKind.DEPLOY, f"release {short(release)} took over{what}", release, changed)
    if before and "code" in changed:
        files = _changed_files(store, before, release)
        more = f" and {len(files) - _FILES} more" if len(files) > _FILES else ""
        named = f": {', '.join(files[:_FILES])}{more}" if files else ""
        yield Event(day, EventKind.CODE, f"other code with release {short(release)}{named}")


def _changed_files(store: Store, before: Digest, after: Digest) -> list[str]:
    """Paths of code that came, went or hold something else; none where one of the releases cannot be read."""
    with past_unreadable(), suppress(KeyError, TypeError):  # code of another form than ours has no tree of files
        old, new = (_files(store, release) for release in (before, after))
        return sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))
    return []


def _files(store: Store, release: Digest) -> dict[str, Digest]:
    code = next(part.digest for part in load_components(store, release) if part.kind == "code")
    root = Descriptor.from_json(store.get(code, "code")["root"]).digest
    return {entry.path: entry.digest for entry in store.tree(root)}


def changed_components(store: Store, before: Digest, after: Digest) -> tuple[str, ...]:
    """Kinds of the components in which two releases differ; none where one cannot be read."""
    with past_unreadable():
        old, new = ({(c.kind, c.name): c.digest for c in load_components(store, release)} for release in (before, after))
        return tuple(sorted({kind for kind, name in {*old, *new} if old.get((kind, name)) != new.get((kind, name))}))
    return ()


def _data(store: Store) -> Iterator[Event]:
    for ref in store.refs("data/"):
        moves: list[AuditRecord] = [r for r in store.history(ref.name, limit=_MOVES) if r.outcome == "moved" and r.target]
        for record in moves:
            yield Event(record.at.date(), EventKind.DATA, f"{ref.name} moved to {short(record.target or Digest(''))}")


def _provider(store: Store, ref: str) -> Iterator[Event]:
    for reading in load_readings(store, ref):
        if reading.monitor == "sentinel":
            for before, point in pairwise(reading.history):
                if point.verdict is Verdict.FAIL and before.verdict is not Verdict.FAIL:
                    yield Event(point.at.date(), EventKind.PROVIDER, "the provider answers otherwise than at first")


def _labels(verdicts: Sequence[DayVerdict]) -> Iterator[Event]:
    """A day from which the share of labels in the window is less than half of what was usual."""
    shares = [verdict.labels / verdict.rows if verdict.rows else 0.0 for verdict in verdicts]
    few = [number >= YOUNG and share < _FEW * median(shares[number - YOUNG : number]) for number, share in enumerate(shares)]
    for number, lacking in enumerate(few):
        if lacking and not few[number - 1]:
            usual = median(shares[number - YOUNG : number])
            text = f"labels are late: {shares[number]:.0%} of the window's rows have one, {usual:.0%} are usual"
            yield Event(verdicts[number].day, EventKind.LABELS, text)


def _gaps(store: Store) -> Iterator[Event]:
    for row in store.states(GAP):
        when, rows = row.value.get("last") or row.value.get("recorded"), row.value.get("rows")
        moment: datetime = parse_instant(str(when))
        yield Event(moment.date(), EventKind.GAP, f"{rows} rows of the log {row.value.get('stream')} were lost")
