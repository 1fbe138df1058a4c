"""Step Functions: accepted by statelint, and really executed by moto's interpreter with tasks that run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from deploy_subjects import ROOT, Golden, project_subject

from shipway.deploy import CannotExpress, Files, NothingToRender, Subject, render_target
from shipway.deploy._aws_schedule import aws_expression, expression_problem
from shipway.deploy._fargate import fargate_size
from shipway.pipeline._states_history import tasks_of
from shipway.spec import ScheduleSpec, TargetsSpec

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))  # the small project that the command line is tested with

from cli_project import Project, make_project

pytest_plugins = ["deploy_fixtures"]

OBJECTS = 'targets: {objects: "s3://example-ml/shipway"}\n'
STEPS = """
steps:
  kept: {each: {day: days}, retries: 1}
  total: {retries: 2, timeout: 10m}
  above: {when: good, timeout: 5m}
  cheered: {when: total < 0}
  boxed: {group: gift}
  ribbon: {group: gift}
"""
SOURCE = """

def days(seen: pl.DataFrame) -> list[int]:
    return sorted(seen["day"].dt.day().unique().to_list())[:3]


def kept(seen: pl.DataFrame, day: int) -> pl.DataFrame:
    return seen.filter(pl.col("day").dt.day() == day)


def total(kept: pl.DataFrame) -> int:
    return kept.height


def good(total: int) -> bool:
    return total > 100


def cheered(total: int) -> str:
    return f"only {total}"


def repeated(cheered: str) -> str:
    return cheered * 2


def boxed(total: int) -> dict:
    return {"rows": total}


def ribbon(boxed: dict) -> dict:
    return {"ribbon": boxed}
"""


@pytest.fixture
def planned(tmp_path: Path) -> Project:
    project = make_project(tmp_path / "project", tmp_path / "keys")
    file = project.root / "steps.py"
    file.write_text(file.read_text().replace('"at": time.time_ns(), ', "") + SOURCE)
    (project.root / "shipway.yaml").write_text((project.root / "shipway.yaml").read_text() + OBJECTS + STEPS)
    return project


def on_s3(subject: Subject) -> Subject:
    return replace(subject, targets=TargetsSpec(objects="s3://example-ml/shipway"))


def at_once(definition: str) -> str:
    """The definition with the pauses before another attempt cut short; nothing else is changed for a test."""
    return definition.replace('"IntervalSeconds": 5', '"IntervalSeconds": 1')


def linted(folder: Path, files: Files) -> subprocess.CompletedProcess[str]:
    paths = []
    for path, text in files.items():
        if path.endswith(".asl.json"):
            paths.append(folder / path)
            paths[-1].write_text(text)
    words = [str(Path(sys.executable).with_name("statelint")), *map(str, paths)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_flights_and_a_pipeline_with_everything_are_as_a_person_reviewed_them(
    flights: Subject, planned: Project, golden: Golden
) -> None:
    golden("stepfunctions-flights", render_target("stepfunctions", on_s3(flights)))
    file = planned.root / "shipway.yaml"
    file.write_text(file.read_text() + 'schedule: {cron: "30 4 * * mon-fri", timezone: Europe/Berlin}\n')
    golden("stepfunctions-points", render_target("stepfunctions", project_subject(planned.root)))


@pytest.mark.interop
def test_statelint_finds_nothing_and_would(tmp_path: Path) -> None:
    golden = ROOT / "tests" / "deploy" / "golden"
    for name in ("stepfunctions-flights", "stepfunctions-points"):
        files = {path.name: path.read_text() for path in (golden / name).iterdir()}
        done = linted(tmp_path, files)
        assert done.returncode == 0, done.stdout
    for right, wrong in (('"Next": "total"', '"Next": "totl"'), ('"ResultPath"', '"ResultPth"'), ('"Models"', '"Model"')):
        text = files["points.asl.json"]
        assert right in text
        assert linted(tmp_path, {"points.asl.json": text.replace(right, wrong, 1)}).returncode != 0, wrong


@pytest.mark.parametrize(
    ("schedule", "expression"),
    [
        ({"cron": "0 4 * * 1"}, "cron(0 4 ? * 2 *)"),
        ({"cron": "30 4 1 * *"}, "cron(30 4 1 * ? *)"),
        ({"cron": "*/20 * * * *"}, "cron(0,20,40 * * * ? *)"),
        ({"cron": "0 0 * jan sun"}, "cron(0 0 ? 1 1 *)"),
        ({"every": 60.0}, "rate(1 minute)"),
        ({"every": 21600.0}, "rate(6 hours)"),
        ({"every": 86400.0}, "rate(1 day)"),
        ({"every": 5400.0}, "rate(90 minutes)"),
    ],
)
def test_a_schedule_is_written_as_aws_reads_it(schedule: dict[str, Any], expression: str) -> None:
    assert aws_expression(ScheduleSpec(**schedule), target="stepfunctions") == expression
    assert expression_problem(expression) is None


@pytest.mark.parametrize(
    "text",
    ["garbage(1)", "rate(1 hours)", "rate(2 hour)", "rate(0 days)", "cron(0 4 * * 1 *)", "cron(0 4 ? * ? *)",
     "cron(0 24 ? * 2 *)", "cron(60 4 ? * 2 *)", "cron(0 4 ? * 0 *)", "cron(0 4 ? 13 2 *)",
     "cron(0 4 ? * 5-2 *)", "cron(0 4 ? * 2)", ""],
)  # fmt: skip
def test_what_aws_would_refuse_is_found_before(text: str) -> None:
    assert expression_problem(text)


def test_what_step_functions_cannot_say_is_refused_by_name(make_project: Callable[[str, str], Subject]) -> None:
    source = "def fit() -> dict: ...\ndef mid(fit: dict) -> dict: ...\ndef end(mid: dict, fit: dict) -> dict: ...\n"
    refused = {
        "steps: {fit: {cpu: 32}}": "as large as step fit asks for",
        "steps: {fit: {group: a}, end: {group: a}}": "would wait for each other",
        "schedule: {cron: 0 4 1 * 1}": "day of the month or a day of the week",
    }
    for lines, message in refused.items():
        with pytest.raises(CannotExpress, match=message):
            render_target("stepfunctions", make_project(OBJECTS + lines + "\n", source))
    with pytest.raises(CannotExpress, match="no place where tasks find the store"):
        render_target("stepfunctions", make_project("", source))


def test_a_step_with_a_gpu_is_a_job_of_batch_that_the_machine_tries_again(
    make_project: Callable[[str, str], Subject], tmp_path: Path
) -> None:
    lines = (
        OBJECTS + "parameters: {sizes: [1, 2]}\nsteps: {fit_model: {gpu: 1, retries: 2, timeout: 1h, each: {size: sizes}}}\n"
    )
    files = render_target("stepfunctions", make_project(lines, "def fit_model(size: int) -> dict: ...\n"))
    states = json.loads(files["sample.asl.json"])["States"]
    (element,) = states["fit_model: each"]["ItemProcessor"]["States"].values()
    for state, words in (
        (element, "'--item', States.Format('{}', $.item))"),
        (states["fit_model"], "'--control', States.Format("),
    ):
        assert state["Resource"] == "arn:aws:states:::batch:submitJob.sync"
        given = state["Parameters"]
        assert given["ContainerOverrides"]["Command.$"].startswith("States.Array('step', 'run', 'fit_model', '--plan', $.plan")
        assert words in given["ContainerOverrides"]["Command.$"]
        assert (given["JobQueue"], given["JobDefinition"]) == ("${job_queue}", "${job_fit_model}")
        assert state["Retry"][1]["MaxAttempts"] == 2
        assert given["RetryStrategy"] == {"Attempts": 1}
        assert "TimeoutSeconds" not in state, "it would run while the job waits for a machine"
    assert linted(tmp_path, files).returncode == 0, linted(tmp_path, files).stdout
    assert sorted(tasks_of(json.loads(files["sample.asl.json"]))) == ["fit_model", "fit_model: element"]


def test_a_project_without_a_pipeline_has_nothing_to_render(assistant: Subject) -> None:
    with pytest.raises(NothingToRender, match="no pipeline"):
        render_target("stepfunctions", on_s3(assistant))


def test_a_list_of_the_spec_is_repeated_without_reading_anything(make_project: Callable[[str, str], Subject]) -> None:
    lines = OBJECTS + "parameters: {months: [jan, feb]}\nsteps: {fit: {each: {month: months}}}\n"
    subject = make_project(lines, "def fit(month: str) -> dict: ...\n")
    states = json.loads(render_target("stepfunctions", subject)["sample.asl.json"])["States"]
    assert states["fit: elements"]["Result"] == {"document": {"items": [0, 1]}}
    assert states["fit: each"]["Type"] == "Map"


@pytest.mark.parametrize(
    ("cpu", "memory", "size"),
    [(None, None, (512, 1024)), (0.25, 2**29, (256, 512)), (0.25, 3 * 2**29, (256, 2048)), (1, 9 * 2**30, (2048, 9216)),
     (8, 17 * 2**30, (8192, 20480)), (0.1, 120 * 2**30, (16384, 122880))],
)  # fmt: skip
def test_sizes_are_rounded_up_to_those_that_fargate_has(cpu: float | None, memory: int | None, size: tuple[int, int]) -> None:
    assert fargate_size(cpu, memory, what="step fit") == size


def test_five_hundred_steps_are_a_machine_and_too_many_are_refused(make_project: Callable[[str, str], Subject]) -> None:
    def source(count: int) -> str:
        return "def s0() -> int: ...\n" + "".join(f"def s{n}(s{n - 1}: int) -> int: ...\n" for n in range(1, count))

    files = render_target("stepfunctions", make_project(OBJECTS, source(500)))
    assert len(files["sample.asl.json"]) < 1_000_000
    with pytest.raises(CannotExpress, match="larger than a state machine may be"):
        render_target("stepfunctions", make_project(OBJECTS, source(2000)))
