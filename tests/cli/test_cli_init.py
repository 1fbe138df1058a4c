"""From an empty folder to a release that is live, by the commands that the documentation names."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_project import ANN, Project

FILES = ["pipeline.py", "requirements.in", "requirements.lock", "shipway.yaml"]


@pytest.fixture
def empty(tmp_path: Path) -> Project:
    (tmp_path / "My First project? 100% #1").mkdir()
    return Project(tmp_path / "My First project? 100% #1", tmp_path / "keys")


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_the_template_goes_live_by_the_documented_commands(empty: Project) -> None:
    for words, then in (
        (("init",), "shipway run"),
        (("run",), "shipway release"),
        (("release",), "shipway plan tumour@prod"),
        (("plan",), "shipway check tumour@prod"),
        (("check",), "shipway plan tumour@prod"),
        (("plan",), "shipway approve tumour@prod"),
        (("approve",), "shipway apply tumour@prod"),
        (("plan",), "shipway apply tumour@prod"),
        (("apply", "--why", "the first"), "shipway log deploy/tumour@prod"),
        (("log", "deploy/tumour@prod"), "shipway plan deploy/tumour@prod"),
    ):
        done = empty.cli(*words)
        assert done.code == 0, done.err
        assert done.last == f"next: {then}", words
        assert "Traceback" not in done.err
    (move,) = empty.ask("log", "deploy/tumour@prod")["history"]
    assert (move["who"], move["why"], move["outcome"]) == (ANN, "the first", "moved")
    assert visible(empty.root) == FILES
    assert not list((empty.root / ".shipway").rglob("*.pem")), "keys stay outside the store"


def test_init_writes_four_files_and_names_the_project_after_the_folder(empty: Project) -> None:
    document = empty.ask("init")
    assert sorted(document["written"]) == FILES == visible(empty.root)
    assert document["project"] == "my-first-project-100-1"
    assert (empty.root / ".shipway" / ".gitignore").read_text() == "*\n"


def test_init_never_overwrites(empty: Project) -> None:
    (empty.root / "pipeline.py").write_text("mine")
    assert sorted(empty.ask("init")["written"]) == [name for name in FILES if name != "pipeline.py"]
    assert (empty.root / "pipeline.py").read_text() == "mine"


def test_init_twice_changes_nothing(empty: Project) -> None:
    empty.ask("init")
    before = {name: (empty.root / name).stat().st_mtime_ns for name in FILES}
    assert empty.ask("init")["written"] == []
    assert {name: (empty.root / name).stat().st_mtime_ns for name in FILES} == before


def test_init_beside_a_spec_of_ones_own_makes_the_store_alone(empty: Project) -> None:
    (empty.root / "shipway.yaml").write_text("project: mine\n")
    document = empty.ask("init")
    assert (document["project"], document["written"]) == ("mine", [])
    assert visible(empty.root) == ["shipway.yaml"]
    assert (empty.root / ".shipway" / "catalogue.sqlite").exists()


def test_two_inits_at_once_both_succeed(empty: Project) -> None:
    both = [empty.start("init", "--json") for _ in range(2)]
    answers = [child.communicate(timeout=60) for child in both]
    assert [child.returncode for child in both] == [0, 0], answers
    assert visible(empty.root) == FILES
    assert empty.ask("log")["refs"] == []


PROMPTS = """project: guides
providers: {answer: {model: m, url: "http://127.0.0.1:9/v1"}}
prompts: {answer: answer.md}
"""


@pytest.mark.parametrize(
    ("more", "then"),
    [
        ("", "shipway prompt put"),
        ("evals: {golden: golden.jsonl}\n", "shipway eval"),
        ("indexes: {docs: {source: docs}}\nevals: {golden: golden.jsonl}\n", "shipway rag sync"),
    ],
)
def test_a_project_of_prompts_begins_with_what_it_has(empty: Project, more: str, then: str) -> None:
    (empty.root / "shipway.yaml").write_text(PROMPTS + more)
    (empty.root / "answer.md").write_text("{{question}}")
    assert empty.cli("init").last == f"next: {then}"


def test_a_project_of_prompts_has_nothing_to_run_and_is_told_so(empty: Project) -> None:
    (empty.root / "shipway.yaml").write_text(PROMPTS)
    empty.ask("init")
    done = empty.cli("run", "--json")
    error = done.document["error"]
    assert (done.code != 0, error["code"]) == (True, "pipeline.project-incomplete")
    assert error["what"] == "this project answers prompts and has no pipeline: there is nothing to run"
    assert "shipway eval" in error["mend"]
