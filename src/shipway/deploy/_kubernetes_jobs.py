"""What runs beside the applications: the control plane, and the pipeline by the clock in one pod."""

from __future__ import annotations

from shipway.deploy._errors import CannotExpress
from shipway.deploy._names import label_name
from shipway.deploy._pod import asking, container, labels, metadata, pod, resources, scraped, signing_keys
from shipway.deploy._scrapes import CONTROL_PORT, METRICS_PORT, metrics_listening
from shipway.deploy._subject import Subject, Workload, check_inside
from shipway.kernel.canonical import Json, JsonObject
from shipway.spec import ScheduleSpec

_STEP_MEMORY = 2 * 2**30  # of a run whose steps do not say


def control_plane(subject: Subject, name: str) -> list[Json]:
    """`shipway up` without predictors: it judges days, follows, and shows the page.

    The page asks nobody who they are, so that it listens on the pod's own loopback: `kubectl port-forward` leads there. Its
    metrics answer at a port of their own, and so do probes.
    """
    args = ["up", "--port", str(CONTROL_PORT), *metrics_listening(), "--no-serving", "--no-mlflow"]
    alive: JsonObject = {**asking("/healthz", port=METRICS_PORT), "periodSeconds": 20, "timeoutSeconds": 10}
    box: JsonObject = {
        **container(subject, "control", args, secrets=subject.secrets, variables={"SHIPWAY_ACTOR": name}),
        "ports": [{"name": "metrics", "containerPort": METRICS_PORT}],
        "resources": resources(cpu=0.25, memory=2**30),
        "startupProbe": {**alive, "periodSeconds": 5, "failureThreshold": 24},
        "readinessProbe": {**alive, **asking("/readyz", port=METRICS_PORT)},
        "livenessProbe": alive,
    }
    template: JsonObject = {
        "metadata": {"labels": labels(subject, name, "control"), "annotations": scraped(subject, port=METRICS_PORT)},
        "spec": {**pod(subject, [box], keys=signing_keys(subject), lasting=True), "terminationGracePeriodSeconds": 60},
    }
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata(subject, name, "control"),
            "spec": {
                "replicas": 1,
                "strategy": {"type": "Recreate"},
                "revisionHistoryLimit": 5,
                "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
                "template": template,
            },
        }
    ]


def scheduled_run(subject: Subject, name: str, *, target: str) -> JsonObject:
    """`shipway run` in one pod: all steps one after another, as on a laptop. Raises CannotExpress."""
    workload = subject.workload
    assert workload is not None
    assert workload.schedule is not None
    check_inside(subject, target=target)
    claim = f"{label_name(subject.project)}-data"
    mounts: list[Json] = [
        {"name": "data", "mountPath": f"/app/{path}", "subPath": path, "readOnly": True} for path in subject.data
    ]
    args, who = ["run", "--why", "scheduled"], {"SHIPWAY_ACTOR": name}
    box = {
        **container(subject, "run", args, secrets=subject.secrets[1:], variables=who, more=mounts),
        "resources": _largest(workload),
    }
    data: list[Json] = [{"name": "data", "persistentVolumeClaim": {"claimName": claim, "readOnly": True}}] if mounts else []
    template: JsonObject = {
        "metadata": {"labels": labels(subject, name, "run")},
        "spec": {
            **pod(subject, [box], keys=signing_keys(subject), more=data),
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 60,
        },
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata(subject, name, "run"),
        "spec": {
            "schedule": cron_expression(workload.schedule, target=target),
            "timeZone": workload.schedule.timezone,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 3600,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {
                "spec": {"backoffLimit": 1, "ttlSecondsAfterFinished": 7 * 86_400, **_limit(workload), "template": template}
            },
        },
    }


def _limit(workload: Workload) -> JsonObject:
    """When each step has a limit, all attempts of all of them together have one, and an hour for the rest."""
    seconds = 3600.0
    for task in workload.tasks:
        if task.options.timeout is None or (task.repeated and task.elements is None):
            return {}
        seconds += task.options.timeout * (task.options.retries + 1) * (1 + (task.elements or 0))
    return {"activeDeadlineSeconds": int(seconds)}


def _largest(workload: Workload) -> JsonObject:
    """Steps run one after another: the pod gets what the one that needs most asks for."""
    options = [task.options for task in workload.tasks]
    return resources(
        cpu=max((one.cpu for one in options if one.cpu), default=1.0),
        memory=max((one.memory for one in options if one.memory), default=_STEP_MEMORY),
        gpu=max((one.gpu for one in options), default=0),
    )


def cron_expression(schedule: ScheduleSpec, *, target: str) -> str:
    """Five fields. Raises CannotExpress for what comes every so often and never at the same minutes of an hour or day.

    >>> from shipway.kernel.units import Seconds
    >>> cron_expression(ScheduleSpec(every=Seconds(6 * 3600.0)), target="kubernetes")
    '0 */6 * * *'
    """
    if schedule.every is None:
        return schedule.cron or ""
    minutes = int(schedule.every) // 60
    if minutes < 60 and 60 % minutes == 0:
        return f"*/{minutes} * * * *" if minutes > 1 else "* * * * *"
    hours, rest = divmod(minutes, 60)
    if rest == 0 and hours < 24 and 24 % hours == 0:
        return f"0 */{hours} * * *" if hours > 1 else "0 * * * *"
    if minutes == 24 * 60:
        return "0 0 * * *"
    what = f"{target} cannot start a run every {minutes} minutes: that is no part of an hour or a day"
    raise CannotExpress(what, mend="write schedule.cron")
