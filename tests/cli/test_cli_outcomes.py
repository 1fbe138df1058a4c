"""Outcomes by file and by Python, in a project without a model: an outcome may come before anybody is asked."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

import shipway
from shipway.cli._settings import read_settings
from shipway.cli.outcomes import command
from shipway.kernel.errors import ShipwayError
from shipway.monitor import ColumnUnknown, OutcomeMalformed


def outcomes(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(command, words, obj=read_settings(directory=str(folder), debug=False))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shipway.yaml").write_text("project: test\n")
    return tmp_path


def test_files_of_every_form_and_a_folder_of_them_are_outcomes_and_a_second_time_nothing_is_new(folder: Path) -> None:
    table = pl.DataFrame({"id": ["r:0", "r:1"], "name": ["late", "spend"], "value": [1.0, 9.5], "unit": [None, "usd"]})
    (folder / "in").mkdir()
    table.write_parquet(folder / "in" / "a.parquet")
    table.with_columns(id=pl.col("id") + "0").write_parquet(folder / "in" / "b.parquet")
    (folder / "in" / "_SUCCESS").write_text("")
    (folder / "c.csv").write_text("prediction_id,late,time\nr:2,1,2013-02-02T10:00:00\n")
    (folder / "d.jsonl").write_text('{"id": "r:3", "name": "late", "value": 0}\n')
    done = outcomes(folder, "import", "in", "c.csv", "d.jsonl", "--json")
    assert done.exit_code == 1, "a.parquet has no id that c.csv could take"
    assert isinstance(done.exception, ColumnUnknown)
    assert done.exception.where == "c.csv"
    done = outcomes(folder, "import", "in", "d.jsonl", "--json")
    assert json.loads(done.stdout) == {
        "kind": "outcomes-import", "version": 1, "files": ["in", "d.jsonl"], "rows": 5, "recorded": 1,
    }  # fmt: skip
    done = outcomes(folder, "import", "c.csv", "--name", "late")
    assert done.stdout.splitlines() == ["c.csv: 1 recorded, 0 known already or twice", "next: shipway outcomes"]
    found = json.loads(outcomes(folder, "--json").stdout)["outcomes"]
    assert [(one["name"], one["rows"], one["ids"], one["orphans"], one["units"]) for one in found] == [
        ("late", 4, 4, 4, []),
        ("spend", 2, 2, 2, ["usd"]),
    ]
    (folder / "c.csv").write_text((folder / "c.csv").read_text() + "r:4,1")
    done = outcomes(folder, "import", "c.csv", "--name", "late")
    assert done.stderr == "c.csv seems cut: its last line has 2 of 3 fields and no end\n"
    assert done.stdout.startswith("c.csv: 1 recorded, 1 known already")


def test_files_of_customers_are_outcomes_by_the_column_that_is_named_or_called_so(folder: Path) -> None:
    (folder / "a.csv").write_text("id,customer,churned,time\n1,C17,1,2013-02-02T10:00:00\n2,C18,0,2013-02-02T10:00:00\n")
    (folder / "b.csv").write_text("entity_id,name,value,time\nC17,churned,1,2013-02-02T10:00:00Z\nC17,churned,0,2013-02-03\n")
    words = ("import", "a.csv", "--name", "churned", "--entity", "customer", "--json")
    assert [json.loads(outcomes(folder, *words).stdout)["recorded"] for _ in range(2)] == [2, 0]
    assert json.loads(outcomes(folder, "import", "b.csv", "--json").stdout)["recorded"] == 1, (
        "of one customer and time it is known"
    )
    (found,) = json.loads(outcomes(folder, "--json").stdout)["outcomes"]
    assert (found["rows"], found["entities"], found["orphans"]) == (3, 3, 3)


def test_nothing_of_a_file_with_a_bad_row_is_kept_and_what_cannot_be_read_is_one_error(folder: Path) -> None:
    (folder / "bad.csv").write_text("id,name,value\nr:0,late,1\nr:1,late,\n")
    assert isinstance(outcomes(folder, "import", "bad.csv").exception, OutcomeMalformed)
    (folder / "torn.parquet").write_bytes(b"PAR1 torn")
    (folder / "empty.csv").write_text("")
    (folder / "nest.jsonl").write_text("[" * 100_000)
    for name in ("torn.parquet", "empty.csv", "nest.jsonl", "gone.csv", "notes.txt", "s3://", "in\0side.csv"):
        failed = outcomes(folder, "import", name)
        assert isinstance(failed.exception, ShipwayError), (name, failed.exception)
    assert "no outcome has been recorded" in outcomes(folder).stdout


def test_python_records_in_a_project_and_keeps_the_log_open_for_many(folder: Path) -> None:
    assert shipway.record_outcomes([{"id": "r:0", "name": "late", "value": 1}], project=folder) == 1
    with shipway.outcomes(folder) as log:
        log.record([{"id": "r:0", "name": "late", "value": 0}])
        log.record_table(pl.DataFrame({"id": ["r:9"], "name": ["late"], "value": [1]}))
    (found,) = json.loads(outcomes(folder, "--json").stdout)["outcomes"]
    assert (found["rows"], found["ids"], found["corrected"]) == (3, 2, 1)
