"""Whether a run that should have come has come."""

from __future__ import annotations

from datetime import datetime

from shipway.monitor._cost import judge_amount
from shipway.monitor._limits import undecided
from shipway.monitor._verdict import Finding
from shipway.spec import MonitorSpec


def check_run_age(monitor: MonitorSpec, newest: datetime | None, *, now: datetime) -> Finding:
    """Value: how many runs are missing, one for each whole window since the newest. Fails above a threshold."""
    if newest is None:
        return undecided(monitor, "the pipeline has not run yet")
    missed = max(0, int((now - newest).total_seconds() // monitor.window))
    return judge_amount(monitor, float(missed), n=1, text=f"the last run was {newest:%Y-%m-%d %H:%M}, {missed} are missing")
