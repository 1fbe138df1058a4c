"""`shipway watch --predictions`: no project, no release; text, a document, a page."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result

from shipway.cli._output import Misused
from shipway.cli._settings import read_settings
from shipway.cli.watch import command
from shipway.kernel.errors import ShipwayError


def watch(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(command, words, obj=read_settings(directory=str(folder), debug=False))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(1)
    for name, tilt in (("reference.parquet", 0.0), ("log/day.parquet", 1.5)):
        x = random.normal(size=1400)
        times = [datetime(2013, 2, 1) + timedelta(minutes=28 * at) for at in range(1400)]
        columns = {"request": [f"{at}:0" for at in range(1400)], "at": times, "x": x, "p": 1 / (1 + np.exp(-x))}
        truth = (random.random(1400) < 1 / (1 + np.exp(-(x + tilt)))).astype(int)
        (tmp_path / name).parent.mkdir(exist_ok=True)
        frame = pl.DataFrame({**columns, "late": truth})
        (frame if tilt == 0 else frame.drop("late")).write_parquet(tmp_path / name)
        frame.select(id="request", late="late").write_csv(tmp_path / "outcomes.csv")
    return tmp_path


COLUMNS = ("--id", "request", "--time", "at", "--score", "p", "--label", "late")


def test_a_folder_of_somebodys_log_is_judged_with_outcomes_that_lie_beside_it(folder: Path) -> None:
    words = ("--predictions", "log", "--reference", "reference.parquet", *COLUMNS)
    alone = watch(folder, *words)
    assert alone.exit_code == 2, alone.output
    assert "no row has a label: --outcomes FILE" in alone.stdout
    (folder / "outcomes.csv").write_text((folder / "outcomes.csv").read_text().replace("id,late", "id,value"))
    done = watch(folder, *words, "--outcomes", "outcomes.csv", "--html", "page.html")
    assert done.exit_code == 1, done.output
    assert "fail         base_rate" in done.stdout
    assert "  expected     roc_auc " in done.stdout
    assert "assumes that P(label | score) is what it was in the reference; 98.5% of 1,400 rows are like" in done.stdout
    assert done.stdout.splitlines()[-1] == "next: open page.html"
    assert "<svg" in (folder / "page.html").read_text()
    document = json.loads(watch(folder, *words, "--outcomes", "outcomes.csv", "--json").stdout)
    assert (document["kind"], document["version"], document["verdict"]) == ("watch-window", 1, "fail")
    assert document["estimated"]["of"] == "probability"
    assert document["estimated"]["metrics"]["base_rate"]["realised"] is not None
    assert document["chosen"] == {
        "id": "request",
        "time": "at",
        "score": "p",
        "label": None,
        "label_time": None,
        "weight": None,
    }
    assert [feature["name"] for feature in document["features"]] == ["prediction", "x"]


def test_what_does_not_fit_is_one_error(folder: Path) -> None:
    both = ("--predictions", "log", "--reference", "reference.parquet")
    (folder / "torn.parquet").write_bytes(b"PAR1" * 100)
    for words in (
        ("--predictions", "log"),
        ("prod", *both),
        (*both, "--score", "nil"),
        (*both, "--ignore", "nil"),
        (*both, "--window", "soon"),
        (*both, "--window", "0d"),
        (*both, "--window", "99999999w"),
        (*both, "--until", "later"),
        (*both, "--matures", "99999999w"),
        (*both, "--outcomes", "outcomes.csv"),
        (*both, "--outcomes", "gone.csv", "--id", "request"),
        (*both, "--html", "no/such/folder.html"),
        ("--predictions", "torn.parquet", "--reference", "reference.parquet"),
        ("--predictions", "gone", "--reference", "reference.parquet"),
        ("--predictions", "s3://", "--reference", "reference.parquet"),
    ):
        done = watch(folder, *words)
        assert isinstance(done.exception, ShipwayError), (words, done.exception)
    assert isinstance(watch(folder, "--reference", "reference.parquet").exception, Misused)
