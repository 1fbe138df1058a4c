"""How a deployment of predictors serves, looked at on the clock: errors, refused requests, latency, silence, cost, runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check, Verdict
from shipway.kernel.units import Seconds
from shipway.monitor import (
    Finding,
    Reading,
    Window,
    check_run_age,
    check_schedule,
    drop_readings,
    judge_amount,
    keep_reading,
    load_readings,
    measure_serving,
    measure_traffic,
    refresh_served,
)
from shipway.operate._business import BUSINESS, watch_business
from shipway.operate._business_arms import arm_monitors, watch_arms
from shipway.operate._control import attester
from shipway.operate._requests import TRAFFIC, request_looks
from shipway.operate._segments import watch_segments
from shipway.operate._staleness import STALENESS
from shipway.pipeline import Hands, last_run
from shipway.release import load_components, metrics_of, monitors_of, release_descriptor, schedule_of
from shipway.spec import MonitorSpec
from shipway.store import Store

SERVICE_MONITORS = frozenset({*TRAFFIC, "cost", "missed_run"})


def watch_service(hands: Hands, ref: str) -> tuple[Reading, ...]:
    """Look at the requests of a deployment that serves a model and keep the readings; all its readings, by monitor."""
    store = hands.store
    deployment, now = store.get(store.resolve(ref), "deployment"), store.clock.now()
    monitors = {name: monitor for name, monitor in monitors_of(deployment).items() if name in SERVICE_MONITORS}
    for finding, detail in _looks(store, ref, deployment, monitors, now):
        keep_reading(
            store,
            ref,
            finding.check.name,
            finding.check,
            severity=finding.severity,
            release=release_descriptor(deployment).digest,
            detail=detail,
            now=now,
            window=monitors[finding.check.name].window,
            attest_checks=attester(store, hands.signer),
        )
    refresh_served(store, ref)
    watch_segments(hands, ref)
    watch_business(hands, ref)
    watch_arms(hands, ref)
    kept = _kept_apart(store, ref, deployment)
    drop_readings(store, ref, monitors=[*monitors, *kept], now=now)
    return load_readings(store, ref)


def _kept_apart(store: Store, ref: str, deployment: JsonObject) -> list[str]:
    """Readings that others write: of segments after a judged day, of staleness while the release is live that it is about."""
    on, live = monitors_of(deployment), release_descriptor(deployment).digest
    about = {reading.monitor: reading.release for reading in load_readings(store, ref)}
    segments = ["segments"] if deployment.get("segments") and "segments" in on else []
    business = [BUSINESS, *arm_monitors(deployment)] if metrics_of(deployment) and BUSINESS in on else []
    return [*segments, *business, *([STALENESS] if STALENESS in on and about.get(STALENESS) == live else [])]


def _looks(
    store: Store, ref: str, deployment: JsonObject, monitors: Mapping[str, MonitorSpec], now: datetime
) -> Iterator[tuple[Finding, JsonObject]]:
    windows: dict[Seconds, Sequence[Window]] = {}

    def measure(_name: str, window: Seconds) -> Sequence[Window]:
        if window not in windows:
            windows[window] = measure_traffic(store, ref, window=window, now=now)
        return windows[window]

    yield from request_looks(monitors, measure)
    if "cost" in monitors:
        yield _cost(store, deployment, monitors["cost"], now)
    if "missed_run" in monitors:
        yield _run(store, deployment, monitors["missed_run"], now)


def _cost(store: Store, deployment: JsonObject, monitor: MonitorSpec, now: datetime) -> tuple[Finding, JsonObject]:
    since = now - timedelta(seconds=monitor.window)
    spent = measure_serving(store, since=since).get(release_descriptor(deployment).digest)
    rows = spent.rows if spent else 0
    detail: JsonObject = {"rows": rows, "usd": spent.usd if spent else 0.0, "window_seconds": monitor.window}
    if spent is not None and spent.usd is None:
        found = judge_amount(monitor, 0.0, n=rows, text=f"{rows:,} predictions, and no price of a CPU hour is stated")
        return Finding(found.severity, Check("cost", Verdict.INCONCLUSIVE, n=rows, text=found.check.text)), detail
    usd = spent.usd if spent and spent.usd else 0.0
    return judge_amount(monitor, usd, n=rows, text=f"{usd:.2f} USD for {rows:,} predictions"), detail


def _run(store: Store, deployment: JsonObject, monitor: MonitorSpec, now: datetime) -> tuple[Finding, JsonObject]:
    """The newest run is the newest that made a model of the release, whether or not it was another one or was released."""
    release, schedule = release_descriptor(deployment).digest, schedule_of(deployment)
    models = [component.name for component in load_components(store, release) if component.kind == "model"]
    newest = max((at for name in models if (at := last_run(store, name))), default=None)
    detail: JsonObject = {"newest": newest.isoformat() if newest else None, "models": [*models]}
    if schedule is None:
        return check_run_age(monitor, newest, now=now), detail
    return check_schedule(monitor, schedule, newest, now=now), detail
