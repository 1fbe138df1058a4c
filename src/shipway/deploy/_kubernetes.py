"""Plain Kubernetes: what every cluster has. A Deployment and a Service for each application in an environment."""

from __future__ import annotations

from shipway.deploy._errors import NothingToRender
from shipway.deploy._names import label_names
from shipway.deploy._subject import Service, Subject
from shipway.deploy._text import Files, yaml_text
from shipway.kernel.canonical import Json, JsonObject

TARGET = "kubernetes"
PORT = 8080


def compile_kubernetes(subject: Subject) -> Files:
    """A file for each application in an environment. Raises NothingToRender, NamesCollide, CannotExpress."""
    if not subject.services:
        raise NothingToRender(f"{subject.project} has released nothing yet", mend="shipway release")
    names = label_names((service.name for service in subject.services), target=TARGET, what="deployment", longest=57)
    return {
        f"{names[service.name]}.yaml": yaml_text(_documents(subject, service, names[service.name]), target=TARGET)
        for service in subject.services
    }


def _documents(subject: Subject, service: Service, name: str) -> list[Json]:
    metadata: JsonObject = {"name": name, "namespace": subject.targets.kubernetes.namespace, "labels": _labels(service, name)}
    selector: JsonObject = {"app.kubernetes.io/name": name}
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {
                "replicas": service.workers,
                "selector": {"matchLabels": selector},
                "template": {"metadata": {"labels": _labels(service, name)}, "spec": _pod(subject, service)},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": selector, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
        },
    ]


def _labels(service: Service, name: str) -> JsonObject:
    return {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/part-of": service.application,
        "app.kubernetes.io/managed-by": "shipway",
        "app.kubernetes.io/version": service.release.removeprefix("sha256:")[:12],
    }


def _pod(subject: Subject, service: Service) -> JsonObject:
    container: JsonObject = {
        "name": service.kind,
        "image": subject.image,
        "args": ["serve", service.name, "--host", "0.0.0.0", "--port", str(PORT)],  # noqa: S104
        "ports": [{"name": "http", "containerPort": PORT}],
        "env": environment(subject, service),
    }
    return {"serviceAccountName": subject.targets.kubernetes.service_account, "containers": [container]}


def environment(subject: Subject, service: Service | None = None) -> list[Json]:
    """The variables of a container: plain ones, and secrets by reference to the Kubernetes Secret of the project."""
    secrets = [*subject.secrets[:1], *(service.secrets if service else subject.secrets[1:])]
    plain: list[Json] = [{"name": name, "value": value} for name, value in subject.environ.items()]
    source = f"{subject.project.replace('_', '-')}-secrets"
    return plain + [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": source, "key": name}}} for name in dict.fromkeys(secrets)
    ]
