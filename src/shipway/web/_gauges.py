"""The gauges of the metrics page that are read from the catalogue."""

from __future__ import annotations

from collections import Counter

from shipway.store import Store
from shipway.web._metrics import Samples
from shipway.web._query import ALERT, load_gaps, load_live, load_states


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
    }


def _open(row: object) -> bool:
    return isinstance(row, dict) and row.get("status") == "open"
