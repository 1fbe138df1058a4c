"""Arms against what is live by business metrics, looked at once a day; and by every outcome, for a reader."""

from __future__ import annotations

from collections.abc import Sequence

from shipway.gate import arms_in
from shipway.kernel.canonical import JsonObject
from shipway.kernel.split import LIVE, SHADOW
from shipway.monitor import ArmOutcome, Compared, check_arm, compare_arms, event_clock, keep_reading, load_readings, newest_day
from shipway.operate._business import BUSINESS
from shipway.operate._control import attester
from shipway.pipeline import Hands
from shipway.release import metrics_of, monitors_of, outcomes_of
from shipway.store import Store


def arms_against_live(store: Store, ref: str) -> tuple[ArmOutcome, ...]:
    """Every outcome of every arm against live; none where one release answers, or nothing was asked."""
    deployment, clock = store.get(store.resolve(ref), "deployment"), event_clock(store, ref)
    if clock is None or deployment.get("split") is None:
        return ()
    return compare_arms(store, ref, deployment, _compared(deployment), clock=clock)


def watch_arms(hands: Hands, ref: str) -> None:
    """Keeps what the newest mature day says of every arm, once a day; nothing where no outcome has a direction."""
    store = hands.store
    deployment = store.get(store.resolve(ref), "deployment")
    monitor, judged = monitors_of(deployment).get(BUSINESS), [one for one in _compared(deployment) if one.better]
    names = arm_monitors(deployment)
    if not judged or not names or monitor is None or monitor.off or (clock := event_clock(store, ref)) is None:
        return
    days: JsonObject = {one.name: newest_day(clock, one.matures).isoformat() for one in judged}
    releases = {f"{BUSINESS}.{arm}": release for arm, release in arms_in(deployment)}
    held = {one.monitor: (one.detail.get("days"), one.release) for one in load_readings(store, ref)}
    if all(held.get(name) == (days, releases[name]) for name in names):
        return
    found = compare_arms(store, ref, deployment, judged, clock=clock)
    for name in names:
        arm = name.removeprefix(f"{BUSINESS}.")
        finding, detail = check_arm(monitor, arm, [one for one in found if one.arm == arm])
        keep_reading(
            store, ref, name, finding.check, severity=finding.severity, release=releases[name], detail={"days": days, **detail},
            now=store.clock.now(), window=monitor.window, attest_checks=attester(store, hands.signer),
        )  # fmt: skip


def arm_monitors(deployment: JsonObject) -> Sequence[str]:
    """The readings that there are of arms: `business.ARM` of each but the shadow, where a metric has a direction."""
    if not metrics_of(deployment) or deployment.get("split") is None:
        return []
    return [f"{BUSINESS}.{arm}" for arm, _ in arms_in(deployment) if arm not in (LIVE, SHADOW)]


def _compared(deployment: JsonObject) -> list[Compared]:
    """Metrics with their direction, then the other outcomes."""
    metrics = {one.name: one for one in metrics_of(deployment)}
    found = [Compared(one.name, one.unit, "higher" if one.higher else "lower", one.matures) for one in metrics.values()]
    return found + [Compared(name, None, None, age) for name, age in outcomes_of(deployment).items() if name not in metrics]
