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
        assert loser.document["error"]["code"] in ("store.ref-moved", "release.plan-stale")
        assert loser.document["error"]["retry"] is (loser.document["error"]["code"] == "store.ref-moved")
        assert "moved it at" in loser.document["error"]["what"]
    else:
        assert loser.document["changed"] is False


@pytest.mark.parametrize("seed", rounds(2, 50))
@pytest.mark.parametrize("planned", [False, True], ids=["newest", "plan"])
def test_of_two_applies_at_the_same_moment_one_moves_and_the_other_says_so(
    approved: Project, live: Project, tmp_path: Path, seed: int, planned: bool
) -> None:
    start = (approved, live)[seed % 2]
    project = start.copy(tmp_path / "project")
    before = moves(project, REF)
    words = [planned_file(project)] if planned else []
    both = [project.start("apply", *words, "--json") for _ in range(2)]
    ended = sorted((done(child) for child in both), key=lambda one: (one.code, not one.document.get("changed")))
    assert ended[0].code == 0, ended[0].err
    assert ended[0].document["changed"] is True
    told(ended[1])
    assert all("Traceback" not in one.err for one in ended)
    assert moves(project, REF) == ["moved", *before]
    assert project.store.resolve(REF) == ended[0].document["deployment"]
    assert moves(project, "policy/main") == ["moved"]


def planned_file(project: Project) -> str:
    """A plan of what `apply` would do now, as a file."""
    project.ask("plan", "-o", "next.json")
    return "next.json"


@pytest.fixture(scope="module")
def seconds(approved: Project, tmp_path_factory: pytest.TempPathFactory) -> float:
    """How long an apply takes that nobody disturbs."""
    project = approved.copy(tmp_path_factory.mktemp("timed") / "project")
    began = time.monotonic()
    project.ask("apply")
    return time.monotonic() - began


@pytest.mark.parametrize("seed", rounds(4, 200))
def test_an_apply_killed_at_any_moment_leaves_the_ref_old_or_new(
    approved: Project, seconds: float, tmp_path: Path, seed: int
) -> None:
    """By name and by plan, in turn; the record of the move says the same as the ref, and the same command then converges."""
    project = approved.copy(tmp_path / "project")
    words = [planned_file(project)] if seed % 2 else []
    child = project.start("apply", *words)
    time.sleep(random.Random(seed).uniform(0.1, 1.1) * seconds)
    child.kill()
    child.communicate()
    present, policy = project.store.ref(REF), project.store.ref("policy/main")
    verify(project)
    assert moves(project, REF) == (["moved"] if present else [])
    assert moves(project, "policy/main") == (["moved"] if policy else [])
    assert policy or not present, "the policy is published first"
    if present:
        said_so(project, present.digest)
    applied = project.ask("apply", *words)
    assert applied["changed"] is (present is None)
    assert project.store.resolve(REF) == applied["deployment"]
    assert moves(project, REF) == moves(project, "policy/main") == ["moved"]
    said_so(project, project.store.resolve(REF))
    assert project.ask("apply", *words)["changed"] is False


def said_so(project: Project, deployment: str) -> None:
    """The history and the verdict that it cites name the move that was made."""
    (record,) = project.store.lives(REF)
    assert record.verdict is not None
    verdict = project.store.get(record.verdict, "verdict")
    assert (record.target, verdict["to"], verdict["allowed"]) == (deployment, deployment, True)


@pytest.fixture(scope="module")
def undisturbed(released: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, float, Project]:
    """A project whose model is to be made anew, the digest that comes of it, and the seconds that it takes."""
    edited = released.copy(tmp_path_factory.mktemp("edited") / "project")
    edited.edit("strength: 1.0", "strength: 2.0")
    began = time.monotonic()
    made = edited.copy(tmp_path_factory.mktemp("made") / "project").ask("run")
    return made["models"]["above"]["digest"], time.monotonic() - began, edited


@pytest.mark.parametrize("seed", rounds(1, 100))  # four more kills of a run: tests/pipeline/test_pipeline_faults.py
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
