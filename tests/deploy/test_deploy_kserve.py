"""KServe, Argo Rollouts and Argo CD: the parts that we write, in strict schemas of our own, and their pods in the cluster's."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from click import Context
from deploy_subjects import Golden
from kube_world import check, documents, of_kind, pods

from shipway.deploy import CannotExpress, NamesCollide, NothingToRender, Subject, render_target
from shipway.gate import move_ref
from shipway.kernel.digest import Digest
from shipway.release import deployment_object, load_components, put_release
from shipway.spec import KubernetesSpec, TargetsSpec

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))  # the small project that the command line is tested with

from cli_project import REF, Done, Project

pytest_plugins = ["deploy_fixtures", "cli_fixtures"]

BEFORE = Digest("sha256:" + "4c" * 32)
REPOSITORY = "https://github.com/example/flights.git"
Mode = Literal["standard", "serverless"]


def shifting(subject: Subject, mode: Mode = "standard", *, canary: int | None = 10, before: bool = True) -> Subject:
    """The same project after a second release went live."""
    cluster = KubernetesSpec(namespace="flights", kserve=mode, canary=canary, logger="http://broker.events.svc/flights")
    targets = TargetsSpec(objects="s3://example-ml/shipway", kubernetes=cluster)
    services = tuple(replace(one, previous=BEFORE if before else None) for one in subject.services)
    return replace(subject, targets=targets, services=services)


def inference(subject: Subject) -> dict[str, Any]:
    (found,) = of_kind(render_target("kserve", subject), "InferenceService")
    return found


@pytest.mark.parametrize("mode", ["standard", "serverless"])
def test_a_canary_on_kserve_is_as_a_person_reviewed_it(flights: Subject, golden: Golden, mode: Mode) -> None:
    golden(f"kserve-{mode}", render_target("kserve", shifting(flights, mode)))


def test_a_rollout_is_as_a_person_reviewed_it(flights: Subject, golden: Golden) -> None:
    golden("rollouts-flights", render_target("rollouts", flights))


def test_an_application_of_argo_cd_is_as_a_person_reviewed_it(flights: Subject, golden: Golden) -> None:
    named = replace(flights, targets=TargetsSpec(kubernetes=KubernetesSpec(repository=REPOSITORY)))
    golden("argocd-flights", render_target("argocd", named))


def every(flights: Subject) -> Iterator[dict[str, Any]]:
    """A document of each kind and form."""
    for mode in ("standard", "serverless"):
        for canary in (None, 25):
            yield from documents(render_target("kserve", shifting(flights, mode, canary=canary)))
    yield from documents(render_target("rollouts", flights))
    named = replace(flights, targets=TargetsSpec(kubernetes=KubernetesSpec(repository=REPOSITORY)))
    yield from documents(render_target("argocd", named))


def test_every_document_passes_its_schema_and_no_other_field_does(flights: Subject) -> None:
    import jsonschema
    import kubernetes_validate

    for document in every(flights):
        check(document)
        wrong = copy.deepcopy(document)
        wrong.get("spec", wrong)["canaryTraficPercent"] = 10
        with pytest.raises((jsonschema.ValidationError, kubernetes_validate.ValidationError)):
            check(wrong)


def test_a_misspelt_field_of_a_pod_is_found_inside_of_foreign_kinds(flights: Subject) -> None:
    import kubernetes_validate

    documents_with_pods = [document for document in every(flights) if any(True for _ in pods(document))]
    assert len(documents_with_pods) == 6
    for document in documents_with_pods:
        wrong = copy.deepcopy(document)
        for pod in pods(wrong):
            pod["containers"][0]["imagePolicy"] = "Always"
        with pytest.raises(kubernetes_validate.ValidationError, match="imagePolicy"):
            check(wrong)


def test_in_standard_mode_what_went_live_last_gets_the_stated_share(flights: Subject) -> None:
    spec = inference(shifting(flights))["spec"]
    (fresh,) = spec["canary"]
    assert (spec["predictor"]["name"], fresh["predictor"]["name"], fresh["trafficPercent"]) == (
        "r-4c4c4c4c4c4c",
        "r-3d3d3d3d3d3d",
        10,
    )
    served = [pod["containers"][0]["args"][5] for pod in (spec["predictor"], fresh["predictor"])]
    assert served == [BEFORE, flights.services[0].release]


def test_a_canary_that_became_the_only_one_keeps_its_name(flights: Subject) -> None:
    """Its pods are those that are there already."""
    spec = inference(shifting(flights, canary=None))["spec"]
    assert "canary" not in spec
    assert spec["predictor"] == inference(shifting(flights))["spec"]["canary"][0]["predictor"]


def test_on_knative_the_share_is_of_the_newest_revision(flights: Subject) -> None:
    spec = inference(shifting(flights, "serverless"))["spec"]
    assert (spec["predictor"]["canaryTrafficPercent"], list(spec)) == (10, ["predictor"])
    assert "canaryTrafficPercent" not in inference(shifting(flights, "serverless", canary=None))["spec"]["predictor"]


@pytest.mark.parametrize("mode", ["standard", "serverless"])
def test_the_first_release_has_nobody_to_share_with(flights: Subject, mode: Mode) -> None:
    spec = inference(shifting(flights, mode, before=False))["spec"]
    assert "canary" not in spec
    assert "canaryTrafficPercent" not in spec["predictor"]


@pytest.mark.parametrize("mode", ["standard", "serverless"])
def test_the_container_is_told_what_kserve_tells_and_needs_no_store(flights: Subject, mode: Mode) -> None:
    (box,) = inference(shifting(flights, mode, canary=None))["spec"]["predictor"]["containers"]
    variables = {entry["name"]: entry.get("value") for entry in box["env"]}
    assert (variables["PROTOCOL"], variables["STORAGE_URI"]) == ("v2", "s3://example-ml/shipway/bundles/3d3d3d3d3d3d")
    assert "SHIPWAY_CATALOGUE" not in variables
    assert box["ports"] == [{"containerPort": 8080, "protocol": "TCP"}]
    assert box["args"][2:4] == ["--bundle", "/mnt/models"]


def test_what_a_container_is_told_the_command_line_takes(flights: Subject) -> None:
    from shipway.cli._commands import group

    said = [box["args"] for document in every(flights) for pod in pods(document) for box in pod["containers"]]
    assert {args[0] for args in said} == {"serve", "verify"}
    for args in said:
        found = group.get_command(Context(group), args[0])
        assert found is not None
        found.make_context(args[0], args[1:])


def test_the_question_of_a_rollout_is_answered_by_the_gate(flights: Subject, project: Project) -> None:
    """The very words of the analysis, asked of a real project: 0 goes on, everything else stops the rollout."""
    release = project.store.resolve("release/line")
    project.ask("approve", "line@prod", "--why", "looked at it")
    project.ask("apply", "line@prod", "--no-wait")
    other = put_release(project.store, [part for part in load_components(project.store, release) if part.kind != "profile"])
    service = replace(flights.services[0], application="line", release=release)
    (template,) = of_kind(render_target("rollouts", replace(flights, services=(service,))), "AnalysisTemplate")
    (pod,) = pods(template)

    def ask(about: str) -> Done:
        return project.cli(*(word.replace("{{args.release}}", about) for word in pod["containers"][0]["args"]))

    assert (ask(release).code, ask(other).code) == (0, 1)
    assert ask(other).document["wrong"]["code"] == "release.evidence-missing"
    project.ask("release", "revoke", release, "--why", "leaks")
    assert (ask(release).code, ask(release).document["wrong"]["code"]) == (1, "release.revoked")


def test_a_rollout_asks_the_gate_before_each_step_and_at_the_end(flights: Subject) -> None:
    (rollout,) = of_kind(render_target("rollouts", flights), "Rollout")
    steps = rollout["spec"]["strategy"]["canary"]["steps"]
    assert [next(iter(step)) for step in steps] == [
        "analysis",
        "setWeight",
        "pause",
        "analysis",
        "setWeight",
        "pause",
        "analysis",
    ]
    assert {step["analysis"]["args"][0]["value"] for step in steps if "analysis" in step} == {flights.services[0].release}


@pytest.mark.parametrize("target", ["kserve", "rollouts"])
def test_a_project_that_serves_no_model_has_nothing_to_render(assistant: Subject, target: str) -> None:
    with pytest.raises(NothingToRender, match="no deployment that serves a model"):
        render_target(target, assistant)


@pytest.mark.parametrize("target", ["kserve", "rollouts"])
def test_without_a_release_there_is_nothing_to_render(flights: Subject, target: str) -> None:
    with pytest.raises(NothingToRender, match="released no model yet"):
        render_target(target, replace(flights, services=()))


def test_without_a_place_for_bundles_kserve_has_nothing_to_fetch(flights: Subject) -> None:
    with pytest.raises(NothingToRender, match=r"fetches the bundle that delay@prod serves from a URL"):
        render_target("kserve", flights)


def test_a_place_that_kserve_cannot_read_is_refused(flights: Subject) -> None:
    with pytest.raises(CannotExpress, match=r"kserve fetches no bundle from az://, which delay@prod"):
        render_target("kserve", replace(flights, targets=TargetsSpec(objects="az://example/shipway")))


def test_without_a_repository_argo_cd_has_nothing_to_follow(flights: Subject) -> None:
    with pytest.raises(NothingToRender, match="names no Git repository"):
        render_target("argocd", flights)


@pytest.mark.parametrize("target", ["kserve", "rollouts"])
def test_names_that_become_one_are_refused(flights: Subject, target: str) -> None:
    one = flights.services[0]
    both = (replace(one, application="a_b"), replace(one, application="a-b"))
    subject = replace(flights, services=both, targets=TargetsSpec(objects="s3://example-ml/shipway"))
    with pytest.raises(NamesCollide, match=f"are both a-b-prod for {target}"):
        render_target(target, subject)


def test_the_release_before_is_found_in_the_history(project: Project) -> None:
    """As a person renders it: two releases went live, one after the other."""
    first = project.store.resolve("release/line")
    second = put_release(project.store, [part for part in load_components(project.store, first) if part.kind != "profile"])
    for release in (first, second):
        target = project.store.put(deployment_object(project.store, release, project.deploy, project.spec.outcomes))
        move_ref(project.store, project.keys, project.actor, ref=REF, target=target)
    with (project.root / "shipway.yaml").open("a") as spec:
        spec.write('\ntargets: {objects: "s3://example-ml/shipway", kubernetes: {canary: 20}}\n')
    assert project.ask("render", "kserve")["files"] == {"kserve": ["kustomization.yaml", "line-prod.yaml"]}
    text = (project.root / "deploy" / "kserve" / "line-prod.yaml").read_text()
    spec = documents({"line-prod.yaml": text})[0]["spec"]
    found = [pod["containers"][0]["args"][5] for pod in (spec["predictor"], spec["canary"][0]["predictor"])]
    assert found == [first, second]
    assert project.cli("render", "kserve", "--check").code == 0


def test_a_model_that_loads_for_long_is_waited_for(flights: Subject) -> None:
    """Knative has no probe for the start here: the first question about its life comes after it."""
    for mode in ("standard", "serverless"):
        slow = shifting(flights, mode)
        found = inference(replace(slow, targets=msgspec.structs.replace(slow.targets, start=1800.0)))
        (box,) = found["spec"]["predictor"]["containers"]
        told = found["metadata"]["annotations"].get("serving.knative.dev/progress-deadline")
        if mode == "standard":
            assert box["startupProbe"]["periodSeconds"] * box["startupProbe"]["failureThreshold"] == 1800
            assert told is None
        else:
            assert "startupProbe" not in box
            assert box["livenessProbe"]["initialDelaySeconds"] == 1800
            assert told == "1980s"
