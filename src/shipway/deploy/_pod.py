"""A pod of the one image: what it may do (little), what it mounts, what it is given, and when it counts as well."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from shipway.deploy._names import label_name, label_names
from shipway.deploy._subject import Service, Subject
from shipway.kernel.canonical import Json, JsonObject

PORT, GRPC_PORT = 8080, 8081
USER = 10001
STORE, CACHE, KEYS = "/app/.shipway", "/var/cache/shipway", "/etc/shipway/keys"
LONGEST_PROJECT = 45  # with our endings it still names a CronJob, whose jobs get eleven characters more
_PERIOD = 5  # seconds between two questions of a probe
_PROGRESS_SECONDS = 180  # beyond the start of the last pod: until it is placed and its image pulled
_DRAIN = {"predictor": 35, "gateway": 65}  # what a worker may take to finish what it has accepted (operate's Serving)
_SEND_SECONDS = 15  # to bring the last of the logs to the bucket
_UNROUTE_SECONDS = 5  # until no other machine of the cluster sends here any more


def project_name(subject: Subject, *, target: str) -> str:
    """The project as a prefix of names. Raises CannotExpress."""
    return label_names([subject.project], target=target, what="project", longest=LONGEST_PROJECT)[subject.project]


def metadata(subject: Subject, name: str, component: str, *, release: str | None = None) -> JsonObject:
    """name and labels of an object; release: what it serves, whole in an annotation."""
    found: JsonObject = {
        "name": name,
        "namespace": subject.targets.kubernetes.namespace,
        "labels": labels(subject, name, component, release=release),
    }
    return {**found, "annotations": {"shipway.dev/release": release}} if release else found


def labels(subject: Subject, name: str, component: str, *, release: str | None = None) -> JsonObject:
    found: JsonObject = {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/part-of": label_name(subject.project),
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/managed-by": "shipway",
    }
    return {**found, "app.kubernetes.io/version": release.removeprefix("sha256:")[:12]} if release else found


def serving_pod(subject: Subject, service: Service, name: str) -> JsonObject:
    """The pod that serves one release of an application from the team's store, its arms in the same container."""
    drain = _DRAIN[service.kind] + _UNROUTE_SECONDS + 5 + (_SEND_SECONDS if subject.targets.objects else 0)
    args = [*service.words, *listening(grpc=service.grpc)]
    second: list[Json] = [{"name": "grpc", "containerPort": GRPC_PORT}] if service.grpc else []
    box: JsonObject = {
        **container(subject, service.kind, args, secrets=service.secrets),
        "ports": [{"name": "http", "containerPort": PORT}, *second],
        "resources": serving_resources(subject, service),
        **probes(subject, grpc=service.grpc),
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(_UNROUTE_SECONDS)]}}},
    }
    return {
        "metadata": {
            "labels": labels(subject, name, service.kind, release=service.release),
            "annotations": {"shipway.dev/release": service.release, **scraped(subject, port=PORT, ref=service.ref)},
        },
        "spec": {
            **pod(subject, [box], lasting=service.kind == "gateway"),
            "terminationGracePeriodSeconds": drain,
            "topologySpreadConstraints": _spread(name),
        },
    }


def scraped(subject: Subject, *, port: int, ref: str | None = None) -> JsonObject:
    """Annotations by which a pod is found and named: rules and dashboards know things by `project` and `ref`."""
    found: JsonObject = {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(port),
        "prometheus.io/path": "/metrics",
        "shipway.dev/project": subject.project,
    }
    return {**found, "shipway.dev/ref": ref} if ref else found


def _spread(name: str) -> list[Json]:
    """Over machines and zones, as far as there are some."""
    pods: JsonObject = {"matchLabels": {"app.kubernetes.io/name": name}}
    keys = ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    anyway: JsonObject = {"maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": pods}
    return [{"topologyKey": key, **anyway} for key in keys]


def listening(*, grpc: bool = False) -> list[str]:
    """The container's own network, which only what the network policy lets in reaches."""
    second = ["--grpc-port", str(GRPC_PORT)] if grpc else []
    return ["--host", "0.0.0.0", "--port", str(PORT), *second]  # noqa: S104


def container(
    subject: Subject,
    name: str,
    args: Sequence[str],
    *,
    secrets: Iterable[str] = (),
    variables: Mapping[str, str] | None = None,
    more: Iterable[Json] = (),
) -> JsonObject:
    """A container of the one image, with store and keys mounted. secrets: names of variables; more: further mounts."""
    mounts: list[Json] = [
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - in a container of its own
        {"name": "cache", "mountPath": CACHE},
        {"name": "store", "mountPath": STORE},
        {"name": "keys", "mountPath": KEYS, "readOnly": True},
    ]
    return {
        "name": name,
        "image": subject.image,
        "args": list(args),
        "env": environment(subject, secrets, more={"SHIPWAY_KEYS": KEYS, **(variables or {})}),
        **credentials(subject),
        "securityContext": confined(),
        "volumeMounts": [*mounts, *more],
    }


def confined() -> JsonObject:
    """Nothing but its own process, and nothing written outside its volumes."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def pod(
    subject: Subject,
    containers: Sequence[Json],
    *,
    keys: JsonObject | None = None,
    more: Iterable[Json] = (),
    lasting: bool = False,
) -> JsonObject:
    """A pod without a token of the cluster. keys: the volume of keys, otherwise the trusted ones alone.

    lasting: whether it keeps what no bucket has, budgets or outcomes; the others need the claim only where there is no bucket.
    """
    claim: JsonObject = {"persistentVolumeClaim": {"claimName": f"{label_name(subject.project)}-store"}}
    store: JsonObject = claim if lasting or subject.targets.objects is None else {"emptyDir": {}}
    return {
        "serviceAccountName": subject.targets.kubernetes.service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": list(containers),
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            {"name": "cache", "emptyDir": {}},
            {"name": "store", **store},
            keys or trusted_keys(subject),
            *more,
        ],
    }


def trusted_keys(subject: Subject) -> JsonObject:
    """`trust.json` of the team: public keys and what they count for."""
    return {"name": "keys", "configMap": {"name": f"{label_name(subject.project)}-trust"}}


def signing_keys(subject: Subject) -> JsonObject:
    """`signing.pem` and `trust.json`, readable for the pod's group alone."""
    return {"name": "keys", "secret": {"secretName": f"{label_name(subject.project)}-keys", "defaultMode": 0o440}}


def environment(
    subject: Subject, secrets: Iterable[str] = (), *, catalogue: bool = True, more: Mapping[str, str] | None = None
) -> list[Json]:
    """The variables of a container: plain ones, and secrets by reference to the Kubernetes Secret of the project."""
    plain: list[Json] = [{"name": name, "value": value} for name, value in {**subject.environ, **(more or {})}.items()]
    names = dict.fromkeys([*(subject.secrets[:1] if catalogue else ()), *secrets])
    source = f"{label_name(subject.project)}-secrets"
    return plain + [{"name": name, "valueFrom": {"secretKeyRef": {"name": source, "key": name}}} for name in names]


def credentials(subject: Subject) -> JsonObject:
    """The bucket's, from a Secret that may be missing: where the service account has an identity of the cloud it needs none."""
    if subject.targets.objects is None:
        return {}
    return {"envFrom": [{"secretRef": {"name": f"{label_name(subject.project)}-objects", "optional": True}}]}


def resources(*, cpu: float, memory: int, gpu: int = 0) -> JsonObject:
    """What is asked for. Memory and devices are also the limit; cores are not, since a limit makes answers wait."""
    device: JsonObject = {"nvidia.com/gpu": gpu} if gpu else {}
    return {
        "requests": {"cpu": cores(cpu), "memory": quantity(memory), **device},
        "limits": {"memory": quantity(memory), **device},
    }


def serving_resources(subject: Subject, service: Service) -> JsonObject:
    """A gateway needs no device: what it asks is elsewhere."""
    given = subject.targets.kubernetes
    return resources(cpu=given.cpu, memory=given.memory, gpu=given.gpu if service.kind == "predictor" else 0)


def cores(cpu: float) -> str:
    """
    >>> cores(0.5), cores(2), cores(0.0101), cores(0.07)
    ('500m', '2', '11m', '70m')
    """
    thousandths = math.ceil(round(cpu * 1000, 6))
    return str(thousandths // 1000) if thousandths % 1000 == 0 else f"{thousandths}m"


def quantity(size: int) -> str:
    """
    >>> quantity(2**30), quantity(1536 * 2**20), quantity(1000)
    ('1Gi', '1536Mi', '1000')
    """
    for unit, ending in ((2**30, "Gi"), (2**20, "Mi"), (2**10, "Ki")):
        if size % unit == 0:
            return f"{size // unit}{ending}"
    return str(size)


def progress_seconds(subject: Subject) -> int:
    """After which a rollout that brings no new pod up counts as failed."""
    return math.ceil(subject.targets.start) + _PROGRESS_SECONDS


def probes(subject: Subject, *, startup: bool = True, grpc: bool = False) -> JsonObject:
    """Ready once golden rows reproduced; alive as long as it answers, from the end of its start on.

    grpc: the start ends with its first answer over gRPC, at the port that listens last.

    startup: whether there is a probe for the start; without one the first question about its life comes after that time.
    """
    found: JsonObject = {
        "readinessProbe": {**asking("/readyz"), "periodSeconds": _PERIOD, "timeoutSeconds": 2, "failureThreshold": 2},
        "livenessProbe": _alive(),
    }
    seconds = math.ceil(subject.targets.start)
    if not startup:
        return {**found, "livenessProbe": {**_alive(), "initialDelaySeconds": seconds}}
    rounds = -(-seconds // _PERIOD)
    asked: JsonObject = {"grpc": {"port": GRPC_PORT}} if grpc else asking("/readyz")
    start = {**asked, "periodSeconds": _PERIOD, "timeoutSeconds": 2, "failureThreshold": rounds}
    return {"startupProbe": start, **found}


def _alive() -> JsonObject:
    return {**asking("/healthz"), "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6}


def asking(path: str, *, port: int = PORT) -> JsonObject:
    """The question of a probe."""
    return {"httpGet": {"path": path, "port": port}}
