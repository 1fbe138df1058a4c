"""`shipway data` of a data set from a database: snapshot, status, what was appended, and errors without a password."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from cli_project import Project

SPEC = """project: shop
data:
  customers: {sql: q.sql, key: id}
  visits: {sql: visits.sql, from: sqlite:shop.db, watermark: [at, id]}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path, tmp_path / "keys", more={"CUSTOMERS_URL": "shop.db"})
    (tmp_path / "shipway.yaml").write_text(SPEC)
    (tmp_path / "q.sql").write_text("SELECT id, name FROM customers;\n")
    (tmp_path / "visits.sql").write_text("SELECT * FROM visits")
    do(project, "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT)", "CREATE TABLE visits (id INTEGER, at TEXT)")
    do(project, "INSERT INTO customers VALUES (1, 'ann'), (2, 'bob')", "INSERT INTO visits VALUES (1, '2026-01-01')")
    return project


def do(project: Project, *statements: str) -> None:
    base = sqlite3.connect(project.root / "shop.db", isolation_level=None)
    for statement in statements:
        base.execute(statement)
    base.close()


def test_rows_of_a_database_are_taken_compared_and_brought_back(project: Project) -> None:
    first = project.ask("data", "snapshot")
    assert [(row["name"], row["rows"], row["files"]) for row in first["data"]] == [("customers", 2, 1), ("visits", 1, 1)]
    assert project.cli("data", "status").code == 0
    do(project, "DELETE FROM customers WHERE id = 1", "INSERT INTO visits VALUES (1, '2026-01-02')")
    status = project.cli("data", "status", "--json")
    assert status.code == 1
    assert [(len(row["added"]), len(row["removed"]), len(row["changed"])) for row in status.document["data"]] == [
        (1, 1, 0),
        (0, 0, 1),
    ]
    assert [row["rows"] for row in project.ask("data", "snapshot")["data"]] == [1, 1]
    project.ask("data", "checkout", "customers")
    assert len(list((project.root / "data/customers").iterdir())) == 1
    (project.root / "visits.sql").write_text("SELECT id, at FROM visits WHERE id > 0")
    refused = project.cli("data", "snapshot", "visits", "--json")
    assert refused.document["error"]["code"] == "data.source-changed"
    assert project.ask("data", "snapshot", "visits", "--whole")["data"][0]["rows"] == 2
    do(project, "DELETE FROM customers")
    assert project.cli("data", "snapshot", "customers", "--json").document["error"]["code"] == "data.empty"
    project.more["CUSTOMERS_URL"] = "postgresql://ann:hunter2@127.0.0.1:9/shop"
    down = project.cli("data", "snapshot", "customers")
    assert "data.source-down" in down.err
    assert "hunter2" not in down.out + down.err
    del project.more["CUSTOMERS_URL"]
    assert "the variable CUSTOMERS_URL is not set" in project.cli("data", "snapshot", "customers").err
