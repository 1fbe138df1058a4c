"""Argo CD: an Application that keeps the cluster as the folder of rendered files is."""

from __future__ import annotations

from shipway.deploy._errors import NothingToRender
from shipway.deploy._pod import labels, project_name
from shipway.deploy._subject import Subject
from shipway.deploy._text import Files, yaml_text
from shipway.kernel.canonical import JsonObject

TARGET = "argocd"
_NAMESPACE = "argocd"  # Argo CD's own, where it looks for Applications


def compile_argocd(subject: Subject) -> Files:
    """application.yaml. Raises NothingToRender when the spec names no repository, CannotExpress."""
    given = subject.targets.kubernetes
    if given.repository is None:
        what = f"{subject.project} names no Git repository that Argo CD could follow"
        raise NothingToRender(what, mend="write targets.kubernetes.repository into shipway.yaml")
    name = project_name(subject, target=TARGET)
    application: JsonObject = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": _NAMESPACE, "labels": labels(subject, name, "application")},
        "spec": {
            "project": "default",
            "source": {"repoURL": given.repository, "targetRevision": given.revision, "path": given.path},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": given.namespace},
            "syncPolicy": {
                # what is gone from the folder stays in the cluster until a person removes it
                "automated": {"prune": False, "selfHeal": True},
                "syncOptions": ["ServerSideApply=true", "CreateNamespace=false"],
                "retry": {"limit": 5, "backoff": {"duration": "10s", "factor": 2, "maxDuration": "5m"}},
            },
            "revisionHistoryLimit": 10,
        },
    }
    return {"application.yaml": yaml_text([application], target=TARGET)}
