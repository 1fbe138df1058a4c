"""Monitoring against Evidently and NannyML: every part writes rows of bench/results/monitoring.json, and can be run alone.

`python bench/monitoring.py` runs all parts, `python bench/monitoring.py drift` one of them; rows of the other parts stay.
"""

import json
import os
import platform
import sys
from pathlib import Path

import monitoring_drift
import monitoring_leaves
import monitoring_outcomes
import monitoring_parity
import monitoring_windows

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "monitoring.json"
# each gives rows without a machine, in the order of the page
PARTS = {
    "parity": monitoring_parity.measure,
    "drift": monitoring_drift.measure,
    "leaves": monitoring_leaves.measure,
    "alarms": monitoring_windows.measure_alarms,
    "outcomes": monitoring_windows.measure_outcomes,
    "outcomes-http": monitoring_outcomes.measure_bodies,
}


def main() -> None:
    """Measure the parts that are named, all without a name."""
    wanted = sys.argv[1:] or list(PARTS)
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    kept = {part: [row for row in known if row.get("part") == part] for part in PARTS}
    for part in wanted:
        kept[part] = [{"part": part, **row, "machine": machine()} for row in PARTS[part]()]
    rows = [row for part in PARTS for row in kept[part]]
    RESULTS.write_text(json.dumps(rows, indent=2) + "\n")
    for row in rows:
        print("{figure:<110} {ours:>8} {unit}  {peer!s:>8}  bar {bar!s:<6}  holds {holds}".format(**row))
    sys.exit(0 if all(row["holds"] for row in rows) else 1)


def machine() -> str:
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, files in memory, load {load:.1f}"


if __name__ == "__main__":
    main()
