"""What is scraped: control plane, predictors, gateways, each a job whose targets an installation may change.

Every target has the labels `project` and, of a deployment, `ref`: rules and dashboards know things by these two alone.
"""

from __future__ import annotations

from shipway.deploy._names import label_names
from shipway.deploy._subject import Service, Subject
from shipway.kernel.canonical import Json, JsonObject

PORT, GRPC_PORT, CONTROL_PORT = 8080, 8081, 4780
METRICS_PORT = 9464  # of the control plane, where its metrics answer and nothing else: its page asks nobody who they are
CONTROL = "control"  # what the control plane is called by its neighbours; a deployment's name always has a `-`
CONTROL_JOB = "shipway-control"
_POD = "__meta_kubernetes_pod_"
JOBS = {"predictor": "shipway-predictor", "gateway": "shipway-gateway"}  # kind of a service -> its job


def jobs_of(subject: Subject) -> tuple[str, ...]:
    """The jobs that the project has: a control plane always."""
    kinds = {service.kind for service in subject.services}
    return (CONTROL_JOB, *(job for kind, job in JOBS.items() if kind in kinds))


def target_groups(subject: Subject, *, target: str) -> dict[str, list[Json]]:
    """job -> its targets, at the names that the compose file gives them. Raises NamesCollide, CannotExpress."""
    names = label_names((service.name for service in subject.services), target=target, what="deployment")
    found: dict[str, list[Json]] = {job: [] for job in jobs_of(subject)}
    found[CONTROL_JOB].append(_group(f"{CONTROL}:{METRICS_PORT}", {"project": subject.project}))
    for service in subject.services:
        found[JOBS[service.kind]].append(_group(f"{names[service.name]}:{PORT}", _labels(subject, service)))
    return found


def static_scrapes(subject: Subject, *, target: str) -> list[Json]:
    """The jobs with their targets in place, for a file that stands alone."""
    groups = target_groups(subject, target=target)
    return [{"job_name": job, "static_configs": found} for job, found in groups.items()]


def pod_scrapes(subject: Subject) -> list[Json]:
    """The jobs whose targets are pods of the project's namespace, as the targets kubernetes, rollouts and kserve write them.

    Only pods that are ready: one that still loads its model is not down.
    """
    kinds = {CONTROL_JOB: CONTROL, **{job: kind for kind, job in JOBS.items()}}
    return [_pod_scrape(subject, job, kinds[job]) for job in jobs_of(subject)]


def _pod_scrape(subject: Subject, job: str, component: str) -> JsonObject:
    """A pod is discovered once for each of its ports; with the port of its annotation all of these are one target."""
    kept = {
        "annotation_shipway_dev_project": subject.project,
        "label_app_kubernetes_io_component": component,
        "phase": "Running",
        # a control plane whose catalogue is away is not ready, and yet says so
        **({} if job == CONTROL_JOB else {"ready": "true"}),
    }
    port: JsonObject = {
        "source_labels": ["__address__", f"{_POD}annotation_prometheus_io_port"],
        "regex": r"(.+?)(?::\d+)?;(\d+)",
        "replacement": "$1:$2",
        "target_label": "__address__",
    }
    named = {"annotation_shipway_dev_project": "project", "annotation_shipway_dev_ref": "ref", "name": "pod"}
    return {
        "job_name": job,
        "kubernetes_sd_configs": [{"role": "pod", "namespaces": {"names": [subject.targets.kubernetes.namespace]}}],
        "relabel_configs": [
            *({"source_labels": [_POD + what], "regex": text, "action": "keep"} for what, text in kept.items()),
            port,
            *({"source_labels": [_POD + what], "target_label": label} for what, label in named.items()),
        ],
    }


def metrics_listening() -> list[str]:
    """Words of `up` that give its metrics, and nothing else, to the container's own network."""
    return ["--metrics-host", "0.0.0.0", "--metrics-port", str(METRICS_PORT)]  # noqa: S104


def _labels(subject: Subject, service: Service) -> dict[str, str]:
    return {"project": subject.project, "ref": service.ref}


def _group(address: str, labels: dict[str, str]) -> JsonObject:
    return {"targets": [address], "labels": {**labels}}
