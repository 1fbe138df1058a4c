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


def test_all_goes_on_where_two_names_are_one_for_a_target(project: Project) -> None:
    assert project.spec.pipeline
    steps = project.root / project.spec.pipeline
    steps.write_text(
        steps.read_text() + "\n\ndef odd_name() -> int:\n    return 1\n\n\ndef odd_name_() -> int:\n    return 2\n"
    )
    told = project.ask("render", "all")
    assert told["refused"]["argo"].endswith(" are both odd-name for argo")
    assert {"image", "kubernetes"} <= set(told["files"])
