"""Plain Kubernetes: every document passes the cluster's own schema with unknown fields refused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import yaml
from click import Context
from deploy_subjects import Golden
from kube_world import check, documents, of_kind, pods

from shipway.deploy import CannotExpress, NamesCollide, NothingToRender, Service, Subject, render_target
from shipway.deploy._kubernetes_jobs import cron_expression
from shipway.kernel.errors import ShipwayError
from shipway.kernel.units import Seconds
from shipway.spec import KubernetesSpec, ScheduleSpec, TargetsSpec

pytest_plugins = ["deploy_fixtures"]

SOURCE = """
import polars as pl


def table(orders: pl.DataFrame) -> int:
    return orders.height


def fit(table: int) -> int:
    return table
"""
SCHEDULED = """
data: {orders: data/orders}
steps: {table: {cpu: 0.5, memory: 512Mi, timeout: 10m, retries: 1}, fit: {cpu: 2, memory: 4Gi, gpu: 1, timeout: 1h}}
schedule: {cron: "0 4 * * 1", timezone: Europe/Berlin}
deploy: {sample@prod: {}}
"""


def rendered(subject: Subject) -> list[dict[str, Any]]:
    return documents(render_target("kubernetes", subject))


def test_the_files_of_flights_are_as_a_person_reviewed_them(flights: Subject, golden: Golden) -> None:
    golden("kubernetes-flights", render_target("kubernetes", flights))


def test_the_files_of_the_assistant_are_as_a_person_reviewed_them(assistant: Subject, golden: Golden) -> None:
    golden("kubernetes-assistant", render_target("kubernetes", assistant))


def test_a_scheduled_pipeline_is_as_a_person_reviewed_it(make_project: Callable[[str, str], Subject], golden: Golden) -> None:
    golden("kubernetes-scheduled", render_target("kubernetes", make_project(SCHEDULED, SOURCE)))


def test_every_document_passes_the_schema_of_its_kind(
    flights: Subject, assistant: Subject, make_project: Callable[[str, str], Subject]
) -> None:
    for subject in (flights, assistant, make_project(SCHEDULED, SOURCE)):
        for document in rendered(subject):
            check(document)


def test_the_validator_refuses_what_is_misspelt(flights: Subject) -> None:
    """A check that takes everything would be none."""
    import jsonschema
    import kubernetes_validate

    for document in rendered(flights):
        wrong = copy.deepcopy(document)
        wrong.get("spec", wrong)["replikas"] = 3
        with pytest.raises((kubernetes_validate.ValidationError, jsonschema.ValidationError), match="replikas"):
            check(wrong)


def test_every_pod_is_confined_and_has_no_token_of_the_cluster(
    flights: Subject, assistant: Subject, make_project: Callable[[str, str], Subject]
) -> None:
    found = [pod for subject in (flights, assistant, make_project(SCHEDULED, SOURCE)) for pod in pods(rendered(subject))]
    assert len(found) == 7
    for pod in found:
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        (box,) = pod["containers"]
        assert box["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        mounted = {mount["name"] for mount in box["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}
        assert "@sha256:" in box["image"]
        assert box["resources"]["limits"]["memory"] == box["resources"]["requests"]["memory"]


def test_only_what_signs_gets_the_private_key(flights: Subject) -> None:
    for document in rendered(flights):
        for pod in pods(document):
            (keys,) = (volume for volume in pod["volumes"] if volume["name"] == "keys")
            assert ("secret" in keys) == (document["metadata"]["labels"]["app.kubernetes.io/component"] == "control")


def test_secrets_are_references_to_the_secret_of_the_project(assistant: Subject) -> None:
    (gateway,) = (one for one in pods(rendered(assistant)) if one["containers"][0]["name"] == "gateway")
    referred = {entry["name"]: entry["valueFrom"] for entry in gateway["containers"][0]["env"] if "valueFrom" in entry}
    assert referred == {
        name: {"secretKeyRef": {"name": "assistant-secrets", "key": name}} for name in ("SHIPWAY_CATALOGUE", "ASSISTANT_KEY")
    }


def test_a_pod_has_the_time_to_drain_what_it_accepted(flights: Subject, assistant: Subject) -> None:
    """The workers' own times, the five seconds before the signal, and some to end in."""
    from shipway.operate._gateway import DRAIN_SECONDS
    from shipway.operate._serve import Serving

    release = flights.services[0].release
    serving = Serving("deploy/delay@prod", release, release, ("true",), 1)
    for subject, seconds in ((flights, serving.drain_seconds), (assistant, DRAIN_SECONDS)):
        (grace,) = (
            one["terminationGracePeriodSeconds"] for one in pods(rendered(subject)) if one["containers"][0]["name"] != "control"
        )
        assert grace >= 5 + seconds + 5


def test_what_a_container_is_told_the_command_line_takes(flights: Subject, assistant: Subject) -> None:
    from shipway.cli._commands import group

    said = [box["args"] for subject in (flights, assistant) for pod in pods(rendered(subject)) for box in pod["containers"]]
    assert len(said) == 4
    for args in said:
        found = group.get_command(Context(group), args[0])
        assert found is not None
        found.make_context(args[0], args[1:])


def test_a_device_is_asked_for_and_limited(flights: Subject) -> None:
    subject = replace(flights, targets=TargetsSpec(kubernetes=KubernetesSpec(gpu=2, cpu=0.5, memory=3 * 2**30)))
    (box,) = (box for pod in pods(rendered(subject)) for box in pod["containers"] if box["name"] == "predictor")
    assert box["resources"] == {
        "requests": {"cpu": "500m", "memory": "3Gi", "nvidia.com/gpu": 2},
        "limits": {"memory": "3Gi", "nvidia.com/gpu": 2},
    }


def test_a_gateway_is_one_pod_for_its_budgets_are_one_file(assistant: Subject) -> None:
    files = render_target("kubernetes", assistant)
    assert of_kind(files, "HorizontalPodAutoscaler") == of_kind(files, "PodDisruptionBudget") == []
    gateway = next(one for one in of_kind(files, "Deployment") if one["metadata"]["name"] == "assistant-prod")
    assert (gateway["spec"]["replicas"], gateway["spec"]["strategy"]) == (1, {"type": "Recreate"})


def test_everything_that_is_written_is_listed_for_kustomize(flights: Subject) -> None:
    files = render_target("kubernetes", flights)
    listed = yaml.safe_load(files["kustomization.yaml"])["resources"]
    assert sorted([*listed, "kustomization.yaml"]) == sorted(files)


def test_callers_of_other_namespaces_are_let_in_by_name(flights: Subject) -> None:
    subject = replace(flights, targets=TargetsSpec(kubernetes=KubernetesSpec(callers=("web",), monitoring="watch")))
    policies = {one["metadata"]["name"]: one["spec"] for one in of_kind(render_target("kubernetes", subject), "NetworkPolicy")}
    (callers,) = policies["flights-callers"]["ingress"]
    assert [next(iter(one.values())) for one in callers["from"]] == [
        {},
        {"matchLabels": {"kubernetes.io/metadata.name": "web"}},
        {"matchLabels": {"kubernetes.io/metadata.name": "watch"}},
    ]
    assert policies["flights-nothing"] == {
        "podSelector": {"matchLabels": {"app.kubernetes.io/part-of": "flights"}},
        "policyTypes": ["Ingress", "Egress"],
    }


def test_a_policy_selects_every_pod_that_is_rendered(flights: Subject, assistant: Subject) -> None:
    for subject in (flights, assistant):
        files = render_target("kubernetes", subject)
        for document in of_kind(files, "Deployment"):
            labels = document["spec"]["template"]["metadata"]["labels"]
            assert labels["app.kubernetes.io/part-of"] == subject.project
            assert document["spec"]["selector"]["matchLabels"].items() <= labels.items()


def reached(subject: Subject, component: str) -> list[dict[str, Any]]:
    """What pods of a component may talk to, of all policies that select them."""
    labels = {"app.kubernetes.io/part-of": subject.project, "app.kubernetes.io/component": component}
    found = []
    for policy in of_kind(render_target("kubernetes", subject), "NetworkPolicy"):
        chosen = policy["spec"]["podSelector"]
        named = [one["values"] for one in chosen.get("matchExpressions", ())]
        if chosen["matchLabels"].items() <= labels.items() and all(component in values for values in named):
            found += policy["spec"].get("egress", [])
    return found


@pytest.mark.parametrize(
    ("objects", "places"),
    [
        ("s3://example-ml/shipway", {("169.254.170.23/32", 80)}),
        ("gs://example-ml/shipway", {("169.254.169.254/32", 80), ("169.254.169.252/32", 988)}),
        ("az://example-ml/shipway", set()),
    ],
)
def test_with_a_bucket_every_pod_reaches_it_and_what_says_who_it_is(
    flights: Subject, objects: str, places: set[tuple[str, int]]
) -> None:
    subject = replace(flights, targets=TargetsSpec(objects=objects))
    for component in ("predictor", "control"):
        rules = reached(subject, component)
        assert {"ports": [{"protocol": "TCP", "port": 443}]} in rules
        blocks = {
            (place["ipBlock"]["cidr"], rule["ports"][0]["port"])
            for rule in rules
            for place in rule.get("to", ())
            if "ipBlock" in place
        }
        assert blocks - {("169.254.0.0/16", 53)} == places
    boxes = [box for pod in pods(rendered(subject)) for box in pod["containers"]]
    assert [box["envFrom"] for box in boxes] == [[{"secretRef": {"name": "flights-objects", "optional": True}}]] * 2
    for document in rendered(subject):
        check(document)


def test_with_a_bucket_only_what_keeps_budgets_or_outcomes_needs_the_claim(
    flights: Subject, assistant: Subject, make_project: Callable[[str, str], Subject]
) -> None:
    targets = TargetsSpec(objects="s3://example-ml/shipway")
    claims: dict[str, bool] = {}
    for subject in (flights, assistant, make_project(SCHEDULED, SOURCE)):
        for one in (*pods(rendered(replace(subject, targets=targets))), *pods(rollouts_of(replace(subject, targets=targets)))):
            (store,) = (volume for volume in one["volumes"] if volume["name"] == "store")
            claims[one["containers"][0]["name"]] = "persistentVolumeClaim" in store
    assert claims == {"predictor": False, "run": False, "gate": False, "control": True, "gateway": True}


def rollouts_of(subject: Subject) -> list[dict[str, Any]]:
    if not any(service.kind == "predictor" for service in subject.services):
        return []
    return documents(render_target("rollouts", subject))


def test_names_are_asked_of_the_node_where_it_keeps_them(flights: Subject) -> None:
    (names,) = (rule for rule in reached(flights, "predictor") if rule["ports"][0]["port"] == 53)
    assert {"ipBlock": {"cidr": "169.254.0.0/16"}} in names["to"]


def test_the_control_plane_reaches_the_providers_that_it_evaluates_with(assistant: Subject, flights: Subject) -> None:
    for component in ("gateway", "control"):
        assert {"ports": [{"protocol": "TCP", "port": 443}]} in reached(assistant, component)
    assert {"ports": [{"protocol": "TCP", "port": 443}]} not in reached(flights, "control")


def test_without_a_release_there_is_nothing_to_render(flights: Subject) -> None:
    with pytest.raises(NothingToRender, match="released nothing"):
        render_target("kubernetes", replace(flights, services=()))


def test_names_that_become_one_are_refused(flights: Subject) -> None:
    one = flights.services[0]
    both = (replace(one, application="a_b"), replace(one, application="a-b"))
    with pytest.raises(NamesCollide, match="a-b@prod and a_b@prod are both a-b-prod for kubernetes"):
        render_target("kubernetes", replace(flights, services=both))


@pytest.mark.parametrize(("application", "environment"), [("flights", "run"), ("flights", "control")])
def test_an_application_cannot_have_a_name_of_ours(flights: Subject, application: str, environment: str) -> None:
    named: Service = replace(flights.services[0], application=application, environment=environment)
    with pytest.raises(NamesCollide, match="a name of Shipway's own"):
        render_target("kubernetes", replace(flights, services=(named,)))


def test_a_project_whose_name_leaves_no_room_is_refused(flights: Subject) -> None:
    with pytest.raises(CannotExpress, match="kubernetes has no name for the project"):
        render_target("kubernetes", replace(flights, project="x" * 46))


@pytest.mark.parametrize(
    ("minutes", "cron"),
    [(1, "* * * * *"), (15, "*/15 * * * *"), (60, "0 * * * *"), (360, "0 */6 * * *"), (1440, "0 0 * * *")],
)
def test_what_comes_every_so_often_is_said_in_five_fields(minutes: int, cron: str) -> None:
    assert cron_expression(ScheduleSpec(every=Seconds(minutes * 60.0)), target="kubernetes") == cron


@pytest.mark.parametrize("minutes", [7, 90, 300, 2880])
def test_what_five_fields_cannot_say_is_refused(minutes: int) -> None:
    with pytest.raises(CannotExpress, match=f"every {minutes} minutes"):
        cron_expression(ScheduleSpec(every=Seconds(minutes * 60.0)), target="kubernetes")


@pytest.mark.parametrize("path", ["/mnt/orders", "../orders", "~/orders", "data/../../orders"])
@pytest.mark.parametrize("target", ["kubernetes", "argo", "kuberay"])
def test_data_that_lie_outside_of_the_project_are_refused_by_name(
    make_project: Callable[[str, str], Subject], path: str, target: str
) -> None:
    subject = make_project(SCHEDULED.replace("data/orders", path), SOURCE)
    with pytest.raises(CannotExpress, match=f"{target} has no place for the data set orders: {path}"):
        render_target(target, subject)


@pytest.mark.parametrize(("start", "rounds", "deadline"), [("90s", 18, 270), ("30m", 360, 1980)])
def test_a_model_that_loads_for_long_is_waited_for(
    make_project: Callable[[str, str], Subject], start: str, rounds: int, deadline: int
) -> None:
    subject = make_project(SCHEDULED + f"targets: {{start: {start}}}\n", SOURCE)
    for kind, files in (("Deployment", render_target("kubernetes", subject)), ("Rollout", render_target("rollouts", subject))):
        (spec,) = [one["spec"] for one in of_kind(files, kind) if "control" not in one["metadata"]["name"]]
        (box,) = spec["template"]["spec"]["containers"]
        probe = box["startupProbe"]
        assert (probe["httpGet"]["path"], probe["periodSeconds"], probe["failureThreshold"]) == ("/readyz", 5, rounds)
        assert spec["progressDeadlineSeconds"] == deadline


@pytest.mark.parametrize("start", ["5s", "2h", "soon", "-1m"])
def test_a_start_that_no_container_takes_is_refused(make_project: Callable[[str, str], Subject], start: str) -> None:
    with pytest.raises(ShipwayError, match=r"targets\.start"):
        make_project(SCHEDULED + f"targets: {{start: {start}}}\n", SOURCE)
