"""`shipway retrain` on the small project: nothing new is said, new data make a challenger and a plan, and nothing moves."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from cli_project import REF, Project

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
    assert project.store.resolve(REF) == live
