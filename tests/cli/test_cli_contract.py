"""`shipway contract check`: a file and a suite, without a project."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SHIPWAY = str(Path(sys.prefix) / "bin" / "shipway")


def shipway(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return contract(folder, "check", *words)


def contract(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SHIPWAY, "contract", *words], cwd=folder, capture_output=True, text=True, check=False)


def test_a_file_is_judged_without_a_project(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("i,s\n1,a\n2,b\n9,c\n")
    kwargs = {"column": "i", "max_value": 5}
    suite = {"name": "t", "expectations": [{"type": "expect_column_values_to_be_between", "kwargs": kwargs, "meta": {}}]}
    (tmp_path / "s.json").write_text(json.dumps(suite))
    told = shipway(tmp_path, "t.csv", "--suite", "s.json")
    assert told.returncode == 1
    assert "expect_column_values_to_be_between of i: 1 of 3 rows: 9" in told.stdout
    assert told.stdout.splitlines()[-1].startswith("next: shipway ")
    document = json.loads(shipway(tmp_path, "t.csv", "--suite", "s.json", "--result-format", "COMPLETE", "--json").stdout)
    assert (document["kind"], document["version"], document["engine"]) == ("suite-result", 1, "shipway")
    assert document["result"]["results"][0]["result"]["unexpected_list"] == [9]
    kwargs["max_value"] = 9
    (tmp_path / "s.json").write_text(json.dumps(suite))
    assert shipway(tmp_path, "t.csv", "--suite", "s.json").returncode == 0


def test_a_suite_takes_parameters_other_tables_and_a_result_format_that_is_an_object(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("i,s\n1,a\n2,b\n9,c\n")
    (tmp_path / "o.csv").write_text("i\n9\n2\n8\n")
    query = "select i from {batch} where i not in (select i from other)"
    asked = [
        ("expect_column_values_to_be_between", {"column": "i", "max_value": {"$PARAMETER": "most * 2"}}),
        ("unexpected_rows_expectation", {"unexpected_rows_query": query}),
        ("expect_table_row_count_to_equal_other_table", {"other_table_name": "other"}),
    ]
    (tmp_path / "s.json").write_text(json.dumps({"expectations": [{"type": kind, "kwargs": kwargs} for kind, kwargs in asked]}))
    form = '{"result_format": "COMPLETE", "unexpected_index_column_names": ["s"]}'
    words = ["t.csv", "--suite", "s.json", "--parameter", "most=2", "--table", "other=o.csv", "--result-format", form]
    rows, found, counted = json.loads(shipway(tmp_path, *words, "--json").stdout)["result"]["results"]
    assert rows["result"]["unexpected_index_list"] == [{"i": 9, "s": "c"}]
    assert found["result"] == {"observed_value": 1, "details": {"unexpected_rows": [{"i": 1}]}}
    assert (counted["success"], counted["result"]["observed_value"]) == (True, {"self": 3, "other": 3})
    nameless = shipway(tmp_path, "t.csv", "--suite", "s.json", "--parameter", "most")
    assert (nameless.returncode, "--parameter NAME=VALUE" in nameless.stderr) == (64, True)


def test_what_is_missing_or_unknown_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("i\n1\n")
    (tmp_path / "s.json").write_text('{"expectations": [{"type": "expect_magic", "kwargs": {}}]}')
    unknown = shipway(tmp_path, "t.csv", "--suite", "s.json")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "expect_magic" in unknown.stderr
    assert "--engine gx" in unknown.stderr
    (tmp_path / "s.json").write_text('{"expectations": []}')
    assert "data.missing" in shipway(tmp_path, "none.csv", "--suite", "s.json").stderr
    assert "data.suite-malformed" in shipway(tmp_path, "t.csv", "--suite", "none.json").stderr
    assert shipway(tmp_path, "t.csv", "--suite", "s.json", "--python", "python3").returncode == 64


def test_a_contract_is_proposed_and_no_file_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,s\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(40)))
    told = contract(tmp_path, "infer", "t.csv").stdout
    assert "    contract:\n      # Proposed from 40 rows." in told
    assert "one_of: [a, b]" in told
    assert told.splitlines()[-1] == "next: shipway contract infer t.csv -o contract.yaml"
    made = contract(tmp_path, "infer", "t.csv", "-o", "contract.yaml", "--json")
    document = json.loads(made.stdout)
    assert (document["kind"], document["rows"], document["contract"]["unique"]) == ("contract-proposed", 40, [["id"]])
    assert (tmp_path / "contract.yaml").read_text() == document["text"]
    again = contract(tmp_path, "infer", "t.csv", "-o", "contract.yaml")
    assert (again.returncode, "cli.file-unusable" in again.stderr) == (1, True)
    assert (tmp_path / "contract.yaml").read_text() == document["text"]
    assert "data.missing" in contract(tmp_path, "infer", "none.csv").stderr


def test_splits_and_personal_data_are_checked_without_a_project(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("id,mail,late\n" + "".join(f"{n},a{n}@example.org,{n % 2}\n" for n in range(40)))
    (tmp_path / "test.csv").write_text("id,mail,late\n" + "".join(f"{n},a{n}@example.org,{n % 2}\n" for n in range(38, 60)))
    told = contract(tmp_path, "splits", "train.csv", "test.csv", "--key", "id", "--target", "late")
    assert told.returncode == 1
    assert (
        "fail         splits.rows_in_both 0.09091 n=22  (2 of 22 test rows equal a row of training in 3 columns)" in told.stdout
    )
    document = json.loads(contract(tmp_path, "splits", "train.csv", "test.csv", "--overlap", "0.1", "--json").stdout)
    assert (document["kind"], document["checks"][0]["verdict"], document["evidence"]) == ("splits", "pass", None)
    flagged = contract(tmp_path, "personal", "train.csv", "--json")
    assert (flagged.returncode, json.loads(flagged.stdout)["checks"][1]["name"]) == (1, "personal.mail")
    assert "data.key-missing" in contract(tmp_path, "splits", "train.csv", "test.csv", "--time", "at").stderr
