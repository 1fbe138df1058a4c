"""KubeRay: shape-checked, not run. Fields are those of `ray.io/v1` that we use, and no others; pods are Kubernetes' own."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from typing import Any

import click
import pytest
import yaml
from deploy_subjects import IMAGE, Golden
from kube_world import of_kind

from shipway.cli._commands import group
from shipway.deploy import CannotExpress, NothingToRender, Subject, render_target
from shipway.deploy._kuberay import RAY_VERSION
from shipway.spec import TargetsSpec

pytest_plugins = ["deploy_fixtures"]

POD = "pod"  # a pod template, which Kubernetes' own schema judges
# field -> its type or its fields; a list has one entry: what each of its items is
SHAPE: dict[str, Any] = {
    "apiVersion": str,
    "kind": str,
    "metadata": {"name": str, "namespace": str, "labels": dict},
    "spec": {
        "entrypoint": str,
        "shutdownAfterJobFinishes": bool,
        "ttlSecondsAfterFinished": int,
        "activeDeadlineSeconds": int,
        "backoffLimit": int,
        "rayClusterSpec": {
            "rayVersion": str,
            "authOptions": {"mode": str},
            "headGroupSpec": {"rayStartParams": dict, "template": POD},
            "workerGroupSpecs": [
                {
                    "groupName": str,
                    "replicas": int,
                    "minReplicas": int,
                    "maxReplicas": int,
                    "rayStartParams": dict,
                    "template": POD,
                }
            ],
        },
    },
}


def check(value: Any, shape: Any, place: str = "") -> None:
    """Raises AssertionError for a field that is missing, unknown or of another type."""
    import kubernetes_validate

    if shape is POD:
        pod = {"apiVersion": "v1", "kind": "Pod", **value, "metadata": {"name": "pod", **value["metadata"]}}
        kubernetes_validate.validate(pod, "1.31", strict=True)
    elif isinstance(shape, list):
        assert value, place
        for item in value:
            check(item, shape[0], f"{place}[]")
    elif isinstance(shape, dict):
        assert value.keys() == shape.keys(), place
        for name, inner in shape.items():
            check(value[name], inner, f"{place}.{name}")
    else:
        assert type(value) is shape, place
        assert shape is not dict or all(type(text) is str for text in value.values()), f"{place} holds more than words"


def jobs_of(subject: Subject) -> dict[str, Any]:
    return {path: yaml.safe_load(text) for path, text in render_target("kuberay", subject).items()}


def parsed(words: list[str]) -> dict[str, Any]:
    """What the command line makes of the words; raises click's errors for what it does not know."""
    first, second, *options = words
    context = click.Context(group)
    below = group.get_command(context, first)
    assert isinstance(below, click.Group)
    command = below.get_command(context, second)
    assert command is not None
    return command.make_context(second, options).params


def test_the_jobs_of_flights_and_assistant_are_as_a_person_reviewed_them(
    flights: Subject, assistant: Subject, golden: Golden
) -> None:
    golden("kuberay-flights", render_target("kuberay", flights))
    golden("kuberay-assistant", render_target("kuberay", assistant))


def test_every_field_is_known_and_every_pod_is_strictly_valid(flights: Subject, assistant: Subject) -> None:
    for subject in (flights, assistant):
        for job in jobs_of(subject).values():
            check(job, SHAPE)
            assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")


def test_an_unknown_field_does_not_pass_the_check(flights: Subject) -> None:
    (job,) = jobs_of(flights).values()
    job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["template"]["spec"]["image"] = "x"
    with pytest.raises(Exception, match="image"):
        check(job, SHAPE)
    del job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["template"]
    with pytest.raises(AssertionError):
        check(job, SHAPE)


def test_the_image_is_pinned_and_the_command_exists_with_that_option(flights: Subject, assistant: Subject) -> None:
    for subject in (flights, assistant):
        for job in jobs_of(subject).values():
            cluster = job["spec"]["rayClusterSpec"]
            pods = [cluster["headGroupSpec"]["template"], cluster["workerGroupSpecs"][0]["template"]]
            assert {pod["spec"]["containers"][0]["image"] for pod in pods} == {IMAGE}
            shipway, *words = job["spec"]["entrypoint"].split()
            assert shipway == "shipway"
            assert parsed(words)["on"] == "ray"


def test_the_version_that_is_asked_for_is_the_one_that_the_tests_ran() -> None:
    assert version("ray") == RAY_VERSION


def test_no_network_policy_keeps_head_workers_and_operator_from_each_other(flights: Subject) -> None:
    (job,) = jobs_of(flights).values()
    cluster = job["spec"]["rayClusterSpec"]
    for pod in (cluster["headGroupSpec"]["template"], cluster["workerGroupSpecs"][0]["template"]):
        for policy in of_kind(render_target("kubernetes", flights), "NetworkPolicy"):
            chosen = policy["spec"]["podSelector"]["matchLabels"]
            assert not chosen.items() <= pod["metadata"]["labels"].items(), policy["metadata"]["name"]


def test_copies_of_a_buckets_objects_lie_where_head_and_workers_find_them(flights: Subject) -> None:
    """A part is a path: the head fetches the object, and the worker opens the copy."""
    (job,) = jobs_of(replace(flights, targets=TargetsSpec(objects="s3://example-ml/shipway"))).values()
    check(job, SHAPE)
    cluster = job["spec"]["rayClusterSpec"]
    for pod in (cluster["headGroupSpec"]["template"], cluster["workerGroupSpecs"][0]["template"]):
        (box,) = pod["spec"]["containers"]
        (cache,) = (entry["value"] for entry in box["env"] if entry["name"] == "SHIPWAY_CACHE")
        (store,) = (volume for volume in pod["spec"]["volumes"] if volume["name"] == "store")
        assert "persistentVolumeClaim" in store
        assert cache.startswith(next(mount["mountPath"] for mount in box["volumeMounts"] if mount["name"] == "store"))
        assert box["envFrom"] == [{"secretRef": {"name": "flights-objects", "optional": True}}]


def test_a_project_without_data_and_indexes_has_no_job(flights: Subject) -> None:
    with pytest.raises(NothingToRender, match="neither data nor indexes"):
        render_target("kuberay", replace(flights, data=()))


def test_a_name_that_would_be_too_long_with_the_operators_letters_is_refused(flights: Subject) -> None:
    with pytest.raises(CannotExpress, match="kuberay has no name"):
        render_target("kuberay", replace(flights, project="p" * 40))
