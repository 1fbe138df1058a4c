"""Monitoring against Evidently and NannyML: every part writes rows of bench/results/monitoring.json, and can be run alone.

`python bench/monitoring.py` runs all parts, `python bench/monitoring.py drift` one of them; rows of the other parts stay.
"""

from pathlib import Path

import monitoring_drift
import monitoring_leaves
import monitoring_outcomes
import monitoring_parity
import monitoring_windows
from parts import run_parts

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

if __name__ == "__main__":
    run_parts(RESULTS, PARTS, width=110)
