"""`render all` on a project that not every target can express."""

from __future__ import annotations

from cli_project import Project

pytest_plugins = ["cli_fixtures"]


def test_all_writes_what_can_be_written_and_tells_the_rest(project: Project) -> None:
    told = project.ask("render", "all")
    assert "stepfunctions" in told["refused"], "a project that names no bucket"
    assert told["refused"]["stepfunctions"] == "stepfunctions has no place where tasks find the store"
    assert {"github", "image", "kubernetes"} <= set(told["files"])
    assert not set(told["files"]) & set(told["refused"])
    folders = {path.name for path in (project.root / "deploy").iterdir()}
    assert folders == set(told["files"])
    assert project.ask("render", "all", "--check")["written"] == []


def test_all_fails_for_a_target_that_is_in_use_after_it_wrote_the_others(project: Project) -> None:
    (project.root / "deploy" / "stepfunctions").mkdir(parents=True)
    done = project.cli("render", "all", "--json")
    assert done.code != 0
    assert done.document["error"]["code"] == "deploy.cannot-express"
    assert (project.root / "deploy" / "kubernetes").is_dir()
