"""Who may talk to whom: nobody, but callers to what serves, and all to names, the catalogue, and what is elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from shipway.deploy._pod import PORT, metadata
from shipway.deploy._subject import Subject
from shipway.kernel.canonical import Json, JsonObject

_NAMESPACE = "kubernetes.io/metadata.name"
_POSTGRES, _HTTPS, _DNS = 5432, 443, 53


def network_policies(subject: Subject, project: str) -> list[Json]:
    """Policies add up: the first lets nothing through, each of the others a little."""
    ours: JsonObject = {"matchLabels": {"app.kubernetes.io/part-of": project}}
    names: JsonObject = {
        "to": [{"namespaceSelector": {"matchLabels": {_NAMESPACE: "kube-system"}}}],
        "ports": [{"protocol": "UDP", "port": _DNS}, {"protocol": "TCP", "port": _DNS}],
    }
    return [
        _policy(subject, f"{project}-nothing", ours, ("Ingress", "Egress")),
        _policy(subject, f"{project}-names", ours, ("Egress",), egress=[names]),
        _policy(subject, f"{project}-catalogue", ours, ("Egress",), egress=[_to_port(_POSTGRES)]),
        *_elsewhere(subject, project),
        _policy(subject, f"{project}-callers", _serving(project), ("Ingress",), ingress=[_callers(subject)]),
    ]


def _elsewhere(subject: Subject, project: str) -> list[Json]:
    """HTTPS: to objects for all, otherwise to providers for gateways alone."""
    if subject.targets.objects:
        ours: JsonObject = {"matchLabels": {"app.kubernetes.io/part-of": project}}
        return [_policy(subject, f"{project}-objects", ours, ("Egress",), egress=[_to_port(_HTTPS)])]
    if not any(service.kind == "gateway" for service in subject.services):
        return []
    gateways: JsonObject = {
        "matchLabels": {"app.kubernetes.io/part-of": project, "app.kubernetes.io/component": "gateway"},
    }
    return [_policy(subject, f"{project}-providers", gateways, ("Egress",), egress=[_to_port(_HTTPS)])]


def _serving(project: str) -> JsonObject:
    return {
        "matchLabels": {"app.kubernetes.io/part-of": project},
        "matchExpressions": [
            {"key": "app.kubernetes.io/component", "operator": "In", "values": ["predictor", "gateway"]},
        ],
    }


def _callers(subject: Subject) -> JsonObject:
    """Pods of the same namespace, of named ones, and of the one that scrapes `/metrics`."""
    given = subject.targets.kubernetes
    named = [
        {"namespaceSelector": {"matchLabels": {_NAMESPACE: name}}} for name in dict.fromkeys((*given.callers, given.monitoring))
    ]
    return {"from": [{"podSelector": {}}, *named], "ports": [{"protocol": "TCP", "port": PORT}]}


def _to_port(port: int) -> JsonObject:
    """To any address: where the catalogue is stands in a secret, and a policy knows no host names."""
    return {"ports": [{"protocol": "TCP", "port": port}]}


def _policy(
    subject: Subject,
    name: str,
    pods: JsonObject,
    kinds: Sequence[str],
    *,
    ingress: Sequence[Json] = (),
    egress: Sequence[Json] = (),
) -> JsonObject:
    spec: JsonObject = {"podSelector": pods, "policyTypes": list[Json](kinds)}
    if ingress:
        spec = {**spec, "ingress": list(ingress)}
    if egress:
        spec = {**spec, "egress": list(egress)}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(subject, name, "network"),
        "spec": spec,
    }
