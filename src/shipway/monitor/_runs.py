"""Whether a run that should have come has come."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice

from shipway.monitor._cost import judge_amount
from shipway.monitor._limits import undecided
from shipway.monitor._verdict import Finding
from shipway.spec import MonitorSpec, ScheduleSpec, parse_cron, times_before

_BACK = timedelta(days=400)  # a yearly run; what was missed before that nobody counts
_MOST = 1000


def check_run_age(monitor: MonitorSpec, newest: datetime | None, *, now: datetime) -> Finding:
    """Value: how many runs are missing, one for each whole window since the newest. Fails above a threshold."""
    if newest is None:
        return undecided(monitor, "the pipeline has not run yet")
    missed = max(0, int((now - newest).total_seconds() // monitor.window))
    return judge_amount(monitor, float(missed), n=1, text=f"the last run was {newest:%Y-%m-%d %H:%M}, {missed} are missing")


def check_schedule(monitor: MonitorSpec, schedule: ScheduleSpec, newest: datetime | None, *, now: datetime) -> Finding:
    """Value: how many scheduled times, the monitor's window ago or more, no run has followed. Fails above a threshold.

    newest: when the last run was recorded, which is at its end. A thousand are counted at most.
    """
    if newest is None:
        return undecided(monitor, "the pipeline has not run yet")
    due = now - timedelta(seconds=monitor.window)
    if schedule.every is not None:
        missed = max(0, int((due - newest).total_seconds() // schedule.every))
        text = (
            f"a run should come every {schedule.every / 3600:g} h, the last was {newest:%Y-%m-%d %H:%M}, {missed} are missing"
        )
        return judge_amount(monitor, float(missed), n=1, text=text)
    times = times_before(parse_cron(schedule.cron or ""), schedule.timezone, after=max(newest, due - _BACK), until=due)
    late = list(islice(times, _MOST))
    text = f"the last run was {newest:%Y-%m-%d %H:%M}"
    text += f", the one of {late[0]:%Y-%m-%d %H:%M} did not come, {len(late)} are missing" if late else ", none is missing"
    return judge_amount(monitor, float(len(late)), n=1, text=text)
