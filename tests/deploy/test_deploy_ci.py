"""GitHub Actions and GitLab CI: accepted by the linters that people use, and their commands really run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy_subjects import IMAGE, RELEASE, Golden

from shipway.deploy import CannotExpress, NamesCollide, NothingToRender, Subject, make_subject, render_target
from shipway.pipeline import read_pipeline, resolve
from shipway.spec import TargetsSpec

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))  # the small project that the command line is tested with

from cli_project import REF, SHIPWAY, Project

pytest_plugins = ["deploy_fixtures", "cli_fixtures"]

BIN = Path(sys.executable).parent
WORKFLOW = ".github/workflows/shipway.yml"


def ran(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BIN / words[0], *words[1:]], capture_output=True, text=True, check=False)


LINTERS = (
    partial(ran, "actionlint"),
    partial(ran, "zizmor", "--offline", "--no-progress", "--persona=auditor"),
    partial(ran, "check-jsonschema", "--builtin-schema", "vendor.github-workflows"),
)


def written(folder: Path, subject: Subject, target: str) -> Path:
    ((path, text),) = render_target(target, subject).items()
    place = folder / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    return place


def on_s3(subject: Subject) -> Subject:
    return replace(subject, targets=TargetsSpec(objects="s3://example-ml/shipway"))


@pytest.mark.parametrize("target", ["github", "gitlab"])
def test_both_projects_are_as_a_person_reviewed_them(flights: Subject, assistant: Subject, target: str, golden: Golden) -> None:
    golden(f"{target}-flights", render_target(target, on_s3(flights)))
    golden(f"{target}-assistant", render_target(target, assistant))


@pytest.mark.interop
def test_the_linters_of_github_find_nothing(flights: Subject, assistant: Subject, tmp_path: Path) -> None:
    subjects = (flights, assistant, on_s3(flights))
    places = [written(tmp_path / str(number), subject, "github") for number, subject in enumerate(subjects)]
    for linter in LINTERS:
        done = linter(*places)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.interop
@pytest.mark.parametrize(
    ("right", "wrong", "linter"),
    [
        ("- release\n", "- releas\n", 0),
        ("08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0", "v5", 1),
        ("persist-credentials: false", "persist-credentials: true", 1),
        ("runs-on:", "runs_on:", 2),
    ],
)
def test_the_linters_would_find_what_is_wrong(flights: Subject, tmp_path: Path, right: str, wrong: str, linter: int) -> None:
    place = written(tmp_path, flights, "github")
    assert right in place.read_text()
    place.write_text(place.read_text().replace(right, wrong))
    assert LINTERS[linter](place).returncode != 0


@pytest.mark.interop
def test_the_schema_of_gitlab_finds_nothing_and_would(flights: Subject, assistant: Subject, tmp_path: Path) -> None:
    check = ("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci")
    subjects = (flights, assistant, on_s3(flights))
    places = [written(tmp_path / str(number), subject, "gitlab") for number, subject in enumerate(subjects)]
    done = ran(*check, *places)
    assert done.returncode == 0, done.stdout
    places[0].write_text(places[0].read_text().replace("stage: plan", "stag: plan"))
    assert ran(*check, places[0]).returncode != 0


def commands(workflow: dict[str, Any], job: str, values: dict[str, str]) -> list[tuple[str, dict[str, str]]]:
    """The `run:` steps of a job with their variables, `${{ NAME }}` replaced."""

    def filled(env: dict[str, str]) -> dict[str, str]:
        return {name: re.sub(r"\$\{\{ ([\w.]+) \}\}", lambda match: values[match[1]], text) for name, text in env.items()}

    described = workflow["jobs"][job]
    return [
        (step["run"], {**filled(described["env"]), **filled(step.get("env", {}))})
        for step in described["steps"]
        if "run" in step
    ]


def test_the_steps_of_the_workflow_release_and_apply_when_they_are_run(project: Project, tmp_path: Path) -> None:
    """Every `run:` as GitHub runs it (bash -e), in its order; only `uses:` is left out."""
    spec = project.spec
    assert spec.pipeline
    graph = resolve(read_pipeline(spec.root, spec.pipeline), data=spec.data, parameters=spec.parameters, options=spec.steps)
    subject = make_subject(spec, image=IMAGE, graph=graph, releases={"line@prod": RELEASE})
    workflow = yaml.safe_load(written(tmp_path, subject, "github").read_text())
    packed = subprocess.run(["tar", "-cz", "-C", project.keys_folder, "."], capture_output=True, check=True).stdout
    encoded = subprocess.run(["base64", "-w0"], input=packed, capture_output=True, check=True).stdout.decode()
    values = {
        "secrets.SHIPWAY_KEYS_TAR": encoded,
        "secrets.SHIPWAY_CATALOGUE": "",
        "github.actor": "ann@example.org",
        "github.sha": "4f" * 20,
    }
    summary, keys = tmp_path / "summary.md", tmp_path / "keys"

    def run(job: str) -> list[int]:
        codes = []
        for line, env in commands(workflow, job, values):
            known = {**project.environ, **env, "SHIPWAY_KEYS": str(keys), "GITHUB_STEP_SUMMARY": str(summary)}
            known["PATH"] = f"{Path(SHIPWAY).parent}:{os.environ['PATH']}"
            script = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", line]
            done = subprocess.run(script, cwd=project.root, env=known, capture_output=True, text=True, check=False)
            codes.append(done.returncode)
            if done.returncode:
                break
        return codes

    values["secrets.SHIPWAY_CATALOGUE"] = "postgresql://ann@127.0.0.1:1/none"
    assert run("plan") == [0, 1], "a catalogue that does not answer is no plan"
    values["secrets.SHIPWAY_CATALOGUE"] = ""
    assert run("plan") == [0, 0]
    assert "## line@prod" in summary.read_text()
    assert "approval: 0 of 1" in summary.read_text()
    assert project.store.ref(REF) is None, "a pull request moves nothing"
    assert run("release") == [0, 0, 0, 0]
    assert run("line-prod") == [0, 1], "the gate refuses what nobody has approved"
    project.ask("approve")
    assert run("line-prod") == [0, 0]
    moved = project.ask("log", REF)["history"][0]
    assert (moved["outcome"], moved["why"], moved["who"]) == ("moved", f"merged as {'4f' * 20}", "ann@example.org")


def test_environments_deploy_one_after_another(flights: Subject) -> None:
    (prod,) = flights.services
    staging = replace(prod, environment="staging")
    both = replace(flights, services=(replace(prod, after="staging"), staging))
    workflow = yaml.safe_load(render_target("github", both)[WORKFLOW])
    assert workflow["jobs"]["delay-prod"]["needs"] == ["delay-staging"]
    assert workflow["jobs"]["delay-staging"]["needs"] == ["release"]
    with pytest.raises(CannotExpress, match="delay@staging"):
        render_target("gitlab", replace(flights, services=(replace(prod, after="staging"),)))


def test_two_deployments_of_one_name_are_refused(flights: Subject) -> None:
    (prod,) = flights.services
    twice = replace(flights, services=tuple(replace(prod, application=name) for name in ("delay-x", "delay_x")))
    with pytest.raises(NamesCollide, match=r"delay_x@prod and delay-x@prod are both delay-x-prod for github"):
        render_target("github", twice)


def test_without_a_release_there_is_no_workflow(flights: Subject) -> None:
    with pytest.raises(NothingToRender):
        render_target("github", replace(flights, services=()))


def test_no_secret_of_the_repository_is_in_the_environment_of_a_whole_job(assistant: Subject) -> None:
    for job in yaml.safe_load(render_target("github", assistant)[WORKFLOW])["jobs"].values():
        assert "secrets." not in str(job["env"])
        assert job["permissions"] == {"contents": "read"}
