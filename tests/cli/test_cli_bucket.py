"""A project whose objects are in a bucket: what the command line does with them, and after somebody removed one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from cli_project import make_project

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))  # the S3 that the store is tested with

from store_help import BUCKET, Place, s3_client, s3_environ

from shipway.kernel.digest import Digest


@pytest.mark.slow
def test_a_pipeline_runs_over_a_bucket_and_makes_anew_what_somebody_removed(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", tmp_path / "keys")
    url = f"s3://{BUCKET}/cli/{tmp_path.name}"
    project.more |= {**s3_environ(), "SHIPWAY_OBJECTS": url}
    place = Place(project.root, None, [], url)
    first = {step["name"]: step for step in project.ask("run")["steps"]}
    assert not any(step["cached"] for step in first.values())
    assert not (project.root / ".shipway" / "objects").exists()
    del project.more["SHIPWAY_OBJECTS"]  # the store remembers
    plan = project.ask("step", "plan", "--control", f"{url}/control/plan.json")["plan"]
    told = s3_client(s3_environ()).get_object(Bucket=BUCKET, Key=f"{url.split('/', 3)[3]}/control/plan.json")["Body"].read()
    assert json.loads(told)["plan"] == plan
    assert all(step["cached"] for step in project.ask("step", "run", *first, "--plan", plan)["steps"])
    place.remove(Digest(first["seen"]["output"]))
    again = {step["name"]: step for step in project.ask("run")["steps"]}
    assert {name for name, step in again.items() if not step["cached"]} == {"seen"}
    release = project.ask("release")["release"]
    assert project.ask("verify", release)["kind"] == "verify"
    assert project.ask("store", "check", "--deep")["faults"] == []
