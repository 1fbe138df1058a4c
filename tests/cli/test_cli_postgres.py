"""The command line with its catalogue in a real PostgreSQL: the same commands, the same answers, and no password anywhere."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from cli_project import REF, Project

from shipway.store import FOLDER

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))

from store_help import new_schema

pytest_plugins = ["cli_fixtures"]


@pytest.fixture
def project(released: Project, tmp_path: Path) -> Project:
    """The released project with its rows in PostgreSQL."""
    copy = released.copy(tmp_path / "project")
    copy.more["SHIPWAY_CATALOGUE"] = new_schema()
    assert copy.ask("store", "migrate")["rows"]["records"] > 0
    for part in (copy.root / FOLDER).glob("catalogue.sqlite*"):
        part.unlink()
    return copy


def test_the_loop_runs_over_a_catalogue_in_postgres(project: Project) -> None:
    assert project.cli("apply").code == 1  # not approved
    project.ask("approve")
    project.ask("apply", "--why", "first")
    history = project.ask("log", REF)["history"]
    assert [row["outcome"] for row in history] == ["moved", "refused"]
    assert history[0]["why"] == "first"
    assert project.ask("plan")["ref"] == REF
    digits = history[0]["to"].removeprefix("sha256:")[:10]
    assert project.cli("why", digits).code == 0
    assert project.ask("store", "check", "--deep")["faults"] == []
    (project.root / "shipway.yaml").write_text("nonsense: [")
    assert project.ask("store", "check")["refs"] > 0  # the project is found without its spec


def test_a_forgotten_variable_is_an_error_and_not_an_empty_history(project: Project) -> None:
    del project.more["SHIPWAY_CATALOGUE"]
    told = project.cli("log", "--json")
    assert told.code == 1
    assert told.document["error"]["code"] == "store.catalogue-other"
    assert not (project.root / FOLDER / "catalogue.sqlite").exists()


def test_a_server_that_is_away_is_told_once_and_without_the_password(project: Project) -> None:
    (project.root / FOLDER / "catalogue.json").unlink()
    project.more["SHIPWAY_CATALOGUE"] = "postgresql://ann:hunter2@127.0.0.1:9/rows"
    for words in (("log",), ("plan",), ("--debug", "apply")):
        told = project.cli(*words)
        assert told.code == 1
        assert "hunter2" not in told.out + told.err
        assert "CatalogueDown" in told.err if "--debug" in words else "store.catalogue-down" in told.err
