"""Plain Kubernetes: what every cluster has. Applications, the control plane, the scheduled run, and who may talk to whom."""

from __future__ import annotations

from shipway.deploy._errors import NothingToRender
from shipway.deploy._kubernetes_jobs import control_plane, scheduled_run
from shipway.deploy._names import label_names
from shipway.deploy._network import network_policies
from shipway.deploy._pod import GRPC_PORT, metadata, progress_seconds, project_name, serving_pod
from shipway.deploy._subject import Service, Subject
from shipway.deploy._text import Files, yaml_text
from shipway.kernel.canonical import Json, JsonObject

TARGET = "kubernetes"
_CPU_PERCENT = 70  # of what was asked for; a predictor that waits for cores answers late before it is full


def compile_kubernetes(subject: Subject) -> Files:
    """A file for each application, those of the project, and kustomization.yaml. Raises NothingToRender, NamesCollide,
    CannotExpress.
    """
    if not subject.services:
        raise NothingToRender(f"{subject.project} has released nothing yet", mend="shipway release")
    project = project_name(subject, target=TARGET)
    names = service_names(subject, target=TARGET)
    files = {f"{names[service.name]}.yaml": _application(subject, service, names[service.name]) for service in subject.services}
    files[f"{project}-control.yaml"] = control_plane(subject, f"{project}-control")
    files[f"{project}-network.yaml"] = network_policies(subject, project)
    files[f"{project}-account.yaml"] = [_account(subject)]
    if subject.workload and subject.workload.schedule:
        files[f"{project}-run.yaml"] = [scheduled_run(subject, f"{project}-run", target=TARGET)]
    return {
        **{path: yaml_text(documents, target=TARGET) for path, documents in files.items()},
        "kustomization.yaml": yaml_text([kustomization(sorted(files))], target=TARGET),
    }


def service_names(subject: Subject, *, target: str) -> dict[str, str]:
    """The names of applications, none of them one of ours. Raises NamesCollide, CannotExpress."""
    project = project_name(subject, target=target)
    ours = [f"{project}-{word}" for word in ("account", "control", "network", "run")]
    names = (service.name for service in subject.services)
    return label_names(names, target=target, what="deployment", longest=52, taken=["kustomization", *ours])


def kustomization(resources: list[str]) -> JsonObject:
    return {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": list[Json](resources)}


def _account(subject: Subject) -> JsonObject:
    name = subject.targets.kubernetes.service_account
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(subject, name, "account"),
        "automountServiceAccountToken": False,
    }


def _application(subject: Subject, service: Service, name: str) -> list[Json]:
    found = [deployment(subject, service, name), service_object(subject, service, name)]
    if service.kind == "gateway":
        return list[Json](found)
    scaled = autoscaler(subject, service, name, api="apps/v1", kind="Deployment")
    return [*found, scaled, disruption_budget(subject, service, name)]


def deployment(subject: Subject, service: Service, name: str) -> JsonObject:
    """A gateway keeps its budgets in one file: it is one pod, and the old one ends before the new one begins."""
    kept: JsonObject = {"replicas": 1, "strategy": {"type": "Recreate"}}
    rolling: JsonObject = {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(subject, name, service.kind, release=service.release),
        "spec": {
            **(kept if service.kind == "gateway" else rolling),
            "minReadySeconds": 5,
            "progressDeadlineSeconds": progress_seconds(subject),
            "revisionHistoryLimit": 5,
            "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
            "template": serving_pod(subject, service, name),
        },
    }


def service_object(subject: Subject, service: Service, name: str) -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(subject, name, service.kind),
        "spec": {
            "type": "ClusterIP",
            "selector": {"app.kubernetes.io/name": name},
            "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}, *_second_port(service)],
        },
    }


def _second_port(service: Service) -> list[Json]:
    """HTTP/2 without TLS: meshes read that from the name, gateways from the protocol."""
    named = {"name": "grpc", "targetPort": "grpc", "protocol": "TCP", "appProtocol": "kubernetes.io/h2c"}
    return [{**named, "port": GRPC_PORT}] if service.grpc else []


def autoscaler(subject: Subject, service: Service, name: str, *, api: str, kind: str) -> JsonObject:
    """api, kind: of what is scaled; it says itself no number of pods, so that applying it again changes none."""
    given = subject.targets.kubernetes
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(subject, name, service.kind),
        "spec": {
            "scaleTargetRef": {"apiVersion": api, "kind": kind, "name": name},
            "minReplicas": given.least,
            "maxReplicas": given.most,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": _CPU_PERCENT}},
                }
            ],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}},
        },
    }


def disruption_budget(subject: Subject, service: Service, name: str) -> JsonObject:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(subject, name, service.kind),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app.kubernetes.io/name": name}}},
    }
