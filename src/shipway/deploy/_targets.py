"""The targets, each by its word: what it is for people, and the compiler that is imported when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import NamedTuple, cast

from shipway.deploy._subject import Subject
from shipway.deploy._text import Files, check_secrets

Compiler = Callable[[Subject], Files]


class Target(NamedTuple):
    """module: `shipway.deploy.<module>` with the function `compile_<word>`; help: one line.

    yours: the ending of files that are written once and then belong to the project, which may change them.
    """

    module: str
    help: str
    yours: str | None = None


TARGETS: dict[str, Target] = {
    "argo": Target("_argo", "Argo Workflows: a template with a pod a step, and the workflow that starts it by the clock"),
    "github": Target("_github", "GitHub Actions: the plan of a pull request, the gated release of main"),
    "gitlab": Target("_gitlab", "GitLab CI: the same"),
    "stepfunctions": Target(
        "_stepfunctions", "AWS Step Functions: a state machine that starts an ECS task a step, and its schedule"
    ),
    "image": Target("_image", "the image that everything runs in, and a compose file with its neighbours"),
    "kubernetes": Target("_kubernetes", "what every cluster has: Deployments, scaling, network policies, the scheduled run"),
    "kserve": Target("_kserve", "KServe: an InferenceService for each model, from an exported bundle"),
    "rollouts": Target("_rollouts", "Argo Rollouts: a canary for each model whose analysis asks the gate"),
    "argocd": Target("_argocd", "Argo CD: an Application for the folder of the Kubernetes files"),
    "prometheus": Target("_prometheus", "Prometheus: what it scrapes, recording rules, alerts"),
    "alertmanager": Target("_alertmanager", "Alertmanager: where pages and tickets go"),
    "grafana": Target("_grafana", "Grafana: dashboards of deployments, predictors and gateways, and their data source"),
    "datadog": Target("_datadog", "Datadog: an OpenTelemetry collector that passes our metrics on"),
    "kuberay": Target("_kuberay", "a RayJob that profiles the data or embeds the documents, with its cluster"),
    "terraform": Target("_terraform", "AWS: modules that are yours, and the variables that make them run this project", ".tf"),
}


def render_target(word: str, subject: Subject) -> Files:
    """What the target's files are: sorted by path, no secret in them. Raises CannotExpress, NamesCollide, SecretLiteral."""
    target = TARGETS[word]
    module = importlib.import_module(f"shipway.deploy.{target.module}")
    compiler = cast("Compiler", getattr(module, "compile_" + word.replace("-", "_")))
    return check_secrets(dict(sorted(compiler(subject).items())))
