"""Rebuild: the strongest equality that holds, and nothing at all made of bytes that are not as they were."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from release_help import REF, Project, make, put_live

from shipway.environment import default_cache
from shipway.kernel.digest import Digest, short
from shipway.pipeline import Silence
from shipway.release import Equality, RebuildRefused, find_component, load_components, rebuild_release
from shipway.store import ObjectDamaged, ObjectMissing

pytest_plugins = ["cli_fixtures"]


def first(project: Project) -> Digest:
    return project.store.resolve("release/line")


def rebuild(project: Project, folder: Path, release: Digest | None = None) -> Any:
    return rebuild_release(project.store, release or first(project), folder, cache=default_cache(), report=Silence())


def flip(path: Path) -> None:
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_release_by_its_deployments_name_is_rebuilt_from_the_store_alone(project: Project, tmp_path: Path) -> None:
    """Neither the project's files nor its present data are asked, nor the step that writes down the time and that no model
    looks at.
    """
    put_live(project, first(project))
    before = {path.name: path.read_bytes() for path in (project.root / "points").iterdir()}
    source = (project.root / "steps.py").read_bytes()
    shutil.rmtree(project.root / "points")
    (project.root / "steps.py").unlink()
    (project.root / "requirements.lock").unlink()
    done = project.cli("rebuild", REF, "--in", str(tmp_path / "again"), "--json")
    assert (done.code, done.document["equality"], done.document["different"]) == (0, "EQUAL (bytes)", None)
    assert (done.document["release"], done.document["model"]) == (first(project), project.store.resolve("model/above"))
    assert {path.name: path.read_bytes() for path in (tmp_path / "again" / "data" / "points").iterdir()} == before
    assert (tmp_path / "again" / "code" / "steps.py").read_bytes() == source


OUTSIDE = {
    "a note": (Equality.PREDICTIONS, 0),
    "a nudge": (Equality.METRICS, 0),
    "a turn": (Equality.DIFFERENT, 1),
}


@pytest.fixture(scope="module")
def looking(released: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Path, Digest]:
    """A project whose model looks at a file outside, that file, which is not there yet, and a release made without it."""
    folder = tmp_path_factory.mktemp("looking")
    project = released.copy(folder / "project")
    project.edit(str(project.outside), str(folder / "outside"), file="steps.py")
    project.ask("run")
    return project, folder / "outside", make(project).release


@pytest.mark.parametrize("what", OUTSIDE)
def test_a_model_that_looks_outside_the_project_is_as_equal_as_it_comes_out(
    looking: tuple[Project, Path, Digest], tmp_path: Path, what: str
) -> None:
    project, outside, release = looking
    outside.write_text(what)
    equality, code = OUTSIDE[what]
    done = project.cli("rebuild", release, "--in", str(tmp_path / "again"), "--json")
    assert (done.code, done.document["equality"]) == (code, equality.value)
    file: Any = project.store.get(project.store.resolve("model/above"))["file"]
    assert done.document["different"].startswith("step above made ")
    assert done.document["different"].endswith(f", not {short(file['digest'])}")
    proof = project.store.evidence(release)[-1]
    assert (proof.envelope, proof.predicate) == (done.document["evidence"], "https://shipway.dev/rebuild/v1")


def test_a_folder_in_use_is_refused_and_left_alone(project: Project, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(RebuildRefused, match="is not empty"):
        rebuild(project, tmp_path)
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_flipped_byte_of_data_is_refused_by_the_users_name_for_the_file(project: Project, tmp_path: Path) -> None:
    file = project.root / "points" / "2.parquet"
    content = project.store.objects.put_file(file)[0]
    flip(project.store.objects.path(content))
    with pytest.raises(ObjectDamaged, match=r"points/2\.parquet is damaged"):
        rebuild(project, tmp_path / "again")
    done = project.cli("rebuild", "release/line", "--in", str(tmp_path / "again"), "--json")
    assert (done.code, done.document["error"]["code"]) == (1, "store.object-damaged")
    assert done.document["error"]["what"].startswith("points/2.parquet is damaged: ")
    assert not (tmp_path / "again").exists(), "nothing was made of it"


@pytest.mark.parametrize("kind", ["code", "environment", "model", "profile", "pipeline"])
def test_a_flipped_byte_of_anything_else_is_refused_by_its_component(project: Project, tmp_path: Path, kind: str) -> None:
    component = find_component(load_components(project.store, first(project)), kind)
    flip(project.store.objects.path(component.digest))
    with pytest.raises(RebuildRefused, match=f"the {kind}.* is damaged"):
        rebuild(project, tmp_path / "again")


def test_a_flipped_byte_in_a_leaf_of_the_model_is_refused(project: Project, tmp_path: Path) -> None:
    component = find_component(load_components(project.store, first(project)), "model")
    manifest: Any = project.store.get(component.digest)
    path = project.store.objects.path(Digest(manifest["file"]["digest"]))
    flip(path)
    with pytest.raises(RebuildRefused, match="the model above is damaged") as problem:
        rebuild(project, tmp_path / "again")
    assert problem.value.where == str(path)


def test_data_that_is_gone_is_told_by_its_name(project: Project, tmp_path: Path) -> None:
    content = project.store.objects.put_file(project.root / "points" / "1.parquet")[0]
    project.store.objects.path(content).unlink()
    with pytest.raises(ObjectMissing, match=r"points/1\.parquet is missing"):
        rebuild(project, tmp_path / "again")
