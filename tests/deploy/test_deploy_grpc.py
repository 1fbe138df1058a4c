"""What is rendered for a deployment that answers gRPC at a second port."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
import yaml
from kube_world import check, documents, of_kind

from shipway.deploy import Subject, render_target
from shipway.spec import KubernetesSpec, TargetsSpec

pytest_plugins = ["deploy_fixtures"]


@pytest.fixture(name="speaking")
def _speaking(flights: Subject) -> Subject:
    targets = TargetsSpec(objects="s3://example-ml/shipway", kubernetes=KubernetesSpec(namespace="flights"))
    return replace(flights, targets=targets, services=tuple(replace(one, grpc=True) for one in flights.services))


@pytest.mark.parametrize("target", ["kubernetes", "rollouts", "kserve"])
def test_pods_and_services_have_the_second_port_and_pass_their_schemas(speaking: Subject, target: str) -> None:
    files = render_target(target, speaking)
    for document in documents(files):
        check(document)
    kind = {"kubernetes": "Deployment", "rollouts": "Rollout", "kserve": "InferenceService"}[target]
    found = [box for document in of_kind(files, kind) for box in containers(document["spec"]) if box["args"][0] == "serve"]
    assert found
    for box in found:
        assert box["args"][-2:] == ["--grpc-port", "8081"]
        assert [port["containerPort"] for port in box["ports"]] == [8080, 8081]
        assert box["startupProbe"]["grpc"] == {"port": 8081}
        assert box["readinessProbe"]["httpGet"]["port"] == 8080
    for service in of_kind(files, "Service"):
        assert service["spec"]["ports"][1] == {
            "name": "grpc", "port": 8081, "targetPort": "grpc", "protocol": "TCP", "appProtocol": "kubernetes.io/h2c",
        }  # fmt: skip


def containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Of a pod's template, or of a predictor of KServe."""
    pod = spec["predictor"] if "predictor" in spec else spec["template"]["spec"]
    return cast("list[dict[str, Any]]", pod["containers"])


def test_the_network_policy_lets_callers_in_there(speaking: Subject, flights: Subject) -> None:
    def ports(subject: Subject) -> set[int]:
        policies = of_kind(render_target("kubernetes", subject), "NetworkPolicy")
        return {
            port["port"]
            for policy in policies
            for rule in policy["spec"].get("ingress", ())
            for port in rule["ports"]
        }  # fmt: skip

    assert ports(speaking) - ports(flights) == {8081}


def test_knative_has_one_port_and_it_is_that_of_http(speaking: Subject) -> None:
    given = replace(speaking, targets=TargetsSpec(objects="s3://e/s", kubernetes=KubernetesSpec(kserve="serverless")))
    (found,) = of_kind(render_target("kserve", given), "InferenceService")
    (box,) = containers(found["spec"])
    assert [port["containerPort"] for port in box["ports"]] == [8080]
    assert "--grpc-port" not in box["args"]


def test_the_compose_file_publishes_it_on_loopback(speaking: Subject) -> None:
    files = render_target("image", speaking)
    (text,) = [text for name, text in files.items() if name.endswith("compose.yaml")]
    served = [box for box in yaml.safe_load(text)["services"].values() if "--grpc-port" in (box.get("command") or ())]
    assert served
    assert all(box["ports"] == ["127.0.0.1::8080", "127.0.0.1::8081"] for box in served)
