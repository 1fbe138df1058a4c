"""Kills at random moments and two runs at once: the store stays whole, and the next run takes up what is recorded."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pipeline_help
import pytest
from pipeline_help import STEPS, Heard, Project, own_cache

from shipway.environment import default_cache

ROUNDS = [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 100))]


def start(project: Project, cache: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, pipeline_help.__file__, str(project.root), str(cache)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, float, Project]:
    """The pipeline object of an undisturbed run, the seconds that it took, and a project that has not run."""
    fresh = Project.make(tmp_path_factory.mktemp("fresh") / "project")
    project = fresh.copy(tmp_path_factory.mktemp("whole") / "project")
    project.python()
    began = time.perf_counter()
    child = start(project, default_cache())
    out, errors = child.communicate(timeout=120)
    assert child.returncode == 0, errors
    return out.strip(), time.perf_counter() - began, fresh


@pytest.mark.parametrize("seed", ROUNDS)
def test_a_run_killed_at_any_moment_leaves_a_store_that_verifies_and_runs_again(
    whole: tuple[str, float, Project], tmp_path: Path, seed: int
) -> None:
    pipeline, seconds, fresh = whole
    project = fresh.copy(tmp_path / "project")
    child = start(project, default_cache())
    time.sleep(random.Random(seed).uniform(0.2, 1.05) * seconds)
    child.kill()
    child.communicate()
    assert not project.damaged_objects()
    recorded = [row.value["step"] for row in project.store.states("action")]
    heard = Heard()
    assert project.run(report=heard).pipeline == pipeline
    assert sorted(heard.reused) == sorted(str(step) for step in recorded)
    assert sorted(heard.ran + heard.reused) == sorted(STEPS)


def test_what_a_killed_run_left_in_the_cache_is_gone_after_the_next_run(
    whole: tuple[str, float, Project], tmp_path: Path
) -> None:
    project = whole[2].copy(tmp_path / "project")
    cache = own_cache(tmp_path / "cache")
    child = start(project, cache)
    while not (left := list(cache.glob("work/run-*"))) and child.poll() is None:
        time.sleep(0.01)
    child.kill()
    child.communicate()
    assert left
    project.run(cache=cache)
    assert not list(cache.glob("work/run-*"))


def test_two_runs_at_once_give_the_same_pipeline(whole: tuple[str, float, Project], tmp_path: Path) -> None:
    project = whole[2].copy(tmp_path / "project")
    children = [start(project, default_cache()) for _ in range(2)]
    answers = [child.communicate(timeout=120) for child in children]
    assert [child.returncode for child in children] == [0, 0], answers
    assert {out.strip() for out, _ in answers} == {whole[0]}
    assert not project.damaged_objects()


def test_an_interrupt_ends_the_step_in_hand_though_polars_is_loaded_and_keeps_those_before_it(
    whole: tuple[str, float, Project], tmp_path: Path
) -> None:
    project, cache, said = whole[2].copy(tmp_path / "project"), own_cache(tmp_path / "cache"), tmp_path / "pid"
    waiting = f"import os, time; open({str(said)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    project.edit('return {"rows": reference.height}', waiting)
    child = start(project, cache)
    while not (said.exists() and said.read_text()) and child.poll() is None:
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    try:
        child.communicate(timeout=60)
    finally:
        child.kill()
    assert child.returncode != 0
    assert not list(cache.glob("work/run-*"))
    with pytest.raises(ProcessLookupError):
        os.kill(int(said.read_text()), 0)
    project.edit(waiting, 'return {"rows": reference.height}')
    heard = Heard()
    assert project.run(report=heard).pipeline == whole[0]
    assert heard.ran == ["count"]
