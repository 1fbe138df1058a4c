"""Arms of a deployment on other machines: one split, in the pod or task, by the deployment that the gate let in."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from deploy_subjects import RELEASE
from kube_world import check, of_kind

from shipway.deploy import Beside, CannotExpress, Subject, render_target
from shipway.kernel.digest import Digest
from shipway.spec import TargetsSpec

pytest_plugins = ["deploy_fixtures"]

DEPLOYMENT = Digest("sha256:" + "5c" * 32)
CANDIDATE, SHADOW = (Digest("sha256:" + letters * 32) for letters in ("6d", "7e"))
WORDS = ["serve", "delay@prod", "--deployment", DEPLOYMENT]


@pytest.fixture(name="split")
def _split(flights: Subject) -> Subject:
    """Flights with two arms, and a bucket."""
    beside = Beside(DEPLOYMENT, (CANDIDATE, SHADOW))
    services = tuple(replace(one, beside=beside if one.name == "delay@prod" else None) for one in flights.services)
    return replace(flights, services=services, targets=TargetsSpec(objects="s3://example/ml"))


def test_a_pod_serves_the_deployment_and_says_which_release_is_live(split: Subject) -> None:
    for target, kind in (("kubernetes", "Deployment"), ("rollouts", "Rollout")):
        found = {document["metadata"]["name"]: document for document in of_kind(render_target(target, split), kind)}
        document = found["delay-prod"]
        if kind == "Deployment":
            check(document)
        template = document["spec"]["template"]
        (container,) = template["spec"]["containers"]
        assert container["args"][:4] == WORDS
        assert template["metadata"]["annotations"]["shipway.dev/release"] == RELEASE


def test_a_rollout_asks_the_gate_for_each_release_that_would_answer(split: Subject) -> None:
    (rollout,) = (
        document
        for document in of_kind(render_target("rollouts", split), "Rollout")
        if document["metadata"]["name"] == "delay-prod"
    )
    steps = rollout["spec"]["strategy"]["canary"]["steps"]
    first = [step["analysis"]["args"][0]["value"] for step in steps[:3]]
    assert first == [RELEASE, CANDIDATE, SHADOW]
    assert list(steps[3]) == ["setWeight"]


def test_a_task_of_ecs_serves_the_deployment(split: Subject) -> None:
    variables = json.loads(render_target("terraform", split)["shipway.auto.tfvars.json"])
    assert variables["services"]["delay-prod"]["command"][:4] == WORDS
    assert variables["services"]["delay-prod"]["release"] == RELEASE
    assert variables["services"]["delay-prod"]["memory"] == 3 * 2048


def test_a_container_of_compose_follows_its_ref_and_so_has_the_arms(split: Subject) -> None:
    assert "- --deployment" not in render_target("image", split)["compose.yaml"]


def test_kserve_refuses_arms_and_says_what_to_do(split: Subject) -> None:
    with pytest.raises(CannotExpress, match="one bundle a pod, and delay@prod has 2 arms") as refused:
        render_target("kserve", split)
    assert refused.value.mend == "shipway render kubernetes, or end the arms: shipway apply delay@prod"
