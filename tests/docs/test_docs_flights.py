"""The flights' section of the monitoring page is what its script makes of the run that is kept; no number in it is typed."""

from __future__ import annotations

import json
import subprocess
import sys

from docs_help import DOCS, ROOT

RESULT = ROOT / "bench" / "results" / "flights.json"


def test_the_tables_of_the_flights_are_those_of_the_run() -> None:
    script = "import tables; print(tables.PAGE.read_text() == tables.replaced(tables.PAGE.read_text(), tables.rendered()))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT / "examples" / "flights", capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n", "make year, or python examples/flights/tables.py"


def test_the_run_has_every_flight_and_every_month() -> None:
    report = json.loads(RESULT.read_text())
    months = [month["month"] for month in report["months"]]
    assert months == [f"2013-{month:02d}" for month in range(2, 13)]
    assert sum(month["n"] for month in report["months"]) == 300_948
    text = (DOCS / "monitoring.md").read_text()
    assert all(f"| {month} |" in text for month in months)
