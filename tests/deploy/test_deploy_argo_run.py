"""What is rendered for Argo is carried out by an interpreter of ours, with pods that are processes, and gives what a local run
gives.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from argo_project import SCHEDULE, SOURCE, STEPS
from argo_world import Cluster
from deploy_subjects import project_subject

from shipway.deploy import render_target

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))  # the small project that the command line is tested with

from cli_project import SHIPWAY, Project, make_project


@pytest.fixture
def planned(tmp_path: Path) -> Project:
    project = make_project(tmp_path / "project", tmp_path / "keys")
    file = project.root / "steps.py"
    file.write_text(file.read_text().replace('"at": time.time_ns(), ', "") + SOURCE)
    spec = project.root / "shipway.yaml"
    text = spec.read_text().replace("  strength: 1.0\n", "  strength: 1.0\n  parts: [2, 3]\n")
    spec.write_text(text + STEPS + "  above: {when: total > 90}\n" + SCHEDULE)
    return project


def rendered(project: Project) -> dict[str, dict[str, Any]]:
    made = [yaml.safe_load(text) for text in render_target("argo", project_subject(project.root)).values()]
    return {one["kind"]: one for one in made}


@pytest.fixture
def cluster(planned: Project, tmp_path: Path) -> Cluster:
    found = Cluster(planned.root, SHIPWAY, planned.environ, tmp_path / "pods")
    found.apply(rendered(planned)["WorkflowTemplate"])
    return found


def same(again: Any, expected: Any) -> None:
    """What ran before is what a local run would have run: everything is cached, and everything is the same."""
    assert all(step["cached"] for step in again["steps"])
    assert (again["pipeline"], again["skipped"]) == (expected["pipeline"], expected["skipped"])
    digests = [{name: made["digest"] for name, made in one["models"].items()} for one in (again, expected)]
    assert digests[0] == digests[1]


@pytest.mark.slow
def test_the_template_does_what_the_local_run_does_with_a_step_that_fails_first(
    planned: Project, cluster: Cluster, tmp_path: Path
) -> None:
    expected = planned.copy(tmp_path / "local").ask("run")
    assert expected["skipped"] == ["cheered", "repeated"]
    cluster.failing = {"total": 2, "kept": 1}
    run = cluster.run(cluster.library["points"], {"plan": planned.ask("step", "plan")["plan"]})
    phases = run.phases()
    assert run.status["phase"] == "Succeeded", (phases, cluster.ran)
    steps = [words[2] for words in cluster.ran if words[1] == "run" and "--item" not in words]
    assert steps.count("total") == 3, "two failures and a success"
    items = [(words[2], words[words.index("--item") + 1]) for words in cluster.ran if "--item" in words]
    assert sorted(items) == [("kept", "0"), ("kept", "0"), ("kept", "1"), ("scaled", "0"), ("scaled", "1")]
    assert (phases["cheered"], phases["repeated"]) == ("Skipped", "Skipped")
    assert phases["told"] == "Succeeded", "a text with quotes of both kinds is compared"
    assert not {"cheered", "repeated"} & set(steps)
    assert ["step", "run", "boxed", "ribbon"] in [words[:4] for words in cluster.ran]
    order = [step for step in expected["steps"] if step["name"] in steps]
    assert len(order) >= 10
    subject = project_subject(planned.root)
    assert subject.workload
    for task in subject.workload.tasks:
        for need in {task.name, *task.needs} & set(steps) if task.name in steps else ():
            assert steps.index(need) <= steps.index(task.name), (task.name, need)
    assert cluster.ran[-1][:2] == ["step", "models"]
    same(planned.ask("run"), expected)


@pytest.mark.slow
def test_what_needs_a_skipped_step_is_skipped_down_to_a_repetition_over_its_list(
    planned: Project, cluster: Cluster, tmp_path: Path
) -> None:
    planned.edit("seen.height > 10", "seen.height > 10_000", file="steps.py")
    expected = planned.copy(tmp_path / "local").ask("run")
    assert {"days", "kept", "total", "boxed"} <= set(expected["skipped"])
    run = cluster.run(cluster.library["points"], {"plan": planned.ask("step", "plan")["plan"]})
    phases = run.phases()
    assert run.status["phase"] == "Succeeded", phases
    assert (phases["days"], phases["kept-each"], phases["kept"]) == ("Succeeded", "Skipped", "Skipped")
    assert (phases["total"], phases["above"], phases["gift"]) == ("Succeeded", "Skipped", "Skipped")
    same(planned.ask("run"), expected)


def test_a_step_that_goes_on_failing_ends_the_run_without_models(planned: Project, cluster: Cluster) -> None:
    cluster.failing = {"days": 5}
    run = cluster.run(cluster.library["points"], {"plan": planned.ask("step", "plan")["plan"]})
    phases = run.phases()
    assert (run.status["phase"], phases["days"], phases["kept"]) == ("Failed", "Failed", "Omitted")
    assert phases["shipway-models"] == "Omitted"
    assert not any(words[1] == "models" for words in cluster.ran)


@pytest.mark.slow
def test_the_scheduled_workflow_makes_a_plan_and_runs_it(planned: Project, cluster: Cluster) -> None:
    cron = rendered(planned)["CronWorkflow"]
    run = cluster.run(cron["spec"]["workflowSpec"], {})
    assert run.status["phase"] == "Succeeded", run.phases()
    assert cluster.ran[0][1] == "plan"
    assert len({words[words.index("--plan") + 1] for words in cluster.ran[1:]}) == 1
    assert all(step["cached"] for step in planned.ask("run")["steps"])
