"""A release is an OCI image index that is a function of its components and of nothing else."""

from __future__ import annotations

import json
import random
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from release_help import Project, make

from shipway.access import Actor
from shipway.kernel import media
from shipway.kernel.digest import Digest, digest_bytes
from shipway.release import Component, ReleaseMalformed, find_component, load_components, make_release, put_release, reach
from shipway.release._manifest import component_manifest

pytest_plugins = ["cli_fixtures"]

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")  # RFC 6838, 4.2


def candidate(project: Project) -> Digest:
    return project.store.resolve("release/line")


def components(project: Project) -> tuple[Component, ...]:
    return load_components(project.store, candidate(project))


def test_the_components_are_all_that_determines_an_answer(released: Project) -> None:
    found = [(component.kind, component.name) for component in components(released)]
    assert found == [
        ("code", ""),
        ("data", "points"),
        ("environment", ""),
        ("model", "above"),
        ("pipeline", "above"),
        ("profile", "above"),
    ]
    for component in components(released):
        kind = released.store.get(component.digest)["kind"]
        assert kind == ("snapshot" if component.kind == "data" else component.kind)


def test_the_same_components_in_any_order_give_the_same_digest(project: Project) -> None:
    parts = list(components(project))
    for seed in range(5):
        random.Random(seed).shuffle(parts)
        assert put_release(project.store, parts) == candidate(project)


def test_neither_who_nor_when_nor_the_commit_is_inside(project: Project) -> None:
    bob = Actor("bob@example.org", frozenset({"admin"}))
    git = ["git", "-c", "user.name=b", "-c", "user.email=b@example.org", "-C", str(project.root)]
    for words in (["init", "--quiet"], ["add", "steps.py"], ["commit", "--quiet", "-m", "another commit"]):
        subprocess.run([*git, *words], check=True)
    again = make_release(project.store, project.keys, bob, project.spec, project.deploy, why="another reason")
    assert again.release == candidate(project) == make(project).release
    text = project.store.objects.get(again.release).decode()
    for word in ("bob", "ann@", "2020", "commit", str(project.root)):
        assert word not in text


def test_another_component_gives_another_digest(project: Project) -> None:
    parts = list(components(project))
    code = next(part for part in parts if part.kind == "code")
    other = Component("code", "", project.store.put({**project.store.get(code.digest), "entry": "other.py"}))
    assert put_release(project.store, [other if part == code else part for part in parts]) != candidate(project)
    assert put_release(project.store, [part for part in parts if part != code]) != candidate(project)


def test_a_manifest_is_a_function_of_its_object(project: Project, released: Project) -> None:
    for component in components(project):
        here, there = (component_manifest(one.store, component) for one in (project, released))
        assert here == there
        renamed = Component(component.kind, "another name", component.digest)
        assert component_manifest(project.store, renamed) == here


def check_descriptor(value: Any, project: Project) -> None:
    """OCI image spec 1.1, descriptor.md: the three required properties, and bytes behind them."""
    assert MEDIA_TYPE.fullmatch(value["mediaType"])
    assert DIGEST.fullmatch(value["digest"])
    data = project.store.objects.get(Digest(value["digest"]))
    assert len(data) == value["size"]
    assert all(isinstance(text, str) for text in value.get("annotations", {}).values())


def test_the_index_and_its_manifests_have_the_shapes_of_the_image_spec(released: Project) -> None:
    """OCI image spec 1.1, image-index.md and manifest.md."""
    store = released.store
    index = json.loads(store.objects.get(candidate(released)))
    assert (index["schemaVersion"], index["mediaType"]) == (2, "application/vnd.oci.image.index.v1+json")
    assert MEDIA_TYPE.fullmatch(index["artifactType"])
    assert index.keys() == {"schemaVersion", "mediaType", "artifactType", "manifests"}
    for entry in index["manifests"]:
        check_descriptor(entry, released)
        assert entry["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
        manifest = json.loads(store.objects.get(Digest(entry["digest"])))
        assert (manifest["schemaVersion"], manifest["mediaType"]) == (2, entry["mediaType"])
        assert manifest["artifactType"] == entry["artifactType"] == manifest["config"]["mediaType"]
        assert manifest.keys() == {"schemaVersion", "mediaType", "artifactType", "config", "layers"}
        check_descriptor(manifest["config"], released)
        assert manifest["config"]["digest"] == entry["annotations"]["dev.shipway.object"]
        for layer in manifest["layers"]:
            check_descriptor(layer, released)
        digests = [layer["digest"] for layer in manifest["layers"]]
        assert digests == sorted(set(digests))


def test_the_layers_are_every_blob_that_the_object_reaches(released: Project) -> None:
    """A registry that keeps the manifests keeps all of the release: data files and the nodes of their folders too."""
    store = released.store
    for component in components(released):
        manifest: Any = component_manifest(store, component)
        layers = {layer["digest"] for layer in manifest["layers"]}
        assert layers == (set() if component.kind == "pipeline" else {leaf.digest for leaf in reach(store, component.digest)})
    data = find_component(components(released), "data", "points")
    files = {digest_bytes(path.read_bytes()) for path in (released.root / "points").iterdir()}
    reached = {leaf.digest: leaf.media_type for leaf in reach(store, data.digest)}
    assert files < reached.keys()
    assert sorted(reached[digest] for digest in reached.keys() - files) == [media.media_type("tree")]


def test_what_is_no_release_is_refused(released: Project, tmp_path: Path) -> None:
    for other in (components(released)[0].digest, released.store.put({"schemaVersion": 2, "manifests": []})):
        with pytest.raises(ReleaseMalformed, match="is not a release"):
            load_components(released.store, other)
    with pytest.raises(ReleaseMalformed, match="holds no prompt answer"):
        find_component(components(released), "prompt", "answer")
