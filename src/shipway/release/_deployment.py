"""A deployment: what may change without changing an answer, and the release that it puts live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, cast

from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Descriptor, Digest
from shipway.kernel.units import Seconds
from shipway.spec import (
    ADDED_MONITORS,
    BATCH_SECONDS,
    REQUEST_MONITORS,
    DeploySpec,
    MonitorSpec,
    OutcomeSpec,
    PredictorSpec,
    ScheduleSpec,
)
from shipway.store import Store


def deployment_object(
    store: Store,
    release: Digest,
    deploy: DeploySpec,
    outcomes: Mapping[str, OutcomeSpec],
    gateway: JsonObject | None = None,
    split: JsonObject | None = None,
    schedule: ScheduleSpec | None = None,
) -> JsonObject:
    """The object that `deploy/<application>@<environment>` points at; gateway: the settings of one, for that target alone;
    split: how other releases answer beside the live one, where some do; schedule: of the pipeline, where a monitor goes by it.
    """
    return {
        "kind": "deployment",
        "version": 1,
        "application": deploy.application,
        "environment": deploy.environment,
        "release": store.descriptor(release, media.OCI_INDEX).to_json(),
        "target": deploy.target,
        "scale": {"workers": deploy.workers},
        "monitors": _monitors_object(deploy),
        "outcomes": {name: _outcome_object(outcome) for name, outcome in sorted(outcomes.items())},
        "after": deploy.after,
        "follow": sorted(deploy.follow),
        **({"grpc": True} if deploy.grpc else {}),
        **({"segments": list(deploy.segments)} if deploy.segments else {}),
        **_predictors_object(deploy.predictors),
        **({"gateway": gateway} if gateway is not None else {}),
        **({"split": split} if split is not None else {}),
        **({"schedule": _schedule_object(schedule)} if schedule and "missed_run" in deploy.monitors else {}),
    }


def with_release(store: Store, deployment: Digest, release: Digest) -> JsonObject:
    """The same deployment with this release and none beside it: scale, target and monitors stay as they are now."""
    value = {key: found for key, found in store.get(deployment, "deployment").items() if key != "split"}
    return {**value, "release": store.descriptor(release, media.OCI_INDEX).to_json()}


def release_descriptor(deployment: JsonObject) -> Descriptor:
    """Which release a deployment puts live."""
    return Descriptor.from_json(deployment["release"])


def deploy_ref(deploy: DeploySpec) -> str:
    """`deploy/<application>@<environment>`."""
    return f"deploy/{deploy.application}@{deploy.environment}"


def workers_of(deployment: JsonObject) -> int:
    """How many predictor processes the deployment asks for."""
    return cast("int", cast("JsonObject", deployment["scale"])["workers"])


def speaks_grpc(deployment: JsonObject) -> bool:
    """Whether its predictors answer gRPC at a second port."""
    return deployment.get("grpc") is True


def _predictors_object(spec: PredictorSpec) -> JsonObject:
    """Only what differs from the default, so that an older deployment keeps its digest."""
    found: dict[str, Json] = {"log_sample": spec.sample, "batch_seconds": spec.batch}
    found |= {"memory_bytes": spec.memory, "usd_per_cpu_hour": spec.cpu_price}
    usual = {"log_sample": 1.0, "batch_seconds": BATCH_SECONDS, "memory_bytes": None, "usd_per_cpu_hour": None}
    kept = {name: value for name, value in found.items() if value != usual[name]}
    return {"predictors": kept} if kept else {}


def predictors_of(deployment: JsonObject) -> JsonObject:
    """How its predictors are kept, as far as it differs from the default: what `serving.json` says of it."""
    return cast("JsonObject", deployment.get("predictors", {}))


def _outcome_object(outcome: OutcomeSpec) -> JsonObject:
    """The unit only of a metric that is watched, so that an older deployment keeps its digest; an entity where there is one."""
    found: JsonObject = {"matures_seconds": outcome.matures}
    if outcome.by is not None:
        every: JsonObject = {"match": outcome.match} if outcome.match != "last" else {}
        found = {**found, "by": outcome.by, "within_seconds": outcome.within, **every}
    if outcome.better is not None:
        return {**found, "better": outcome.better, **({"unit": outcome.unit} if outcome.unit is not None else {})}
    return found


def _schedule_object(schedule: ScheduleSpec) -> JsonObject:
    if schedule.cron is not None:
        return {"cron": schedule.cron, "timezone": schedule.timezone}
    return {"every_seconds": schedule.every}


def schedule_of(deployment: JsonObject) -> ScheduleSpec | None:
    """When the pipeline behind a deployment should run, where it says so."""
    found = cast("Mapping[str, Json] | None", deployment.get("schedule"))
    if found is None:
        return None
    if "cron" in found:
        return ScheduleSpec(cron=str(found["cron"]), timezone=str(found["timezone"]))
    return ScheduleSpec(every=Seconds(float(cast("float", found["every_seconds"]))))


def _monitors_object(deploy: DeploySpec) -> JsonObject:
    """One that came later is left out as it is by default, and has no threshold when it is off."""
    usual = _later_monitors(deploy.target)
    found = {name: _monitor_object(monitor) for name, monitor in deploy.monitors.items() if monitor != usual.get(name)}
    off = [MonitorSpec(name=name, window=monitor.window) for name, monitor in usual.items() if name not in deploy.monitors]
    return {**found, **{monitor.name: _monitor_object(monitor) for monitor in off}}


def _later_monitors(target: object) -> Mapping[str, MonitorSpec]:
    return REQUEST_MONITORS if target == "gateway" else ADDED_MONITORS


def _monitor_object(monitor: MonitorSpec) -> JsonObject:
    ticket: JsonObject = {} if monitor.ticket is None else {"ticket": monitor.ticket}
    reference: JsonObject = {} if monitor.reference is None else {"reference_seconds": monitor.reference}
    return {"page": monitor.page, "inform": monitor.inform, "window_seconds": monitor.window, **ticket, **reference}


def monitors_of(deployment: JsonObject) -> dict[str, MonitorSpec]:
    """The monitors of a deployment that are on, by name; of those that came later the ones that it says nothing of."""
    found = dict(_later_monitors(deployment.get("target")))
    for name, value in cast("Mapping[str, Mapping[str, float | None]]", deployment["monitors"]).items():
        window = Seconds(float(value["window_seconds"] or 0.0))
        limits = {key: value.get(key) for key in ("page", "ticket", "inform")}
        before = value.get("reference_seconds")
        reference = None if before is None else Seconds(float(before))
        found[name] = MonitorSpec(name=name, window=window, reference=reference, **limits)
    return {name: monitor for name, monitor in found.items() if name not in ADDED_MONITORS or not monitor.off}


def outcomes_of(deployment: JsonObject) -> dict[str, Seconds]:
    """The outcomes that users and systems report later, and the age in seconds at which they count as complete."""
    outcomes = cast("Mapping[str, Mapping[str, float]]", deployment["outcomes"])
    return {name: Seconds(float(value["matures_seconds"])) for name, value in outcomes.items()}


class BusinessMetric(NamedTuple):
    """An outcome that is watched for itself: in which unit, whether more is better, from which age in seconds it counts."""

    name: str
    unit: str | None
    higher: bool
    matures: Seconds


def metrics_of(deployment: JsonObject) -> tuple[BusinessMetric, ...]:
    """The outcomes of a deployment that have a direction, by name."""
    outcomes = cast("Mapping[str, Mapping[str, Json]]", deployment["outcomes"])
    return tuple(
        BusinessMetric(
            name,
            None if value.get("unit") is None else str(value["unit"]),
            value["better"] == "higher",
            Seconds(float(cast("float", value["matures_seconds"]))),
        )
        for name, value in sorted(outcomes.items())
        if value.get("better") is not None
    )
