"""`shipway step`: a pipeline task by task, each in a process of its own, gives what `shipway run` gives."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from cli_project import Project, make_project

STEPS = """
steps:
  kept: {each: {day: days}, retries: 1}
  above: {when: good, timeout: 5m}
"""
SOURCE = """

def days(seen: pl.DataFrame) -> list[int]:
    return sorted(seen["day"].dt.day().unique().to_list())[:4]


def kept(seen: pl.DataFrame, day: int) -> pl.DataFrame:
    return seen.filter(pl.col("day").dt.day() == day)


def good(kept: pl.DataFrame) -> bool:
    return kept.height > FEWEST


FEWEST = 100
"""


@pytest.fixture
def planned(tmp_path: Path) -> Project:
    project = make_project(tmp_path / "project", tmp_path / "keys")
    file = project.root / "steps.py"
    file.write_text(file.read_text().replace('"at": time.time_ns(), ', "") + SOURCE)
    (project.root / "shipway.yaml").write_text((project.root / "shipway.yaml").read_text() + STEPS)
    return project


def test_tasks_in_any_order_of_the_graph_give_the_run_and_its_models(planned: Project, tmp_path: Path) -> None:
    plan = planned.ask("step", "plan", "--control", "told/")["plan"]
    assert (planned.root / "told" / "plan").read_text() == plan
    bare = planned.copy(tmp_path / "bare")  # what an engine's task finds: the store and no project around it
    for name in ("shipway.yaml", "steps.py", "requirements.lock"):
        (bare.root / name).unlink()
    shutil.rmtree(bare.root / "points")
    bare.ask("step", "run", "seen", "--plan", plan)
    assert bare.ask("step", "run", "days", "--plan", plan, "--control", "days/")["control"]["length"] == 4
    assert json.loads((bare.root / "days" / "items").read_text()) == list(range(4))
    running = [bare.start("step", "run", "kept", "--item", str(n), "--plan", plan) for n in (3, 1)]
    running += [bare.start("step", "run", "train", "reference", "--plan", plan)]
    for child in running:
        _, said = child.communicate(timeout=120)
        assert child.returncode == 0, said
    bare.ask("step", "run", "kept", "--plan", plan)
    control = bare.ask("step", "run", "good", "--plan", plan, "--control", "good.json")["control"]
    assert json.loads((bare.root / "good.json").read_text()) == control
    assert (control["value"], control["plan"]) == (True, plan)
    bare.ask("step", "run", "above", "stamp", "--plan", plan)
    apart = bare.ask("step", "models", "--plan", plan)
    whole = planned.ask("run")
    assert apart["pipeline"] == whole["pipeline"]
    assert {name: made["digest"] for name, made in apart["models"].items()} == {
        name: made["digest"] for name, made in whole["models"].items()
    }


def test_a_model_behind_a_condition_that_does_not_hold_is_not_made_and_one_that_does_is_released_and_rebuilt(
    planned: Project, tmp_path: Path
) -> None:
    planned.edit("FEWEST = 100", "FEWEST = 1000", file="steps.py")
    ran = planned.ask("run")
    assert (ran["models"], ran["skipped"], ran["not_made"]) == ({}, ["above"], {"above": "above"})
    planned.edit("FEWEST = 1000", "FEWEST = 100", file="steps.py")
    assert list(planned.ask("run")["models"]) == ["above"]
    release = planned.ask("release")["release"]
    assert planned.ask("rebuild", release, "--in", str(tmp_path / "again"))["equality"] == "EQUAL (bytes)"


def test_a_task_that_cannot_be_done_says_so_before_it_begins(planned: Project) -> None:
    plan = planned.ask("step", "plan")["plan"]
    for words, code in (
        (("run", "seen", "--plan", plan, "--control", "ftp://host/key"), "cli.control-unreachable"),
        (("run", "sen", "--plan", plan), "pipeline.input-missing"),
        (("run", "seen", "--plan", "sha256:" + "0" * 64), "store.object-missing"),
        (("run", "seen", "train", "--item", "0", "--plan", plan), "cli.misused"),
    ):
        answered = planned.cli("step", *words, "--json")
        assert (answered.document["error"]["code"], answered.code != 0) == (code, True)


def test_a_task_that_was_killed_in_the_middle_is_run_again(planned: Project) -> None:
    started, going_on = planned.root / "started", planned.root / "going-on"
    text = f"Path({str(started)!r}).touch()\n    "
    text += f"while not Path({str(going_on)!r}).exists():\n        time.sleep(0.01)\n    return sorted"
    planned.edit("return sorted", text, file="steps.py")
    plan = planned.ask("step", "plan")["plan"]
    child = planned.start("step", "run", "days", "--plan", plan)
    for _ in range(6000):
        if started.exists():
            break
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    going_on.touch()
    ran = planned.ask("step", "run", "days", "--plan", plan)
    assert [(step["name"], step["cached"]) for step in ran["steps"]] == [("seen", True), ("days", False)]
    assert ran["control"]["length"] == 4
    assert planned.damaged_objects() == []
