"""`shipway retrain` on the small project: new data make a challenger and a plan, and a policy may promote it."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest
from cli_project import REF, Project

from shipway.cli._retraining import Retraining
from shipway.cli._settings import Settings
from shipway.web import Retrained

pytest_plugins = ["cli_fixtures"]


@pytest.mark.slow
def test_new_data_make_a_challenger_and_a_plan_and_nothing_moves(released: Project, tmp_path: Path) -> None:
    project = released.copy(tmp_path / "project")
    for words in (("approve", "--why", "looks right"), ("apply", "--why", "first")):
        done = project.cli(*words)
        assert done.code == 0, done.err
    live = project.store.resolve(REF)
    same = project.cli("retrain", "line@prod", "--json")
    assert same.code == 2, same.err
    assert same.document["challenger"] == same.document["live"]
    table = project.root / "points" / "1.parquet"
    frame = pl.read_parquet(table)
    frame.head(frame.height - 3).write_parquet(table)
    new = project.cli("retrain", "line@prod", "--why", "three rows less", "--json")
    assert new.code == 0, new.err
    document = new.document
    assert document["challenger"] != document["live"]
    assert document["staleness"]["verdict"] == "inconclusive", "nobody has asked live anything yet"
    assert project.store.get(document["plan"], "plan")["kind"] == "plan"
    assert {"auc", "brier"} <= {check["name"] for check in document["checks"]}
    assert document["promoted"] is None
    assert document["why_not"] == "the policy in force lets retrain propose only"
    assert project.store.resolve(REF) == live


@pytest.mark.slow
def test_a_retrain_that_a_page_started_ends_with_up_and_leaves_no_process(released: Project, tmp_path: Path) -> None:
    project = released.copy(tmp_path / "project")
    project.edit("strength: 1.0", "strength: 0.5")
    with Retraining(Settings(project.root, debug=False, environ=project.environ)) as retraining:
        retraining.start(REF, who="ann", why="the page")
        end = time.monotonic() + 120
        while not any("..." in line for line in running(retraining).lines) and time.monotonic() < end:
            time.sleep(0.05)
        assert running(retraining).running, "it is in the midst of a step"
        assert retraining.running() == REF
        assert working_in(project.root) != []
    ended = running(retraining)
    assert (ended.running, ended.code, ended.document) == (False, 130, None)
    assert working_in(project.root) == []


def working_in(folder: Path) -> list[str]:
    """The processes that work there."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(OSError):  # of somebody else, or gone by now
            if Path(os.readlink(place)).is_relative_to(folder):
                found.append(place.parent.name)
    return found


def running(retraining: Retraining) -> Retrained:
    found = retraining.look(REF)
    assert found is not None
    return found


@pytest.mark.slow
def test_where_the_policy_says_so_retrain_promotes_what_its_gate_lets_pass(released: Project, tmp_path: Path) -> None:
    project = released.copy(tmp_path / "project")
    project.edit("    approvals: 1\n", "    retrain: promotes\n")
    done = project.cli("apply", "--why", "first")
    assert done.code == 0, done.err
    table = project.root / "points" / "1.parquet"
    frame = pl.read_parquet(table)
    frame.head(frame.height - 3).write_parquet(table)
    done = project.cli("retrain", "line@prod", "--why", "three rows less")
    assert done.code == 0, done.err
    assert f"promoted: {REF} is at" in done.out
    record = project.store.history(REF)[0]
    assert (record.outcome, record.why) == ("moved", "retrain: three rows less")
