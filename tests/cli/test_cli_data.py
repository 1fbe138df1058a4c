"""`shipway data profile`: the same digest whoever counts, and one clear error where there is no cluster."""

from __future__ import annotations

import pytest
from cli_project import Project

pytest_plugins = ["cli_fixtures"]


def test_the_digest_of_a_profile_does_not_depend_on_how_many_work(project: Project) -> None:
    one, many = (project.cli("data", "profile", "--workers", count, "--json") for count in ("1", "3"))
    assert (one.code, one.document["kind"], one.document["on"]) == (0, "profiles", "here")
    (row,), (other,) = one.document["data"], many.document["data"]
    assert row["profile"] == other["profile"]
    assert row["rows"] > 0
    like = project.cli("data", "profile", "--like", row["profile"], "--json").document["data"][0]
    assert like["profile"] == row["profile"], "measured by its own edges it is what it is"


def test_a_person_reads_each_column_and_the_next_command(project: Project) -> None:
    done = project.cli("data", "profile")
    assert done.code == 0
    assert "missing" in done.out
    assert done.last == "next: shipway run"


@pytest.mark.parametrize("words", [("data", "profile"), ("rag", "sync")])
def test_a_cluster_that_is_not_there_is_an_error_of_a_few_lines(project: Project, words: tuple[str, str]) -> None:
    done = project.cli(*words, "--on", "ray", environ={"RAY_ADDRESS": "127.0.0.1:1"})
    assert done.code == 1
    assert "operate.ray-unreachable" in done.err
    assert len(done.err.strip().splitlines()) <= 6
