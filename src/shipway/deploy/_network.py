"""Who may talk to whom: nobody, but callers to what serves, and all to names, the catalogue, and what is elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from shipway.deploy._pod import GRPC_PORT, PORT, metadata
from shipway.deploy._scrapes import METRICS_PORT
from shipway.deploy._subject import Subject
from shipway.kernel.canonical import Json, JsonObject

_NAMESPACE = "kubernetes.io/metadata.name"
_POSTGRES, _HTTPS, _DNS = 5432, 443, 53
_NODE = "169.254.0.0/16"  # addresses of the node itself: names that it keeps (NodeLocal DNSCache, Cloud DNS), identities
# where a pod gets the identity that reads the bucket: EKS Pod Identity; the metadata servers of GKE
_IDENTITY = {"s3": {"169.254.170.23/32": 80}, "gs": {"169.254.169.254/32": 80, "169.254.169.252/32": 988}}


def network_policies(subject: Subject, project: str) -> list[Json]:
    """Policies add up: the first lets nothing through, each of the others a little."""
    ours: JsonObject = {"matchLabels": {"app.kubernetes.io/part-of": project}}
    names: JsonObject = {
        "to": [{"namespaceSelector": {"matchLabels": {_NAMESPACE: "kube-system"}}}, {"ipBlock": {"cidr": _NODE}}],
        "ports": [{"protocol": "UDP", "port": _DNS}, {"protocol": "TCP", "port": _DNS}],
    }
    return [
        _policy(subject, f"{project}-nothing", ours, ("Ingress", "Egress")),
        _policy(subject, f"{project}-names", ours, ("Egress",), egress=[names]),
        _policy(subject, f"{project}-catalogue", ours, ("Egress",), egress=[_to_port(_POSTGRES)]),
        *_elsewhere(subject, project),
        _policy(
            subject,
            f"{project}-callers",
            _components(project, "predictor", "gateway"),
            ("Ingress",),
            ingress=[_callers(subject)],
        ),
        _policy(subject, f"{project}-metrics", _components(project, "control"), ("Ingress",), ingress=[_monitoring(subject)]),
    ]


def _elsewhere(subject: Subject, project: str) -> list[Json]:
    """HTTPS: to objects for all, otherwise to providers for gateways and for the control plane, which evaluates."""
    if subject.targets.objects:
        ours: JsonObject = {"matchLabels": {"app.kubernetes.io/part-of": project}}
        egress = [_to_port(_HTTPS), *_identities(subject.targets.objects)]
        return [_policy(subject, f"{project}-objects", ours, ("Egress",), egress=egress)]
    if not any(service.kind == "gateway" for service in subject.services):
        return []
    asking = _components(project, "gateway", "control")
    return [_policy(subject, f"{project}-providers", asking, ("Egress",), egress=[_to_port(_HTTPS)])]


def _identities(objects: str) -> list[Json]:
    places = _IDENTITY.get(objects.partition("://")[0], {})
    return [{"to": [{"ipBlock": {"cidr": cidr}}], **_to_port(port)} for cidr, port in places.items()]


def _components(project: str, *names: str) -> JsonObject:
    return {
        "matchLabels": {"app.kubernetes.io/part-of": project},
        "matchExpressions": [{"key": "app.kubernetes.io/component", "operator": "In", "values": list[Json](names)}],
    }


def _callers(subject: Subject) -> JsonObject:
    """Pods of the same namespace, of named ones, and of the one that scrapes `/metrics`."""
    given = subject.targets.kubernetes
    named = [
        {"namespaceSelector": {"matchLabels": {_NAMESPACE: name}}} for name in dict.fromkeys((*given.callers, given.monitoring))
    ]
    ports = [PORT, GRPC_PORT] if any(service.grpc for service in subject.services) else [PORT]
    return {"from": [{"podSelector": {}}, *named], "ports": [{"protocol": "TCP", "port": port} for port in ports]}


def _monitoring(subject: Subject) -> JsonObject:
    """Of the control plane its metrics alone, for the namespace that Prometheus is in."""
    watching = {"namespaceSelector": {"matchLabels": {_NAMESPACE: subject.targets.kubernetes.monitoring}}}
    return {"from": [watching], "ports": [{"protocol": "TCP", "port": METRICS_PORT}]}


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
