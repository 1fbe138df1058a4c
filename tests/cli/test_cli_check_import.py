"""`shipway check import`: a project that has nothing but data and another tool's report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SPEC = "project: churn\ndata:\n  rows: {path: data}\n"
GOOD = '<testsuite tests="1"><testcase name="a"/></testsuite>'
BAD = '<testsuite tests="1"><testcase name="a"><failure/></testcase></testsuite>'


class Desk:
    """A folder with a spec, data and reports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "data").mkdir()
        (folder / "data" / "rows.csv").write_text("x\n1\n")
        for name, text in {"shipway.yaml": SPEC, "good.xml": GOOD, "bad.xml": BAD, "n.json": '{"a": {"b": 3}}'}.items():
            (folder / name).write_text(text)

    def shipway(self, *words: str, code: int = 0) -> Any:
        environ = {**os.environ, "SHIPWAY_KEYS": str(self.folder / "keys"), "MLFLOW_TRACKING_URI": ""}
        command = [sys.executable, "-m", "shipway", "-C", str(self.folder), *words, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=120, check=False)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    found = Desk(tmp_path)
    found.shipway("data", "snapshot")
    return found


def test_a_report_is_kept_as_evidence_about_what_a_ref_names(desk: Desk) -> None:
    kept = desk.shipway("check", "import", "good.xml", "--as", "tests", "--subject", "data/rows")
    assert (kept["kind"], kept["name"], kept["verdict"], kept["n"]) == ("check-import", "import.tests", "pass", 1)
    failed = desk.shipway("check", "import", "bad.xml", "--as", "tests", "--subject", kept["subject"], code=1)
    assert (failed["verdict"], failed["value"], failed["subject"]) == ("fail", 1.0, kept["subject"])
    number = ("check", "import", "n.json", "--as", "n", "--path", "a.b", "--subject", "data/rows")
    assert desk.shipway(*number, code=2)["verdict"] == "inconclusive"
    assert desk.shipway(*number, "--at-most", "3")["threshold"] == 3.0


MISUSED = [
    ["good.xml", "--as", "t", "--at-least", "1"],
    ["good.xml", "--as", "t", "--path", "a"],
    ["n.json", "--as", "t"],
    ["n.json", "--as", "t", "--path", "a.b", "--at-least", "1", "--at-most", "2"],
    ["n.json", "--as", "t", "--path", "a.b", "--at-least", "nan"],
    ["n.json", "--as", "t", "--format", "json"],
    ["n.json", "--as", "t", "--metric", "auc", "--run", "r1"],
    ["--as", "t", "--metric", "auc"],
    ["--as", "t", "--metric", "auc", "--run", "r1"],
    ["good.xml", "--as", "t", "--release", "abcd"],
]


def test_words_that_do_not_fit_are_told_and_nothing_is_kept(desk: Desk) -> None:
    before = sorted(path.name for path in (desk.folder / ".shipway" / "objects").rglob("*") if path.is_file())
    for words in MISUSED:
        said = desk.shipway("check", "import", *words, "--subject", "data/rows", code=64)
        assert said["error"]["code"] == "cli.misused", words
    assert (
        desk.shipway("check", "import", "no.xml", "--as", "t", "--subject", "data/rows", code=1)["error"]["code"]
        == "cli.file-unusable"
    )
    assert sorted(path.name for path in (desk.folder / ".shipway" / "objects").rglob("*") if path.is_file()) == before
