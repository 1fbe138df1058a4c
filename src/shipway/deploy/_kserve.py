"""KServe: an InferenceService (v1beta1) with a custom predictor, which serves a release straight from its exported bundle.

Standard mode (0.20 and later) shifts traffic between the predictors that `spec.canary` lists; Knative between its revisions.
"""

from __future__ import annotations

from collections.abc import Sequence

from shipway.deploy._errors import CannotExpress, NothingToRender
from shipway.deploy._kubernetes import kustomization, service_names
from shipway.deploy._names import label_name
from shipway.deploy._pod import (
    CACHE,
    GRPC_PORT,
    KEYS,
    PORT,
    USER,
    confined,
    environment,
    labels,
    listening,
    metadata,
    probes,
    progress_seconds,
    scraped,
    serving_resources,
    trusted_keys,
)
from shipway.deploy._subject import Service, Subject
from shipway.deploy._text import Files, yaml_text
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Digest

TARGET = "kserve"
MODELS = "/mnt/models"  # where KServe's storage initializer puts what STORAGE_URI names
_MODES = {"standard": "Standard", "serverless": "Serverless"}  # the latter is the older word for Knative, and read by both
_CPU_PERCENT, _CONCURRENCY = 70, 8
_TIMEOUT_SECONDS = 60


def compile_kserve(subject: Subject) -> Files:
    """An InferenceService for each predictor, and kustomization.yaml. Raises NothingToRender, NamesCollide, CannotExpress."""
    services = predictors(subject, target=TARGET)
    names = service_names(subject, target=TARGET)
    files = {f"{names[one.name]}.yaml": _inference_service(subject, one, names[one.name]) for one in services}
    return {
        **{path: yaml_text([document], target=TARGET) for path, document in files.items()},
        "kustomization.yaml": yaml_text([kustomization(sorted(files))], target=TARGET),
    }


def predictors(subject: Subject, *, target: str) -> Sequence[Service]:
    """The deployments that serve a model. Raises NothingToRender."""
    found = [service for service in subject.services if service.kind == "predictor"]
    if not found:
        what = "released no model yet" if not subject.services else "no deployment that serves a model"
        raise NothingToRender(f"{target}: {subject.project} has {what}", mend="shipway release")
    return found


def bundle_address(subject: Subject, service: Service, release: Digest) -> str:
    """Where the exported bundle of a release is. Raises NothingToRender without `targets.objects`, CannotExpress."""
    if subject.targets.objects is None:
        what = f"{TARGET} fetches the bundle that {service.name} serves from a URL, and the project names none"
        raise NothingToRender(what, mend="write targets.objects, as in s3://BUCKET/PREFIX")
    if subject.targets.objects.startswith("az://"):
        what = f"{TARGET} fetches no bundle from az://, which {service.name} would be served from"
        raise CannotExpress(what, mend="keep targets.objects at s3:// or gs://")
    return f"{subject.targets.objects}/bundles/{_digits(release)}"


def _check_alone(service: Service) -> None:
    """KServe would shift requests, not units, and a pod that has one bundle knows no other release. Raises CannotExpress."""
    if service.beside:
        what = f"{TARGET} serves one bundle a pod, and {service.name} has {len(service.beside.releases)} arms"
        raise CannotExpress(what, mend=f"shipway render kubernetes, or end the arms: shipway apply {service.name}")


def _inference_service(subject: Subject, service: Service, name: str) -> JsonObject:
    _check_alone(service)
    given = subject.targets.kubernetes
    shifts = given.canary if service.previous else None
    if given.kserve == "serverless":
        live = _predictor(subject, service, service.release)
        spec: JsonObject = {"predictor": {**live, "canaryTrafficPercent": shifts} if shifts else live}
    elif shifts and service.previous:
        fresh: JsonObject = {"trafficPercent": shifts, "predictor": _named(subject, service, service.release)}
        spec = {"predictor": _named(subject, service, service.previous), "canary": [fresh]}
    else:
        spec = {"predictor": _named(subject, service, service.release)}
    described = metadata(subject, name, service.kind, release=service.release)
    # pods inherit the labels; our network policies are not for them, for KServe's and Knative's own proxies ask at other ports
    marks: JsonObject = {
        **labels(subject, name, service.kind, release=service.release),
        "app.kubernetes.io/part-of": f"{label_name(subject.project)}-kserve",
    }
    mode: JsonObject = {
        "serving.kserve.io/deploymentMode": _MODES[given.kserve],
        **scraped(subject, port=PORT, ref=service.ref),
    }
    if given.kserve == "serverless":
        mode = {**mode, "serving.knative.dev/progress-deadline": f"{progress_seconds(subject)}s"}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {**described, "labels": marks, "annotations": {**mode, "shipway.dev/release": service.release}},
        "spec": spec,
    }


def _named(subject: Subject, service: Service, release: Digest) -> JsonObject:
    """A predictor that is called by its release: the canary keeps its name, and so its pods, when it becomes the only one."""
    return {"name": f"r-{_digits(release)}", **_predictor(subject, service, release)}


def _predictor(subject: Subject, service: Service, release: Digest) -> JsonObject:
    given = subject.targets.kubernetes
    knative = given.kserve == "serverless"
    found: JsonObject = {
        "minReplicas": given.least,
        "maxReplicas": given.most,
        "scaleMetric": "concurrency" if knative else "cpu",
        "scaleTarget": _CONCURRENCY if knative else _CPU_PERCENT,
        "timeout": _TIMEOUT_SECONDS,
    }
    if given.logger:
        found = {**found, "logger": {"mode": "all", "url": given.logger}}
    return {
        **found,
        "serviceAccountName": given.service_account,
        "automountServiceAccountToken": False,
        **({} if knative else _only_standard()),
        "containers": [_container(subject, service, release, knative=knative)],
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            {"name": "cache", "emptyDir": {}},
            trusted_keys(subject),
        ],
    }


def _only_standard() -> JsonObject:
    """What Knative keeps to itself: draining, and the pod's own security context."""
    return {
        "terminationGracePeriodSeconds": 60,
        "securityContext": {"runAsNonRoot": True, "fsGroup": USER, "seccompProfile": {"type": "RuntimeDefault"}},
    }


def _container(subject: Subject, service: Service, release: Digest, *, knative: bool) -> JsonObject:
    told = {"PROTOCOL": "v2", "STORAGE_URI": bundle_address(subject, service, release), "SHIPWAY_KEYS": KEYS}
    grpc = service.grpc and not knative  # whose revisions have one port
    args = ["serve", service.name, "--bundle", MODELS, "--release", release, *listening(grpc=grpc)]
    second: list[Json] = [{"name": "h2c", "containerPort": GRPC_PORT, "protocol": "TCP"}] if grpc else []
    mounts: list[Json] = [
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - in a container of its own
        {"name": "cache", "mountPath": CACHE},
        {"name": "keys", "mountPath": KEYS, "readOnly": True},
    ]
    box: JsonObject = {
        "name": "kserve-container",
        "image": subject.image,
        "args": list[Json](args),
        "env": environment(subject, catalogue=False, more=told),
        "ports": [{"containerPort": PORT, "protocol": "TCP"}, *second],
        "resources": serving_resources(subject, service),
        **probes(subject, startup=not knative, grpc=grpc),
        "securityContext": confined(),
        "volumeMounts": mounts,
    }
    drain: JsonObject = {"lifecycle": {"preStop": {"exec": {"command": ["sleep", "5"]}}}}
    return box if knative else {**box, **drain}


def _digits(release: Digest) -> str:
    return label_name(release.removeprefix("sha256:")[:12])
