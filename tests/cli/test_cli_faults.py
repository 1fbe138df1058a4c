"""Two at once, and kills at random moments: a ref is old or new, every object verifies, and the same command then succeeds."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from cli_project import REF, Done, Project, done

pytest_plugins = ["cli_fixtures"]


def rounds(few: int, many: int) -> list[object]:
    """A few rounds always, the others on demand."""
    return [*range(few), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(few, many))]


@pytest.fixture(scope="module")
def approved(released: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A release that may go live; its policy is not published yet."""
    project = released.copy(tmp_path_factory.mktemp("approved") / "project")
    project.ask("approve")
    return project


@pytest.fixture(scope="module")
def live(approved: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The release is live, and the next deployment of it differs in its scale."""
    project = approved.copy(tmp_path_factory.mktemp("live") / "project")
    project.ask("apply")
    project.edit("line@prod: {}", "line@prod: {workers: 2}")
    return project


def moves(project: Project, ref: str) -> list[str]:
    return [record.outcome for record in project.store.history(ref)]


def verify(project: Project) -> None:
    """Everything that a ref names is whole."""
    assert not project.damaged_objects()
    for ref in project.store.refs():
        project.store.get(ref.digest)


def told(loser: Done) -> None:
    """It says who was quicker, or finds that all is done."""
    if loser.code:
        assert loser.document["error"]["code"] == "store.ref-moved"
        assert loser.document["error"]["retry"] is True
        assert "moved it at" in loser.document["error"]["what"]
    else:
        assert loser.document["changed"] is False


@pytest.mark.parametrize("seed", rounds(4, 50))
def test_of_two_applies_at_the_same_moment_one_moves_and_the_other_says_so(
    approved: Project, live: Project, tmp_path: Path, seed: int
) -> None:
    start = (approved, live)[seed % 2]
    project = start.copy(tmp_path / "project")
    before = moves(project, REF)
    both = [project.start("apply", "--json") for _ in range(2)]
    ended = sorted((done(child) for child in both), key=lambda one: (one.code, not one.document.get("changed")))
    assert ended[0].code == 0, ended[0].err
    assert ended[0].document["changed"] is True
    told(ended[1])
    assert all("Traceback" not in one.err for one in ended)
    assert moves(project, REF) == ["moved", *before]
    assert project.store.resolve(REF) == ended[0].document["deployment"]
    assert moves(project, "policy/main") == ["moved"]


@pytest.mark.parametrize("seed", rounds(5, 100))
def test_an_apply_killed_at_any_moment_leaves_the_ref_old_or_new(approved: Project, tmp_path: Path, seed: int) -> None:
    project = approved.copy(tmp_path / "project")
    child = project.start("apply")
    time.sleep(random.Random(seed).uniform(0.05, 0.6))
    child.kill()
    child.communicate()
    present = project.store.ref(REF)
    verify(project)
    assert moves(project, REF) == (["moved"] if present else [])
    applied = project.ask("apply")
    assert applied["changed"] is (present is None)
    assert project.store.resolve(REF) == applied["deployment"]
    assert moves(project, REF) == moves(project, "policy/main") == ["moved"]


@pytest.fixture(scope="module")
def undisturbed(released: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, float, Project]:
    """A project whose model is to be made anew, the digest that comes of it, and the seconds that it takes."""
    edited = released.copy(tmp_path_factory.mktemp("edited") / "project")
    edited.edit("strength: 1.0", "strength: 2.0")
    began = time.monotonic()
    made = edited.copy(tmp_path_factory.mktemp("made") / "project").ask("run")
    return made["models"]["above"]["digest"], time.monotonic() - began, edited


@pytest.mark.parametrize("seed", rounds(2, 100))
def test_a_run_killed_at_any_moment_leaves_every_ref_old_or_new(
    undisturbed: tuple[str, float, Project], tmp_path: Path, seed: int
) -> None:
    model, seconds, edited = undisturbed
    project = edited.copy(tmp_path / "project")
    before = {ref.name: ref.digest for ref in project.store.refs()}
    child = project.start("run")
    time.sleep(random.Random(seed).uniform(0.05, 1.05) * seconds)
    child.kill()
    child.communicate()
    verify(project)
    after = {ref.name: ref.digest for ref in project.store.refs()}
    assert after in (before, before | {"model/above": model})
    assert project.ask("run")["models"]["above"]["digest"] == model
    assert {ref.name: ref.digest for ref in project.store.refs()} == before | {"model/above": model}
    verify(project)
    assert project.ask("release")["release"] == project.ask("release")["release"]


@pytest.mark.slow
def test_two_runs_at_once_both_succeed_or_say_who_was_quicker(undisturbed: tuple[str, float, Project], tmp_path: Path) -> None:
    model, _, edited = undisturbed
    project = edited.copy(tmp_path / "project")
    ended = [done(child) for child in [project.start("run", "--json") for _ in range(2)]]
    assert sorted(one.code for one in ended) in ([0, 0], [0, 1]), ended
    for one in ended:
        if one.code:
            assert one.document["error"]["code"] == "store.ref-moved"
        else:
            assert one.document["models"]["above"]["digest"] == model
    assert moves(project, "model/above") == ["moved"] * 2
    verify(project)
