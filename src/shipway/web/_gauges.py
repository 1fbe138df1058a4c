"""The gauges of the metrics page that are read from the catalogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time
from functools import partial

from shipway.evals import load_reviews
from shipway.kernel.check import Check, Verdict
from shipway.monitor import READING, Alert, DayVerdict, Reading
from shipway.store import StateRow, Store
from shipway.web._metrics import Samples
from shipway.web._query import ALERT, WINDOW, load_gaps, load_live
from shipway.web._reading import Reading as StoreReading

Said = tuple[Mapping[str, str], Check]  # ref and monitor, and the newest check of it


def read_gauges(store: Store) -> dict[str, Samples]:
    """What is live, what is open, what monitors said last, what was lost. A row that cannot be read is left out."""
    live, _ = load_live(store, costs=False)
    reading = StoreReading(store)
    lost: Counter[str] = Counter()
    for gap in load_gaps(store):
        rows = gap.get("rows")
        lost[str(gap.get("stream"))] += rows if isinstance(rows, int) else 0
    readings = [
        found for row in store.states(READING) if (found := reading.attempt(partial(Reading.from_json, row.value), None))
    ]
    judged = _judged(reading, live)
    return {
        "shipway_live_info": [({"ref": ref, "release": facts.release.digest}, 1) for ref, facts in live.items()],
        "shipway_log_gap_rows": [({"stream": stream}, rows) for stream, rows in sorted(lost.items())],
        "shipway_reviews_open": [({}, len(load_reviews(store, open_only=True)))],
        **_alerts(reading),
        **_readings(readings),
        **_judged_days(judged),
        **_monitors([*_days_said(day for day, _ in judged.values()), *_readings_said(readings)]),
    }


def _alerts(reading: StoreReading) -> dict[str, Samples]:
    """One alert of a monitor is open at most; of two, which only a broken fold leaves, the page shows one."""
    rows = reading.store.states(ALERT)
    found = [alert for row in rows if (alert := reading.attempt(partial(Alert.from_json, row.value), None)) and alert.open]
    counts = Counter((alert.ref, alert.severity.value) for alert in found)
    single = sorted({(alert.ref, alert.monitor, alert.severity.value) for alert in found})
    return {
        "shipway_alerts_open": [({"ref": ref, "severity": level}, n) for (ref, level), n in sorted(counts.items())],
        "shipway_alert_open": [({"ref": ref, "monitor": name, "severity": level}, 1) for ref, name, level in single],
    }


def _readings(readings: Iterable[Reading]) -> dict[str, Samples]:
    named = [({"ref": reading.ref, "monitor": reading.monitor}, reading) for reading in readings]
    return {
        "shipway_reading_value": [(labels, r.check.value) for labels, r in named if r.check.value is not None],
        "shipway_reading_failing": [(labels, int(r.check.verdict is Verdict.FAIL)) for labels, r in named],
        "shipway_reading_timestamp_seconds": [(labels, r.at.timestamp()) for labels, r in named],
    }


def _judged(reading: StoreReading, refs: Iterable[str]) -> dict[str, tuple[DayVerdict, datetime]]:
    """The newest judged day of every deployment that has one, and when it was judged."""
    found: dict[str, tuple[DayVerdict, datetime]] = {}
    for ref in refs:
        rows: list[StateRow] = reading.store.states(WINDOW, f"{ref}/")
        day = reading.attempt(partial(DayVerdict.from_json, rows[-1].value), None) if rows else None
        if day:
            found[ref] = (day, rows[-1].updated)
    return found


def _judged_days(judged: Mapping[str, tuple[DayVerdict, datetime]]) -> dict[str, Samples]:
    days = [({"ref": ref}, datetime.combine(day.day, time(), UTC).timestamp()) for ref, (day, _) in judged.items()]
    return {
        "shipway_judged_day_timestamp_seconds": days,
        "shipway_judged_timestamp_seconds": [({"ref": ref}, when.timestamp()) for ref, (_, when) in judged.items()],
    }


def _days_said(days: Iterable[DayVerdict]) -> Iterable[Said]:
    return [({"ref": day.ref, "monitor": finding.check.name}, finding.check) for day in days for finding in day.findings]


def _readings_said(readings: Iterable[Reading]) -> Iterable[Said]:
    return [({"ref": reading.ref, "monitor": reading.monitor}, reading.check) for reading in readings]


def _monitors(said: Iterable[Said]) -> dict[str, Samples]:
    """One series for each number of a check; each label set once, whatever the rows say."""
    once = {tuple(labels.items()): (labels, check) for labels, check in said}.values()
    numbers = {
        f"shipway_monitor_{name}": [(labels, value) for labels, check in once if (value := getattr(check, name)) is not None]
        for name in ("value", "low", "high", "threshold")
    }
    return {**numbers, "shipway_monitor_failing": [(labels, int(check.verdict is Verdict.FAIL)) for labels, check in once]}
