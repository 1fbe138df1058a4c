"""A pipeline as a state machine, carried out by moto's interpreter, gives what it gives on this machine."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from asl_world import aws
from deploy_subjects import ROOT, project_subject

from shipway.deploy import render_target

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))  # its environment is one that other tests have made

from cli_project import LOCK, SHIPWAY, Project, make_project

FLIGHTS = ROOT / "examples" / "flights"
MORE = """
targets: {objects: "s3://example-ml/shipway"}
steps: {train: {retries: 1}}
"""
WAYS = {"flights": ("examples", "train", "delay"), "points": ("seen", "train", "above")}  # to the model


def tables() -> Any:
    """The module of the example that reads the tables of the package."""
    spec = importlib.util.spec_from_file_location("get_data", FLIGHTS / "get_data.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def flights(tmp_path: Path) -> Project:
    """The example as it is, with every eighth flight of January, and without the libraries that only MLflow needs."""
    root, source = tmp_path / "flights", tables()
    root.mkdir()
    for name in ("shipway.yaml", "flights.py"):
        shutil.copy(FLIGHTS / name, root)
    shutil.copy(LOCK, root / "requirements.lock")
    for name, file in source.SOURCE.items():
        table = source.read_table(source.package_data() / file)
        table = table.filter(pl.col("month") == 1) if "month" in table.columns else table
        source.write(table.gather_every(8) if name == "flights" else table, root / "data" / name / "2013-01.parquet")
    return Project(root, tmp_path / "keys")


def points(tmp_path: Path) -> Project:
    """The small one, without the step that comes out otherwise each time."""
    made = make_project(tmp_path / "points", tmp_path / "keys")
    made.edit('"at": time.time_ns(), ', "", file="steps.py")
    return made


@pytest.mark.parametrize("make", [points, pytest.param(flights, marks=pytest.mark.slow)])
def test_a_machine_takes_the_same_steps_to_the_same_outputs_and_the_same_model(
    make: Callable[[Path], Project], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make(tmp_path)
    name, way = project.root.name, WAYS[project.root.name]
    (project.root / "shipway.yaml").write_text((project.root / "shipway.yaml").read_text() + MORE)
    here: Any = project.copy(tmp_path / "local").ask("run")
    plan = project.ask("step", "plan")
    definition = render_target("stepfunctions", project_subject(project.root))[f"{name}.asl.json"]
    definition = definition.replace('"IntervalSeconds": 5', '"IntervalSeconds": 1')
    with aws(monkeypatch, project.root, SHIPWAY, project.environ) as world:
        world.failing = {"train": 1}
        done = world.execute(world.machine(name, definition), {"plan": plan["plan"]})
        assert done["status"] == "SUCCEEDED", (done.get("cause"), world.ran)
        entered = world.entered(done["executionArn"])
    steps = [step["name"] for step in here["steps"]]
    assert {*way, "reference"} <= {*steps}
    ran = [word for words in world.ran if words[1] == "run" for word in words[2 : words.index("--plan")]]
    assert sorted(ran) == sorted([*steps, "train"]), "each once, and what failed once again"
    for order in (steps, list(dict.fromkeys(ran)), [name for name in entered if name in steps]):
        assert [step for step in order if step in way] == [*way]
    assert world.ran[-1][1] == "models"
    found = project.ask("step", "run", *steps, "--plan", plan["plan"])["steps"]
    assert all(step["cached"] for step in found), "all of it was made there"
    assert [(step["name"], step["output"]) for step in found] == [(step["name"], step["output"]) for step in here["steps"]]
    assert {one["name"]: one["digest"] for one in plan["data"]} == {one["name"]: one["digest"] for one in here["data"]}
    moved = project.ask("log", f"model/{way[-1]}")["history"]
    assert [move["to"] for move in moved] == [here["models"][way[-1]]["digest"]]
