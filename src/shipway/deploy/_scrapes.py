"""What is scraped: control plane, predictors, gateways, each a job whose targets an installation may change.

Every target has the labels `project` and, of a deployment, `ref`: rules and dashboards know things by these two alone.
"""

from __future__ import annotations

from shipway.deploy._names import label_names
from shipway.deploy._subject import Service, Subject
from shipway.kernel.canonical import Json, JsonObject

PORT, CONTROL_PORT = 8080, 4780
CONTROL = "control"  # what the control plane is called by its neighbours; a deployment's name always has a `-`
CONTROL_JOB = "shipway-control"
JOBS = {"predictor": "shipway-predictor", "gateway": "shipway-gateway"}  # kind of a service -> its job


def jobs_of(subject: Subject) -> tuple[str, ...]:
    """The jobs that the project has: a control plane always."""
    kinds = {service.kind for service in subject.services}
    return (CONTROL_JOB, *(job for kind, job in JOBS.items() if kind in kinds))


def target_groups(subject: Subject, *, target: str) -> dict[str, list[Json]]:
    """job -> its targets, at the names that the compose file gives them. Raises NamesCollide, CannotExpress."""
    names = label_names((service.name for service in subject.services), target=target, what="deployment")
    found: dict[str, list[Json]] = {job: [] for job in jobs_of(subject)}
    found[CONTROL_JOB].append(_group(f"{CONTROL}:{CONTROL_PORT}", {"project": subject.project}))
    for service in subject.services:
        found[JOBS[service.kind]].append(_group(f"{names[service.name]}:{PORT}", _labels(subject, service)))
    return found


def static_scrapes(subject: Subject, *, target: str) -> list[Json]:
    """The jobs with their targets in place, for a file that stands alone."""
    groups = target_groups(subject, target=target)
    return [{"job_name": job, "static_configs": found} for job, found in groups.items()]


def _labels(subject: Subject, service: Service) -> dict[str, str]:
    return {"project": subject.project, "ref": service.ref}


def _group(address: str, labels: dict[str, str]) -> JsonObject:
    return {"targets": [address], "labels": {**labels}}
