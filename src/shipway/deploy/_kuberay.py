"""KubeRay: data-parallel work as a RayJob, whose cluster comes with it and goes when it is done."""

from __future__ import annotations

from shipway.deploy._errors import NothingToRender
from shipway.deploy._image import CACHE, KEYS, STORE
from shipway.deploy._names import label_name, label_names
from shipway.deploy._pod import credentials, environment
from shipway.deploy._subject import Subject, check_inside
from shipway.deploy._text import Files, yaml_text
from shipway.kernel.canonical import Json, JsonObject

TARGET = "kuberay"
RAY_VERSION = "2.60.0"  # what the image has to hold; the operator asks for it where a cluster has a token
HEAD, WORKERS = "ray-head", 2
KEPT = 3600  # seconds that the cluster of a job that has ended is there to be looked at
LONGEST = 6 * 3600  # seconds after which a job that never ends is ended
_USER = 10001
_AGENT = "http://127.0.0.1:52365/api/local_raylet_healthz"
_HEALTHY = f"import urllib.request; urllib.request.urlopen('{_AGENT}', timeout=4)"


def compile_kuberay(subject: Subject) -> Files:
    """A RayJob that profiles the data sets, and one that embeds the indexes. Raises NothingToRender, CannotExpress."""
    jobs = {}
    check_inside(subject, target=TARGET)
    if subject.data:
        jobs["profile"] = "shipway data profile --on ray"
    if subject.indexed:
        jobs["embed"] = "shipway rag sync --on ray"
    if not jobs:
        raise NothingToRender(f"{subject.project} has neither data nor indexes", mend="data: or indexes: in shipway.yaml")
    longest = 47  # the operator puts letters of its own behind it, and all of it is a label
    names = label_names((f"{subject.project}-{job}" for job in jobs), target=TARGET, what="job", longest=longest)
    return {
        f"{name}.yaml": yaml_text([_job(subject, name, entrypoint)], target=TARGET)
        for name, entrypoint in zip(names.values(), jobs.values(), strict=True)
    }


def _job(subject: Subject, name: str, entrypoint: str) -> JsonObject:
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"name": name, "namespace": subject.targets.kubernetes.namespace, "labels": _labels(subject)},
        "spec": {
            "entrypoint": entrypoint,
            "shutdownAfterJobFinishes": True,
            "ttlSecondsAfterFinished": KEPT,
            "activeDeadlineSeconds": LONGEST,
            "backoffLimit": 1,
            "rayClusterSpec": {
                "rayVersion": RAY_VERSION,
                "authOptions": {"mode": "token"},
                "headGroupSpec": {
                    # parts are for the workers: the head has the command itself, and must not die of a large part
                    "rayStartParams": {"num-cpus": "0", "disable-usage-stats": "true"},
                    "template": _pod(subject, HEAD, cpu="1", memory="2Gi"),
                },
                "workerGroupSpecs": [
                    {
                        "groupName": "workers",
                        "replicas": WORKERS,
                        "minReplicas": WORKERS,
                        "maxReplicas": WORKERS,
                        "rayStartParams": {},
                        "template": _pod(subject, "ray-worker", cpu="2", memory="4Gi"),
                    }
                ],
            },
        },
    }


def _labels(subject: Subject) -> JsonObject:
    """Not those of the project's other pods: their network policies would keep head, workers and operator from each other."""
    return {"app.kubernetes.io/part-of": f"{label_name(subject.project)}-ray", "app.kubernetes.io/managed-by": "shipway"}


def _pod(subject: Subject, name: str, *, cpu: str, memory: str) -> JsonObject:
    # no command: the operator writes `ray start` in its place. The keys are for the head, where Shipway's command runs.
    sizes: JsonObject = {"cpu": cpu, "memory": memory}
    project, head = label_name(subject.project), name == HEAD
    keys: list[Json] = [{"name": "keys", "secret": {"secretName": f"{project}-keys"}}] if head else []
    mounts: list[Json] = [{"name": "keys", "mountPath": KEYS, "readOnly": True}] if head else []
    variables: list[Json] = [{"name": "SHIPWAY_KEYS", "value": KEYS}] if head else []
    if subject.targets.objects:  # the head names copies to the workers by their paths, so they lie where both find them
        variables.append({"name": "SHIPWAY_CACHE", "value": f"{STORE}/cache"})
    container: JsonObject = {
        "name": name,
        "image": subject.image,
        "env": [*environment(subject, subject.secrets[1:]), *variables, {"name": "RAY_USAGE_STATS_ENABLED", "value": "0"}],
        **credentials(subject),
        "resources": {"requests": sizes, "limits": sizes},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        # given here, as the operator's own need a program that the image has not
        "readinessProbe": _probe(seconds=10, failures=12),
        "livenessProbe": _probe(seconds=30, failures=10),
        "volumeMounts": [
            {"name": "store", "mountPath": STORE},
            {"name": "cache", "mountPath": CACHE},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - of the container
            {"name": "shared-memory", "mountPath": "/dev/shm"},  # noqa: S108
            *mounts,
        ],
    }
    return {
        "metadata": {"labels": _labels(subject)},
        "spec": {
            "serviceAccountName": subject.targets.kubernetes.service_account,
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": _USER,
                "fsGroup": _USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [
                {"name": "store", "persistentVolumeClaim": {"claimName": f"{project}-store"}},
                {"name": "cache", "emptyDir": {}},
                {"name": "tmp", "emptyDir": {}},
                {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
                *keys,
            ],
        },
    }


def _probe(*, seconds: int, failures: int) -> JsonObject:
    return {
        "exec": {"command": ["python", "-c", _HEALTHY]},
        "initialDelaySeconds": 10,
        "periodSeconds": seconds,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }
