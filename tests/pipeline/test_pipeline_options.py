"""Steps that are repeated, skipped, tried again and limited: when names resolve, and in a real run."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
from pipeline_help import Heard, Project

from shipway.environment import StepFailed, StepTimedOut, default_cache
from shipway.kernel.canonical import Json
from shipway.kernel.units import Seconds
from shipway.pipeline import (
    InputMissing,
    PipelineMalformed,
    RunRequest,
    StepsRun,
    StepValueUnusable,
    load_run_plan,
    measure_control,
    pipeline_behind,
    put_run_plan,
    recorded_options,
    run_steps,
)
from shipway.spec import Condition, Each, ModelSpec, Spec, StepSpec
from shipway.store import ObjectUnexpected

SOURCE = """
import os
import time
from pathlib import Path

import polars as pl


def days() -> list[int]:
    return [1, 2, 3]


def part(points: pl.DataFrame, day: int) -> pl.DataFrame:
    return points.filter(pl.col("day").dt.day() == day)


def size(day: int) -> int:
    return day * 10


def total(part: pl.DataFrame, size: list[int]) -> dict:
    return {"rows": part.height, "days": part["day"].dt.day().unique().to_list(), "sizes": size}


def good(total: dict) -> bool:
    return total["rows"] > 100


def publish(total: dict) -> str:
    return "published"


def after(publish: str) -> str:
    return publish + " and told"
"""
EACH = Each(argument="day", source="days")
OPTIONS = {
    "part": StepSpec(name="part", each=EACH),
    "size": StepSpec(name="size", each=EACH),
    "publish": StepSpec(name="publish", when=Condition(step="good", operator="==", literal=True)),
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    found = Project.make(tmp_path / "project")
    (found.root / "steps.py").write_text(SOURCE)
    return found


def request_of(project: Project, parameters: dict[str, Json] | None = None, **changed: StepSpec) -> RunRequest:
    return replace(project.request(parameters), options={**OPTIONS, **changed})


def value_of(project: Project, request: RunRequest, step: str) -> Any:
    import json

    return json.loads(project.store.objects.get(project.run(request).output(step).digest))


def steps_of(project: Project, request: RunRequest, *names: str, item: int | None = None) -> StepsRun:
    wanted = replace(request, wanted=names)
    return run_steps(project.store, wanted, item=item, cache=default_cache(), report=Heard(), environ={})


def test_a_repeated_step_gives_its_elements_in_order_and_each_has_a_key_of_its_own(project: Project) -> None:
    request = request_of(project)
    result = project.run(request)
    assert value_of(project, request, "total") == {"rows": 150, "days": [1, 2, 3], "sizes": [10, 20, 30]}
    rows = pl.read_parquet(project.store.objects.path(result.output("part").digest))
    assert rows["day"].dt.day().to_list() == [1] * 50 + [2] * 50 + [3] * 50
    heard = Heard()
    project.edit("[1, 2, 3]", "[1, 4, 3]")
    project.run(replace(request_of(project), wanted=("size",)), report=heard)
    assert (heard.ran, heard.reused) == (["days", "size[1]"], ["size[0]", "size[2]"])


def test_a_step_whose_condition_does_not_hold_is_skipped_and_so_is_what_needs_it(project: Project) -> None:
    assert project.run(request_of(project)).skipped == ()
    project.edit("> 100", "> 1000")
    result = project.run(request_of(project))
    assert result.skipped == ("publish", "after")
    assert project.store.get(result.pipeline, "pipeline")["skipped"] == ["after", "publish"]
    with pytest.raises(InputMissing, match="step publish was skipped"):
        result.output("publish")


def test_the_pipeline_object_is_enough_to_run_again_what_a_condition_let_through(project: Project) -> None:
    project.edit("def days() -> list[int]:\n    return [1, 2, 3]\n", "")
    result = project.run(request_of(project, {"days": [1, 2, 3]}))
    behind = pipeline_behind(project.store, result, ["after"])
    record = cast("dict[str, Any]", project.store.get(behind, "pipeline"))
    assert record["parameters"] == {"days": [1, 2, 3]}
    assert [step["name"] for step in record["steps"]] == ["after", "good", "part", "publish", "size", "total"]
    again = RunRequest(
        record["code"], record["data"], record["environment"], record["parameters"], ("after",), recorded_options(record)
    )
    assert project.run(again, reuse=False).pipeline == behind


def test_options_of_execution_change_no_key_and_no_pipeline_object(project: Project) -> None:
    first = project.run(request_of(project))
    limited = StepSpec(name="total", retries=3, timeout=Seconds(60.0), cpu=2, memory=2**30, gpu=1, group="fit")
    again = project.run(request_of(project, total=limited))
    assert (again.pipeline, all(step.cached for step in again.steps)) == (first.pipeline, True)


def test_a_step_is_tried_again_and_the_last_failure_is_told(project: Project, tmp_path: Path) -> None:
    flag = tmp_path / "tried"
    project.edit("return day * 10", f"p = Path({str(flag)!r}); n = len(p.read_text()) if p.exists() else 0; "
                 "p.write_text('x' * (n + 1)); return day * 10 if n > 1 else 1 / 0")  # fmt: skip
    with pytest.raises(StepFailed):
        project.run(replace(request_of(project, size=StepSpec(name="size", each=EACH, retries=1)), wanted=("size",)))
    flag.unlink(missing_ok=True)  # on a busy machine the step had not begun
    result = project.run(replace(request_of(project, size=StepSpec(name="size", each=EACH, retries=2)), wanted=("size",)))
    assert project.store.objects.get(result.output("size").digest) == b"[10,20,30]"


def test_a_step_over_its_limit_is_ended_and_the_next_attempt_has_a_new_process(project: Project, tmp_path: Path) -> None:
    flag = tmp_path / "tried"
    project.edit(
        "return [1, 2, 3]", f"p = Path({str(flag)!r}); t = p.exists(); p.touch(); time.sleep(0 if t else 600); return [1]"
    )
    limited = StepSpec(name="days", timeout=Seconds(1.0))
    with pytest.raises(StepTimedOut, match="step days took longer than its limit of 1 seconds"):
        project.run(replace(request_of(project, days=limited), wanted=("days",)))
    flag.unlink(missing_ok=True)  # on a busy machine the step had not begun
    tried = StepSpec(name="days", timeout=Seconds(6.0), retries=1)  # the project's libraries are loaded within it
    assert len(project.run(replace(request_of(project, days=tried), wanted=("days",))).steps) == 1


@pytest.mark.parametrize(
    ("old", "new", "step", "message"),
    [
        ("[1, 2, 3]", "{}", "size", "repeated over days, which gave no list"),
        ("[1, 2, 3]", "[2**60]", "size", "whole number beyond"),
        ("[1, 2, 3]", "[0] * 10001", "size", "gave 10,001 elements"),
        ("[1, 2, 3]", "[]", "part", "an empty list, and a table of nothing"),
        (
            "dt.day() == day)",
            "dt.day() == day).with_columns(pl.lit(1).alias(f'c{day}'))",
            "part",
            "another table for element 1",
        ),
        ('return total["rows"] > 100', "return [1]", "publish", "good gave no plain scalar"),
    ],
)
def test_a_value_that_cannot_decide_is_told(project: Project, old: str, new: str, step: str, message: str) -> None:
    project.edit(old, new)
    with pytest.raises(StepValueUnusable, match=message):
        project.run(replace(request_of(project), wanted=(step,)))


def test_an_empty_list_of_plain_values_is_an_empty_list(project: Project) -> None:
    project.edit("[1, 2, 3]", "[]")
    assert value_of(project, replace(request_of(project), wanted=("size",)), "size") == []


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (StepSpec(name="totl"), "options of totl"),
        (StepSpec(name="size", each=Each(argument="dai", source="days")), "over dai, which it does not take"),
        (StepSpec(name="size", each=Each(argument="day", source="dayz")), "dayz, which is no step and no parameter"),
        (StepSpec(name="size", each=Each(argument="day", source="part")), "part, which is kept as polars.frame"),
        (StepSpec(name="good", each=Each(argument="total", source="after")), "in a circle"),
        (StepSpec(name="total", each=Each(argument="part", source="days")), "annotated as polars.frame"),
        (StepSpec(name="publish", when=Condition(step="part", operator="==", literal=1)), "part is kept as polars.frame"),
        (StepSpec(name="publish", when=Condition(step="god", operator="==", literal=1)), "there is no step god"),
        (StepSpec(name="days", when=Condition(step="after", operator="==", literal=1)), "in a circle"),
    ],
)
def test_options_that_do_not_fit_their_step_are_refused_before_anything_runs(
    project: Project, option: StepSpec, message: str
) -> None:
    with pytest.raises(PipelineMalformed, match=message):
        project.run(request_of(project, None, **{option.name: option}))


def test_tasks_make_elements_one_by_one_and_collecting_runs_none_of_them_again(project: Project) -> None:
    request = request_of(project)
    for number in (2, 0, 1):
        made = steps_of(project, request, "size", item=number).steps[-1]
        assert made.name == f"size[{number}]"
        assert project.store.objects.get(made.output.digest) == str((number + 1) * 10).encode()
    heard = Heard()
    project.run(replace(request, wanted=("size",)), report=heard)
    assert heard.ran == []
    with pytest.raises(InputMissing, match="3 elements, and there is no element 3"):
        steps_of(project, request, "size", item=3)
    with pytest.raises(InputMissing, match="total is not repeated"):
        steps_of(project, request, "total", item=0)


def test_an_engine_is_told_scalars_lengths_and_what_was_skipped(project: Project) -> None:
    project.edit("> 100", "> 1000")
    request = request_of(project)
    digest = project.environment()
    told = [
        measure_control(project.store, digest, name, steps_of(project, request, name)) for name in ("good", "days", "after")
    ]
    assert [(one.value, one.length, one.skipped) for one in told] == [
        (False, None, False),
        (None, 3, False),
        (None, None, True),
    ]
    assert told[1].to_json()["items"] == [0, 1, 2]
    assert measure_control(project.store, digest, "part", steps_of(project, request, "part")).to_json()["value"] is None


def test_two_tasks_that_make_a_step_at_once_go_on_with_one_value(project: Project) -> None:
    project.edit("return [1, 2, 3]", "return [time.time_ns()]")
    request, found = request_of(project), list[str]()

    def make() -> None:
        other = Project(project.root)
        found.append(steps_of(other, request, "days").steps[0].output.digest)

    threads = [threading.Thread(target=make) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert set(found) == {project.run(replace(request, wanted=("days",))).output("days").digest}


def test_a_run_plan_gives_back_what_was_put(project: Project) -> None:
    request = replace(request_of(project), options={**OPTIONS, "total": StepSpec(name="total", timeout=Seconds(5.0), cpu=1.5)})
    models = {"m": ModelSpec(name="m", step="m", target="y", key=("a", "b"), rebuild={"auc": 0.1})}
    plan = put_run_plan(project.store, Spec(project="points", path=Path("shipway.yaml"), models=models), request)
    loaded = load_run_plan(project.store, plan)
    assert (loaded.project, loaded.models, loaded.request) == ("points", models, request)
    damaged = {**project.store.get(plan), "steps": {"total": {"timeout": "long"}}}
    with pytest.raises(ObjectUnexpected, match="no run plan that this Shipway reads"):
        load_run_plan(project.store, project.store.put(damaged))
