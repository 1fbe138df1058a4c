"""Business metrics of a deployment, looked at once a day: outcomes that have a direction, whether or not days are judged."""

from __future__ import annotations

from shipway.kernel.canonical import JsonObject
from shipway.monitor import check_business, event_clock, keep_reading, load_readings, measure_metric, newest_day, window_days
from shipway.operate._control import attester
from shipway.pipeline import Hands
from shipway.release import metrics_of, monitors_of, release_descriptor

BUSINESS = "business"


def watch_business(hands: Hands, ref: str) -> None:
    """Keeps what the newest mature day says of every metric, once a day; nothing where no outcome has a direction."""
    store = hands.store
    deployment = store.get(store.resolve(ref), "deployment")
    metrics, monitor = metrics_of(deployment), monitors_of(deployment).get(BUSINESS)
    if not metrics or monitor is None or monitor.off or (clock := event_clock(store, ref)) is None:
        return
    release = release_descriptor(deployment).digest
    days: JsonObject = {metric.name: newest_day(clock, metric.matures).isoformat() for metric in metrics}
    held = next((reading for reading in load_readings(store, ref) if reading.monitor == BUSINESS), None)
    if held is not None and (held.detail.get("days"), held.release) == (days, release):
        return
    window = window_days(monitor)
    measured = [
        measure_metric(
            store, ref, one.name, unit=one.unit, higher=one.higher, matures=one.matures, clock=clock, window=window
        )
        for one in metrics
    ]  # fmt: skip
    finding, detail = check_business(monitor, measured)
    keep_reading(
        store, ref, BUSINESS, finding.check, severity=finding.severity, release=release, detail={"days": days, **detail},
        now=store.clock.now(), window=monitor.window, attest_checks=attester(store, hands.signer),
    )  # fmt: skip
