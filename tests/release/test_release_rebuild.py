"""Rebuild: the strongest equality that holds, and nothing at all made of bytes that are not as they were."""

from __future__ import annotations

import resource
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from release_help import REF, SECONDS, Project, make, put_live

from shipway.data import Profile
from shipway.environment import default_cache
from shipway.kernel.digest import Digest, short
from shipway.pipeline import Silence
from shipway.release import Component, Equality, RebuildRefused, find_component, load_components, put_release, rebuild_release
from shipway.release._rebuild_folder import check_folder, claim_folder, restore_files
from shipway.store import ObjectDamaged, ObjectMissing, StoreFull, open_store

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
    "a nudge": (Equality.PREDICTIONS, 0),
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


@pytest.mark.parametrize(
    "what",
    [
        "a note",
        pytest.param("a nudge", marks=pytest.mark.slow),  # answers a little apart: the threads of test_release_rebuild_four.py
        "a turn",
    ],
)
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


@pytest.mark.slow
def test_a_model_with_texts_that_were_declared_is_made_again_to_the_byte_with_its_profile(
    project: Project, tmp_path: Path
) -> None:
    project.edit("(pl.Int8))", '(pl.Int8), remark=pl.lit("seen it"))', file="steps.py")
    project.edit("    time: day\n", "    time: day\n    texts: [remark]\n")
    project.ask("run")
    release = make(project).release
    project.edit("    texts: [remark]\n", "")
    profile = find_component(load_components(project.store, release), "profile").digest
    assert Profile.from_json(project.store.get(profile, "profile")).texts == ["remark"]
    again = rebuild(project, tmp_path / "again", release)
    assert (again.equality, again.difference) == (Equality.BYTES, None)


def test_a_rebuild_that_was_killed_begins_again_in_the_same_folder(project: Project, tmp_path: Path) -> None:
    folder, release = tmp_path / "again", first(project)
    child = project.start("rebuild", release, "--in", str(folder))
    deadline = time.monotonic() + SECONDS
    while not (folder / ".shipway" / "catalogue.sqlite").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child.kill()
    child.communicate()
    assert (folder / ".rebuilding").read_text() == release
    notes = Notes()
    with pytest.raises(RebuildRefused, match="holds an unfinished rebuild of"), claim_folder(folder, Digest("sha256:x"), notes):
        pass
    again = rebuild_release(project.store, release, folder, cache=default_cache(), report=notes)
    assert again.equality is Equality.BYTES
    assert "an earlier rebuild was interrupted here: beginning again" in notes.lines
    assert not (folder / ".rebuilding").exists()
    with pytest.raises(RebuildRefused, match="is not empty"):
        rebuild(project, folder)


def test_two_rebuilds_do_not_share_a_folder(tmp_path: Path) -> None:
    release = Digest("sha256:" + "1" * 64)
    with claim_folder(tmp_path, release, Silence()):
        (tmp_path / "code").mkdir()
        with pytest.raises(RebuildRefused, match="another rebuild is at work"), claim_folder(tmp_path, release, Silence()):
            pass
        assert (tmp_path / "code").exists()


def test_what_an_interrupted_rebuild_left_beside_somebodys_files_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / ".rebuilding").write_text("sha256:" + "1" * 64)
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(RebuildRefused, match="is not empty"):
        check_folder(tmp_path)
    assert (tmp_path / "mine").exists()


def test_a_full_disk_is_told_and_the_rebuild_begins_again_when_there_is_room(project: Project, tmp_path: Path) -> None:
    """RLIMIT_FSIZE is the kernel refusing to let a file grow: the real error, without filling a disk."""
    folder, release = tmp_path / "again", first(project)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, before[1]))
    try:
        with pytest.raises(StoreFull) as problem:
            restored(project, folder, release)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert problem.value.mend == "free some space and run it again in the same folder"
    restored(project, folder, release)
    assert (folder / "code" / "steps.py").exists()


def restored(project: Project, folder: Path, release: Digest) -> None:
    """The part of a rebuild that writes what people know by name."""
    with claim_folder(folder, release, Silence()):
        restore_files(project.store, load_components(project.store, release), folder)


class Notes(Silence):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


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


@pytest.mark.parametrize("name", ["../../escape", "/etc/escape", "..", "a\\b", "a\x1b[2J"])
def test_a_component_whose_name_climbs_is_not_written(tmp_path: Path, name: str) -> None:
    store = open_store(tmp_path / "p", "p", create=True)
    prompt = store.put({"kind": "prompt", "version": 1, "provider": "answer"})
    release = put_release(store, [Component("prompt", name, prompt)])
    with pytest.raises(RebuildRefused, match="has no place in the folder"):
        rebuild_release(store, release, tmp_path / "there", cache=tmp_path / "cache", report=Silence())
    assert not (tmp_path / "there").exists()


def test_a_release_of_several_models_is_not_called_equal_by_one_of_them(tmp_path: Path) -> None:
    store = open_store(tmp_path / "p", "p", create=True)
    parts = [Component("model", name, store.put({"kind": "model", "version": 1, "name": name})) for name in ("a", "b")]
    with pytest.raises(RebuildRefused, match="holds the models a, b"):
        rebuild_release(store, put_release(store, parts), tmp_path / "there", cache=tmp_path / "cache", report=Silence())
