"""Requests on the clock, whoever answers them: errors, what did not fit, latency, silence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from shipway.kernel.canonical import JsonObject
from shipway.kernel.units import Seconds
from shipway.monitor import (
    Finding,
    Window,
    check_contract,
    check_errors,
    check_latency,
    check_silence,
    keep_reading,
    measure_calls,
)
from shipway.operate._control import attester
from shipway.pipeline import Hands
from shipway.release import monitors_of, release_descriptor
from shipway.spec import MonitorSpec

TRAFFIC = {
    "errors": check_errors,
    "contract": check_contract,
    "latency": check_latency,
    "silence": check_silence,
}


def request_looks(
    monitors: Mapping[str, MonitorSpec], measure: Callable[[str, Seconds], Sequence[Window]]
) -> Iterator[tuple[Finding, JsonObject]]:
    """What those of TRAFFIC say that are on, each with its detail. measure: the windows of a length for a monitor."""
    for name, check in TRAFFIC.items():
        if name in monitors:
            windows = measure(name, monitors[name].window)
            newest = windows[0]._asdict() if windows else {}
            detail: JsonObject = {"window_seconds": monitors[name].window, "newest": newest, "windows": len(windows)}
            yield check(monitors[name], windows), detail


def watch_calls(hands: Hands, ref: str) -> None:
    """Look at the calls of a deployment that answers a prompt and keep the readings."""
    store, now = hands.store, hands.store.clock.now()
    deployment = store.get(store.resolve(ref), "deployment")
    monitors = monitors_of(deployment)
    measured: dict[tuple[bool, Seconds], Sequence[Window]] = {}

    def measure(name: str, window: Seconds) -> Sequence[Window]:
        key = (name != "latency", window)
        if key not in measured:
            measured[key] = measure_calls(store, ref, window=window, now=now, cached=key[0])
        return measured[key]

    for finding, detail in request_looks(monitors, measure):
        keep_reading(
            store, ref, finding.check.name, finding.check, severity=finding.severity,
            release=release_descriptor(deployment).digest, detail=detail, now=now,
            window=monitors[finding.check.name].window, attest_checks=attester(store, hands.signer),
        )  # fmt: skip
