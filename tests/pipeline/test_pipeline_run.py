"""A run in a real environment: what is cached, what is not, and what is kept of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
from pipeline_help import STEPS, Heard, Project

from shipway.environment import EnvironmentFailed, RunnerDied, StepFailed
from shipway.kernel import media
from shipway.pipeline import InputMissing, RunRequest, RunResult, pipeline_behind
from shipway.store import ObjectDamaged, hash_file

Copy = Callable[[], Project]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, RunResult]:
    """A project that has run once."""
    project = Project.make(tmp_path_factory.mktemp("ran") / "project")
    return project, project.run()


@pytest.fixture
def project(ran: tuple[Project, RunResult], tmp_path: Path) -> Project:
    return ran[0].copy(tmp_path / "project")


def reran(project: Project) -> list[str]:
    heard = Heard()
    project.run(report=heard)
    assert sorted(heard.ran + heard.reused) == sorted(STEPS)
    return heard.ran


def test_the_values_are_those_of_the_steps(ran: tuple[Project, RunResult]) -> None:
    project, result = ran
    assert tuple(step.name for step in result.steps) == STEPS
    assert project.store.objects.get(result.output("count").digest) == b'{"rows":300}'
    assert result.output("above").media_type == media.SKOPS
    train = pl.read_parquet(project.store.objects.path(result.output("train").digest))
    assert (train.height, train.columns) == (300, ["point", "day", "x", "y", "above"])


def test_the_pipeline_object_says_what_each_step_was_given_and_gave(ran: tuple[Project, RunResult]) -> None:
    project, result = ran
    record = project.store.get(result.pipeline, "pipeline")
    assert (record["version"], record["entry"], record["parameters"]) == (1, "steps.py", {})
    request = project.request()
    assert (record["code"], record["environment"], record["data"]) == (request.code, request.environment, dict(request.data))
    steps = record["steps"]
    assert isinstance(steps, list)
    assert [step["name"] for step in steps] == sorted(STEPS)
    by_name = {step.name: step for step in result.steps}
    assert steps[3] == {
        "name": "reference",
        "action": by_name["reference"].action,
        "inputs": {"points_seen": {"step": "points_seen"}},
        "codec": "polars.frame",
        "output": by_name["reference"].output.to_json(),
    }
    assert steps[2]["inputs"] == {"points": {"data": "points"}}


def test_the_pipeline_of_a_model_holds_what_is_behind_it_and_is_enough_to_run_it_again(project: Project) -> None:
    edited = """

def beside(more: pl.DataFrame, limit: int) -> pl.DataFrame:
    return more.head(limit)
"""
    (project.root / "steps.py").write_text((project.root / "steps.py").read_text() + edited)
    request = project.request({"noise": 1.0, "limit": 3})
    result = project.run(replace(request, data={**request.data, "more": request.data["points"]}))
    assert len(result.steps) == 6
    behind = pipeline_behind(project.store, result, ["above", "reference"])
    record = cast("dict[str, Any]", project.store.get(behind, "pipeline"))
    names = [step["name"] for step in record["steps"]]
    assert names == ["above", "points_seen", "reference", "train"]
    assert (list(record["data"]), record["parameters"]) == (["points"], {"noise": 1})
    again = RunRequest(record["code"], record["data"], record["environment"], record["parameters"], tuple(names))
    assert project.run(again, reuse=False).pipeline == behind
    with pytest.raises(InputMissing, match="the run has no step nothing"):
        pipeline_behind(project.store, result, ["nothing"])


def test_an_environment_of_an_unknown_runner_is_refused_before_anything_is_taken_from_the_cache(project: Project) -> None:
    request = project.request()
    environment = {**project.store.get(request.environment), "runner": "v9"}
    with pytest.raises(EnvironmentFailed, match="the runner v9, which this Shipway has not"):
        project.run(replace(request, environment=project.store.put(environment)))


def test_lineage_goes_from_data_and_steps_to_values(ran: tuple[Project, RunResult]) -> None:
    project, result = ran
    request = project.request()
    seen, train = result.output("points_seen").digest, result.output("train").digest
    made_by = {(request.code, "code"), (request.environment, "environment")}
    assert {(edge.source, edge.role) for edge in project.store.edges_to(seen)} == {(request.data["points"], "input"), *made_by}
    assert {(edge.source, edge.role) for edge in project.store.edges_to(train)} == {(seen, "input"), *made_by}


def test_the_second_run_is_all_cached_and_makes_no_environment_and_no_child(
    project: Project, ran: tuple[Project, RunResult], tmp_path: Path
) -> None:
    heard = Heard()
    again = project.run(cache=tmp_path / "empty", report=heard)
    assert (heard.ran, heard.reused) == ([], list(STEPS))
    assert again.pipeline == ran[1].pipeline
    assert [step.output for step in again.steps] == [step.output for step in ran[1].steps]
    assert [step.seconds for step in again.steps] == [step.seconds for step in ran[1].steps]
    assert [path.name for path in (tmp_path / "empty").rglob("*") if path.name != ".lock"] == ["work"]


def test_a_run_without_reuse_gives_the_same_pipeline_object(project: Project, ran: tuple[Project, RunResult]) -> None:
    again = project.run(reuse=False)
    assert not any(step.cached for step in again.steps)
    assert again.pipeline == ran[1].pipeline


@pytest.mark.parametrize(
    ("old", "new", "file", "again"),
    [
        ("# a helper of one step", "# said otherwise", "steps.py", []),
        ("height}", "height + 0}", "steps.py", ["count"]),
        (
            "def _line(x: pl.Expr) -> pl.Expr:",
            "def _line(x: pl.Expr) -> pl.Expr:\n    x = +x",
            "steps.py",
            ["points_seen"],
        ),
        ("slope * x", "x * slope", "shapes/lines.py", ["points_seen"]),
        ("SLOPE = 0.5", "SLOPE = 0.25", "steps.py", ["points_seen", "train", "reference", "above"]),
    ],
)
def test_an_edit_runs_its_users_again_and_stops_where_values_are_equal(
    project: Project, old: str, new: str, file: str, again: list[str]
) -> None:
    if "SLOPE" in old:  # the count of rows stays, its input does not
        again = [*again, "count"]
    project.edit(old, new, file=file)
    assert reran(project) == again


def test_a_deleted_output_is_made_again_and_its_users_stay_cached(project: Project) -> None:
    output = project.run().output("reference")
    project.store.objects.path(output.digest).unlink()
    assert reran(project) == ["reference"]
    assert not project.damaged_objects()


def test_a_parameter_reaches_its_step_and_is_part_of_its_key(project: Project) -> None:
    noisy = project.run(project.request({"noise": 5.0}, wanted=("points_seen",)))
    seen = pl.read_parquet(project.store.objects.path(noisy.output("points_seen").digest))
    assert seen["above"].mean() == 1
    record = project.store.get(noisy.pipeline)
    assert record["parameters"] == {"noise": 5}
    assert len(noisy.steps) == 1


def test_a_whole_number_that_a_record_cannot_hold_is_refused(project: Project) -> None:
    with pytest.raises(InputMissing, match="noise holds a whole number beyond"):
        project.run(project.request({"noise": 2**60}))


def test_a_step_that_raises_names_the_users_file_and_line_and_what_came_before_is_kept(project: Project) -> None:
    project.edit('return {"rows": reference.height}', 'raise ValueError("too few")')
    with pytest.raises(StepFailed, match="step count raised ValueError: too few") as caught:
        project.run()
    line = (project.root / "steps.py").read_text().splitlines().index('    raise ValueError("too few")') + 1
    assert str(caught.value.where).startswith(f"steps.py:{line} in count")
    project.edit('raise ValueError("too few")', "return {}")
    assert reran(project) == ["count"]


def test_an_error_in_a_helper_module_names_that_module(project: Project) -> None:
    project.edit("return slope * x", "return slope * x / nothing", file="shapes/lines.py")
    with pytest.raises(StepFailed) as caught:
        project.run()
    assert str(caught.value.where).startswith("shapes/lines.py:2 in height")


def test_a_step_that_kills_its_process_is_told_and_recorded_nowhere(project: Project) -> None:
    project.edit('return {"rows": reference.height}', "import os; os.kill(os.getpid(), 9)")
    with pytest.raises(RunnerDied, match="step count ended by SIGKILL"):
        project.run()
    project.edit("import os; os.kill(os.getpid(), 9)", "return {}")
    assert reran(project) == ["count"]


def test_a_flipped_byte_of_the_data_is_refused_by_the_users_name_of_the_file(project: Project) -> None:
    cached = project.request()
    project.edit("SLOPE = 0.5", "SLOPE = 0.25")
    edited = project.request()  # taken before the flip: a snapshot of the user's whole files would mend the store
    flip(project, object_of(project, project.root / "points" / "2.parquet"))
    with pytest.raises(ObjectDamaged, match=r"points/2\.parquet is damaged"):
        project.run(edited)
    assert all(step.cached for step in project.run(cached).steps)  # nothing that is cached reads the data


def test_a_flipped_byte_of_a_value_is_refused_by_the_name_of_its_step(project: Project) -> None:
    flip(project, project.store.objects.path(project.run().output("train").digest))
    project.edit("LogisticRegression().fit", "LogisticRegression(C=2).fit")
    with pytest.raises(ObjectDamaged, match="the value of step train is damaged") as caught:
        project.run()
    assert caught.value.mend == "run again: the step makes it anew"
    assert reran(project) == ["train", "above"]
    assert not project.damaged_objects()


def test_code_is_run_from_the_store_and_not_from_the_users_folder(project: Project) -> None:
    request = project.request()
    project.edit("SLOPE = 0.5", "raise SystemExit")
    assert len(project.run(request, reuse=False).steps) == 5


EVERY_CODEC = """
from pathlib import Path
import numpy as np
import polars as pl


def rows(points: pl.LazyFrame, limit: int, tags: dict[str, list[int]] | None = None) -> pl.LazyFrame:
    return points.head(limit)


def folder(points: Path) -> Path:
    out = Path("out")
    out.mkdir()
    (out / "names.txt").write_text(" ".join(sorted(path.name for path in points.iterdir())))
    (out / "below").mkdir()
    (out / "below" / "empty").touch()
    return out


def file(rows: Path) -> Path:
    out = Path("copy.parquet")
    out.write_bytes(rows.read_bytes())
    return out


def array(rows: pl.DataFrame) -> np.ndarray:
    return rows["x"].to_numpy()


def raw(array: bytes) -> bytes:
    return array[:6]


def report(folder: Path, array: np.ndarray, file: Path) -> dict[str, object]:
    same = pl.read_parquet(file).height
    return {"names": (folder / "names.txt").read_text(), "size": array.size, "rows": same, "suffix": file.suffix}
"""


def test_every_codec_carries_its_values(tmp_path: Path) -> None:
    project = Project.make(tmp_path / "project")
    (project.root / "steps.py").write_text(EVERY_CODEC)
    (project.root / "points" / "README").write_text("no table: the frames leave it out, the folder has it")
    result = project.run(project.request({"limit": 7}))
    answer = json.loads(project.store.objects.get(result.output("report").digest))
    assert answer == {"names": "1.parquet 2.parquet README", "size": 7, "rows": 7, "suffix": ".parquet"}
    assert project.store.objects.get(result.output("raw").digest) == b"\x93NUMPY"
    heard = Heard()
    project.run(project.request({"limit": 7}), report=heard)
    assert heard.ran == []
    (empty,) = [file for file in project.store.tree(result.output("folder").digest) if file.path == "below/empty"]
    project.store.objects.path(empty.digest).unlink()
    project.run(project.request({"limit": 7}), report=heard)
    assert heard.ran == ["folder"]


def object_of(project: Project, file: Path) -> Path:
    """Where the store keeps the content of a file of the user's."""
    return project.store.objects.path(hash_file(file))


def flip(project: Project, path: Path) -> None:
    """Change one byte in the middle of an object."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
