"""`shipway watch --predictions`: no project, no release; text, a document, a page."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result

from shipway.cli._output import Misused
from shipway.cli._settings import read_settings
from shipway.cli.watch import command
from shipway.data import DataEmpty, DataUnreadable
from shipway.kernel.errors import ShipwayError

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))

from store_help import BUCKET, s3_client, s3_environ


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


def test_a_column_that_is_declared_is_a_text_whatever_it_looks_like_or_is_called(folder: Path) -> None:
    words = ["gate A", "gate B", "no gate"] * 100
    for name, said in (("reference.csv", words), ("log.csv", [f"{one} see http://a.b" for one in words])):
        pl.DataFrame({"answer": said, "x": np.arange(300.0), "probability": 0.5}).write_csv(folder / name)
    both = ("--predictions", "log.csv", "--reference", "reference.csv", "--json")
    names = {feature["name"] for feature in json.loads(watch(folder, *both, "--text", "answer").stdout)["features"]}
    assert {"x", "answer.length", "answer.link", "answer.unknown_words"} < names
    assert "answer" not in names
    for words_, why, mend in (
        (("--text", "answr"), "in no column called answr", "meant answer?"),
        (("--text", "x"), "column x holds no texts", "columns of words"),
        (("--text", "x", "--ignore", "x"), "x is named as a text and as something else", "--text COLUMN"),
    ):
        problem = watch(folder, *both, *words_).exception
        assert isinstance(problem, ShipwayError)
        assert (why in problem.what, mend in str(problem.mend)) == (True, True), problem


def test_a_csv_that_is_cut_in_the_middle_of_a_row_is_told_or_refused(folder: Path) -> None:
    rows = [f'{at},2013-02-01T00:00:{at % 60:02},{at / 4_000},0.5,"gate {at}, hall"' for at in range(4_000)]
    whole = "\n".join(["id,time,x,probability,note", *rows])
    (folder / "whole.csv").write_text(whole)
    both = ("--predictions", "log", "--reference", "whole.csv", "--json")
    (folder / "log" / "day.parquet").unlink()
    for end, told in (
        (whole, []),
        (whole + "\n", []),
        (whole + "\n4000,2013-02-01", ["day.csv seems cut: its last line has 2 of 5 fields and no end"]),
        (whole + "\n4000,2013-02-01T00:00:00,0.5,0.5,", []),
    ):
        (folder / "log" / "day.csv").write_text(end)
        done = watch(folder, *both)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        assert json.loads(done.stdout)["notes"] == told
    for end in (whole[: whole.rindex(",")], "\n".join(whole.splitlines()[:100]).removesuffix('"')):  # within quotes
        (folder / "log" / "day.csv").write_text(end)
        assert isinstance(watch(folder, *both).exception, DataUnreadable)
    (folder / "log" / "day.csv").write_text(whole)
    (folder / "whole.csv").write_text(whole[: whole.rindex(",")])
    assert isinstance(watch(folder, *both).exception, DataUnreadable)


def test_predictions_reference_and_outcomes_are_read_in_a_bucket(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3_environ().items():
        monkeypatch.setenv(name, value)
    client, address = s3_client(s3_environ()), f"s3://{BUCKET}/{folder.name}/"
    (folder / "outcomes.csv").write_text((folder / "outcomes.csv").read_text().replace("id,late", "id,value"))
    for path in (file for file in folder.rglob("*") if file.is_file()):
        client.put_object(Bucket=BUCKET, Key=f"{folder.name}/{path.relative_to(folder)}", Body=path.read_bytes())

    def found(place: str) -> dict[str, object]:
        given = {"--predictions": "log", "--reference": "reference.parquet", "--outcomes": "outcomes.csv"}
        words = [word for option, name in given.items() for word in (option, place + name)]
        document: dict[str, object] = json.loads(watch(folder, *words, *COLUMNS, "--json").stdout)
        return document

    there = found(address)
    assert there == {**found(""), "predictions": f"{address}log", "reference": f"{address}reference.parquet"}
    assert there["verdict"] == "fail"
    gone = watch(folder, "--predictions", f"{address}gone", "--reference", f"{address}reference.parquet").exception
    assert isinstance(gone, DataEmpty)


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
    for more in (("--months",), ("--slices",), ("--hours", "2013-02-01..2013-02-02"), ("--sentinel",), ("--new-baseline",)):
        assert isinstance(watch(folder, *both, *more).exception, Misused), more
    for given, name in (
        (("--html", "page.html"), "--html"),
        (("delay@prod", "--id", "request"), "--id"),
        (("--text", "note", "--window", "7d"), "--window, --text"),
        (("--label-time", "at"), "--label-time"),
    ):
        found = watch(folder, *given).exception
        assert isinstance(found, Misused)
        assert {*name.split(", ")} == {*found.what.split(" goes with ")[0].split(", ")}
