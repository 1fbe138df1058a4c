"""The gauges of the metrics page that are read from the catalogue."""

from __future__ import annotations

from collections import Counter
from functools import partial

from shipway.evals import load_reviews
from shipway.kernel.check import Verdict
from shipway.monitor import READING, Reading
from shipway.store import Store
from shipway.web._metrics import Samples
from shipway.web._query import ALERT, load_gaps, load_live, load_states
from shipway.web._reading import Reading as StoreReading


def read_gauges(store: Store) -> dict[str, Samples]:
    """What is live, what is open, what was lost."""
    live, _ = load_live(store)
    alerts = Counter((str(row.get("ref")), str(row.get("severity"))) for row in load_states(store, ALERT, None) if _open(row))
    lost: Counter[str] = Counter()
    for gap in load_gaps(store):
        rows = gap.get("rows")
        lost[str(gap.get("stream"))] += rows if isinstance(rows, int) else 0
    return {
        "shipway_live_info": [({"ref": ref, "release": facts.release.digest}, 1) for ref, facts in live.items()],
        "shipway_alerts_open": [({"ref": ref, "severity": level}, n) for (ref, level), n in sorted(alerts.items())],
        "shipway_log_gap_rows": [({"stream": stream}, rows) for stream, rows in sorted(lost.items())],
        "shipway_reviews_open": [({}, len(load_reviews(store, open_only=True)))],
        **_readings(store),
    }


def _readings(store: Store) -> dict[str, Samples]:
    reading = StoreReading(store)  # one that cannot be read is left out; the page says so
    rows = [found for row in store.states(READING) if (found := reading.attempt(partial(Reading.from_json, row.value), None))]
    named = [({"ref": reading.ref, "monitor": reading.monitor}, reading) for reading in rows]
    return {
        "shipway_reading_value": [(labels, r.check.value) for labels, r in named if r.check.value is not None],
        "shipway_reading_failing": [(labels, int(r.check.verdict is Verdict.FAIL)) for labels, r in named],
        "shipway_reading_timestamp_seconds": [(labels, r.at.timestamp()) for labels, r in named],
    }


def _open(row: object) -> bool:
    return isinstance(row, dict) and row.get("status") == "open"
