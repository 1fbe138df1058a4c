"""What a cluster's own validators say of rendered files. Kinds of others carry pods, and these are checked as pods."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from shipway.deploy import Files

VERSION = "1.37"
SCHEMAS = Path(__file__).parent / "data"
FOREIGN = {
    "serving.kserve.io/v1beta1": "inferenceservice.schema.json",
    "argoproj.io/v1alpha1": "argoproj.schema.json",
    "kustomize.config.k8s.io/v1beta1": "kustomization.schema.json",
}


def documents(files: Files) -> list[dict[str, Any]]:
    """Every document of every file."""
    return [document for text in files.values() for document in yaml.safe_load_all(text)]


def of_kind(files: Files, kind: str) -> list[dict[str, Any]]:
    return [document for document in documents(files) if document["kind"] == kind]


def check(document: dict[str, Any]) -> None:
    """Raises what the validator says; unknown fields are refused everywhere."""
    import kubernetes_validate
    from jsonschema import Draft202012Validator

    schema = FOREIGN.get(document["apiVersion"])
    if schema is None:
        kubernetes_validate.validate(document, VERSION, strict=True)
        return
    Draft202012Validator(json.loads((SCHEMAS / schema).read_text())).validate(document)
    for spec in pods(document):
        kubernetes_validate.validate(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "checked"}, "spec": spec}, VERSION, strict=True
        )


def pods(value: Any) -> Iterator[dict[str, Any]]:
    """Every pod that a document carries: what has containers. KServe's own fields beside them are left out."""
    if isinstance(value, dict):
        if "containers" in value:
            yield {key: item for key, item in value.items() if key not in KSERVE_FIELDS}
        else:
            for item in value.values():
                yield from pods(item)
    elif isinstance(value, list):
        for item in value:
            yield from pods(item)


KSERVE_FIELDS = (
    "name",
    "minReplicas",
    "maxReplicas",
    "scaleMetric",
    "scaleTarget",
    "timeout",
    "logger",
    "canaryTrafficPercent",
)
