"""Templates of pods: the one image with one fixed command, what it may do (little), what it mounts, what it asks for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shipway.deploy._names import label_name
from shipway.deploy._pod import cores, credentials, environment, quantity
from shipway.deploy._subject import Subject
from shipway.deploy._units import START_SECONDS, Unit
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.units import Seconds

USER = 10001
CONTROL = "/var/control/"
PLAN = "{{inputs.parameters.plan}}"
_STORE, _CACHE, _KEYS = "/app/.shipway", "/var/cache/shipway", "/etc/shipway/keys"
_CPU, _MEMORY = 0.5, 2**30  # of a step that does not say


@dataclass(frozen=True, slots=True)
class Limits:
    """What steps of one template share. tells: whether conditions or lists are decided by its value."""

    retries: int = 0
    timeout: Seconds | None = None
    cpu: float | None = None
    memory: int | None = None
    gpu: int = 0
    tells: bool = False

    @property
    def name(self) -> str:
        """What is not as always, as an ending of a template's name: `-retry-2-600s`."""
        parts = [
            f"retry-{self.retries}" if self.retries else "",
            f"{math.ceil(self.timeout)}s" if self.timeout else "",
            f"cpu-{cores(self.cpu)}" if self.cpu else "",
            quantity(self.memory).lower() if self.memory else "",
            f"gpu-{self.gpu}" if self.gpu else "",
            "tells" if self.tells else "",
        ]
        return "".join(f"-{part}" for part in parts if part)


def limits_of(unit: Unit, *, tells: bool = False) -> Limits:
    gpu = max(task.options.gpu for task in unit.tasks)
    return Limits(unit.retries, unit.timeout, unit.cpu, unit.memory, gpu, tells)


def step_template(subject: Subject, limits: Limits) -> JsonObject:
    """Any one step, by the parameter `step`."""
    words = ["step", "run", "{{inputs.parameters.step}}", "--plan", PLAN, "--control", CONTROL]
    return _template(subject, f"step{limits.name}", words, limits, inputs=("plan", "step"))


def element_template(subject: Subject, limits: Limits) -> JsonObject:
    """One element of a repeated step."""
    words = ["step", "run", "{{inputs.parameters.step}}", "--item", "{{inputs.parameters.item}}", "--plan", PLAN]
    return _template(subject, f"element{limits.name}", words, limits, inputs=("plan", "step", "item"))


def steps_template(subject: Subject, name: str, steps: Sequence[str], limits: Limits) -> JsonObject:
    """These steps one after another."""
    words = ["step", "run", *steps, "--plan", PLAN, "--control", CONTROL]
    return _template(subject, name, words, limits, inputs=("plan",))


def models_template(subject: Subject) -> JsonObject:
    """The last task; the only one of a run that signs, and so the only one that has the keys."""
    return _template(subject, "models", ["step", "models", "--plan", PLAN], Limits(), inputs=("plan",), keys=True)


def plan_template(subject: Subject) -> JsonObject:
    """The first task of a scheduled run: it reads the data, moves their refs and tells the plan."""
    words = ["step", "plan", "--why", "scheduled", "--control", CONTROL]
    return _template(subject, "plan", words, Limits(), outputs=("plan",), keys=True, data=True)


def _template(
    subject: Subject,
    name: str,
    words: Sequence[str],
    limits: Limits,
    *,
    inputs: Iterable[str] = (),
    outputs: Iterable[str] = (),
    keys: bool = False,
    data: bool = False,
) -> JsonObject:
    told = (*outputs, *(("value", "kind", "items") if limits.tells else ()))
    template: dict[str, Json] = {"name": name}
    if given := [{"name": name} for name in inputs]:
        template["inputs"] = {"parameters": list[Json](given)}
    if told:
        template["outputs"] = {"parameters": [{"name": one, "valueFrom": {"path": f"{CONTROL}{one}"}} for one in told]}
    template["retryStrategy"] = _retry(limits.retries)
    if limits.timeout:
        template["activeDeadlineSeconds"] = math.ceil(limits.timeout) + START_SECONDS
    template["container"] = _container(subject, words, limits, keys=keys, data=data)
    template["volumes"] = _volumes(subject, keys=keys, data=data)
    return template


def _retry(retries: int) -> JsonObject:
    """What fails is tried again as often as the step says; a pod that the cluster took away is tried again either way."""
    backoff: JsonObject = {"duration": "10s", "factor": 2, "cap": "5m"}
    if retries:
        return {"limit": retries, "retryPolicy": "Always", "backoff": backoff}
    return {"limit": 2, "retryPolicy": "OnError", "backoff": backoff}


def _container(subject: Subject, words: Sequence[str], limits: Limits, *, keys: bool, data: bool) -> JsonObject:
    own: list[Json] = [{"name": "SHIPWAY_KEYS", "value": _KEYS}] if keys else []
    mounts: list[Json] = [{"name": "keys", "mountPath": _KEYS, "readOnly": True}] if keys else []
    mounts += [
        {"name": "data", "mountPath": f"/app/{path}", "subPath": path, "readOnly": True} for path in _mounted(subject, data)
    ]
    return {
        "image": subject.image,
        "command": ["shipway"],  # Argo would ask the registry for the image's own
        "args": list(words),
        "env": [*environment(subject, subject.secrets[1:]), *own],
        **credentials(subject),
        "resources": _resources(limits),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
            {"name": "cache", "mountPath": _CACHE},
            {"name": "control", "mountPath": CONTROL.rstrip("/")},
            {"name": "store", "mountPath": _STORE},
            *mounts,
        ],
    }


def _volumes(subject: Subject, *, keys: bool, data: bool) -> list[Json]:
    """Of the template and not of the workflow: a scheduled workflow runs these templates with a specification of its own."""
    project = label_name(subject.project)
    claim: JsonObject = {"name": "store", "persistentVolumeClaim": {"claimName": f"{project}-store"}}
    found: list[Json] = [
        {"name": "tmp", "emptyDir": {}},
        {"name": "cache", "emptyDir": {}},
        {"name": "control", "emptyDir": {}},
        {"name": "store", "emptyDir": {}} if subject.targets.objects else claim,
    ]
    if keys:
        found.append({"name": "keys", "secret": {"secretName": f"{project}-keys", "defaultMode": 0o440}})
    if _mounted(subject, data):
        found.append({"name": "data", "persistentVolumeClaim": {"claimName": f"{project}-data", "readOnly": True}})
    return found


def _mounted(subject: Subject, data: bool) -> Sequence[str]:
    return subject.data if data else ()


def _resources(limits: Limits) -> JsonObject:
    """Memory and devices are also the limit; cores are not: a limit would make a step wait while the machine is idle."""
    device: JsonObject = {"nvidia.com/gpu": str(limits.gpu)} if limits.gpu else {}
    asked: JsonObject = {"cpu": cores(limits.cpu or _CPU), "memory": quantity(limits.memory or _MEMORY), **device}
    most: JsonObject = {**({"memory": quantity(limits.memory)} if limits.memory else {}), **device}
    return {"requests": asked, **({"limits": most} if most else {})}
