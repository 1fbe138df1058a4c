"""Argo Rollouts: instead of the Deployment of a predictor, a Rollout that asks the gate before each step."""

from __future__ import annotations

from shipway.deploy._kserve import predictors
from shipway.deploy._kubernetes import autoscaler, disruption_budget, kustomization, service_names, service_object
from shipway.deploy._pod import container, labels, metadata, pod, progress_seconds, resources, serving_pod
from shipway.deploy._subject import Service, Subject
from shipway.deploy._text import Files, yaml_text
from shipway.kernel.canonical import Json, JsonObject

TARGET = "rollouts"
_API = "argoproj.io/v1alpha1"
_FIRST, _THEN = 10, 50  # percent
_BAKE = "10m"
_ASK_SECONDS = 900  # every byte of the release is read


def compile_rollouts(subject: Subject) -> Files:
    """A file for each predictor, and kustomization.yaml. Raises NothingToRender, NamesCollide, CannotExpress."""
    names = service_names(subject, target=TARGET)
    files = {
        f"{names[service.name]}-rollout.yaml": _documents(subject, service, names[service.name])
        for service in predictors(subject, target=TARGET)
    }
    return {
        **{path: yaml_text(documents, target=TARGET) for path, documents in files.items()},
        "kustomization.yaml": yaml_text([kustomization(sorted(files))], target=TARGET),
    }


def _documents(subject: Subject, service: Service, name: str) -> list[Json]:
    return [
        _rollout(subject, service, name),
        _analysis(subject, service, f"{name}-gate"),
        service_object(subject, service, name),
        autoscaler(subject, service, name, api=_API, kind="Rollout"),
        disruption_budget(subject, service, name),
    ]


def _rollout(subject: Subject, service: Service, name: str) -> JsonObject:
    return {
        "apiVersion": _API,
        "kind": "Rollout",
        "metadata": metadata(subject, name, service.kind, release=service.release),
        "spec": {
            "revisionHistoryLimit": 5,
            "minReadySeconds": 5,
            "progressDeadlineSeconds": progress_seconds(subject),
            "progressDeadlineAbort": True,
            "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
            "strategy": {"canary": {"maxUnavailable": 0, "maxSurge": 1, "steps": _steps(subject, f"{name}-gate", service)}},
            "template": serving_pod(subject, service, name),
        },
    }


def _steps(subject: Subject, template: str, service: Service) -> list[Json]:
    """The gate is asked before anybody gets the release, and again before more do; of its arms as well."""
    releases = dict.fromkeys([service.release, *(service.beside.releases if service.beside else ())])
    asked = [_asked(template, release) for release in releases]
    first = subject.targets.kubernetes.canary or _FIRST
    weights = sorted({first, max(first, _THEN)})
    steps: list[Json] = []
    for weight in weights:
        steps += [*asked, {"setWeight": weight}, {"pause": {"duration": _BAKE}}]
    return [*steps, *asked]


def _asked(template: str, release: str) -> JsonObject:
    return {"analysis": {"templates": [{"templateName": template}], "args": [{"name": "release", "value": release}]}}


def _analysis(subject: Subject, service: Service, name: str) -> JsonObject:
    """A job that ends with 0 when the gate lets the release stand there. What it cannot decide fails like what it refuses."""
    ask = ["verify", "{{args.release}}", "--for", service.name, "--json"]
    box = {**container(subject, "gate", ask), "resources": resources(cpu=0.5, memory=2**30)}
    job: JsonObject = {
        "backoffLimit": 0,
        "activeDeadlineSeconds": _ASK_SECONDS,
        "template": {
            "metadata": {"labels": labels(subject, name, "gate")},
            "spec": {**pod(subject, [box]), "restartPolicy": "Never"},
        },
    }
    return {
        "apiVersion": _API,
        "kind": "AnalysisTemplate",
        "metadata": metadata(subject, name, "gate"),
        "spec": {
            "args": [{"name": "release"}],
            "metrics": [{"name": "gate", "count": 1, "failureLimit": 0, "provider": {"job": {"spec": job}}}],
        },
    }
