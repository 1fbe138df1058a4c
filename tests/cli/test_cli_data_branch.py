"""`shipway data branch`, `tag` and `merge`: refs, through their gate, and nothing is copied."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path, tmp_path / "keys")
    (tmp_path / "shipway.yaml").write_text("project: shop\ndata: {days: days}\n")
    (tmp_path / "days").mkdir()
    write(project, {"one": "1", "two": "2", "three": "3"})
    project.ask("data", "snapshot")
    return project


def write(project: Project, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        (project.root / "days" / name).write_text(text)


def test_a_branch_goes_on_and_comes_back(project: Project) -> None:
    assert project.ask("data", "branch", "days", "try")["ref"] == "data/days@try"
    project.ask("data", "tag", "days", "v1")
    write(project, {"one": "one", "two": "theirs"})
    project.ask("data", "snapshot", "--branch", "try")
    project.ask("data", "checkout", "days")
    write(project, {"two": "ours", "three": "three"})
    project.ask("data", "snapshot")
    asked = project.cli("data", "merge", "days", "try", "--json")
    assert (asked.code, asked.document["digest"]) == (1, None)
    assert [one["path"] for one in asked.document["conflicts"]] == ["two"]
    merged = project.ask("data", "merge", "days", "try", "--theirs", "two")
    assert merged["ref"] == "data/days"
    project.ask("data", "checkout", "days")
    assert {path.name: path.read_text() for path in (project.root / "days").iterdir()} == {
        "one": "one",
        "two": "theirs",
        "three": "three",
    }
    assert project.ask("data", "merge", "days", "try")["digest"] == merged["digest"]  # there is nothing new
    back = project.ask("data", "merge", "days", "approved", "--into", "try")  # what was merged counts as its past
    assert (back["digest"], back["base"]) == (merged["digest"], merged["theirs"])
    for words in (("snapshot", "--branch", "v1"), ("merge", "days", "try", "--into", "v1"), ("tag", "days", "v1")):
        refused = project.cli("data", *words, "--json")
        assert refused.document["error"]["code"] == "data.label-taken"
    assert project.ask("store", "check", "--deep")["faults"] == []
