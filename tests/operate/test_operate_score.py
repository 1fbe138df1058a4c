"""Files scored by a release's model in a process of its own: formats, bad rows, what does not fit, predictors that die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

from cli_project import Project

from shipway.environment import default_cache
from shipway.kernel.errors import ShipwayError
from shipway.kernel.workers import Threads
from shipway.operate import OutputRefused, Scored, ScoreTask, ScoringFailed, score_files, score_task
from shipway.operate._piped import PipedPredictor, close_predictors, predictor_of_thread

pytest_plugins = ["cli_fixtures"]
ALONE = Path(__file__).parents[2] / "bench" / "alone.py"


def rows(count: int, *, seed: int = 3) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    names = [f"p{row:05}" for row in range(count)]
    return pl.DataFrame({"point": names, "x": random.normal(size=count), "y": random.normal(size=count)})


@pytest.fixture(name="task", scope="module")
def _task(released: Project, tmp_path_factory: pytest.TempPathFactory) -> ScoreTask:
    small = released.copy(tmp_path_factory.mktemp("score") / "project")
    (release,) = small.store.targets("release/", "sha256:")
    environ = {"PATH": os.environ["PATH"]}
    return score_task(
        small.store, release, model=None, keep=("point",), batch=100, environ=environ, cache=default_cache(), report=print
    )


def score(task: ScoreTask, given: Path, out: Path, *, workers: int = 1) -> Scored:
    return score_files(task, given, out, workers=Threads(workers), tell=lambda *_: None, report=print)


def test_a_folder_of_csv_parquet_and_json_lines_is_scored_in_the_order_of_its_names(task: ScoreTask, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    (folder / "deep").mkdir(parents=True)
    parts = [rows(count, seed=count) for count in (70, 180, 90)]
    parts[0].write_csv(folder / "a.csv")
    parts[1].write_parquet(folder / "b.parquet")
    parts[2].write_ndjson(folder / "deep" / "c.jsonl")
    (folder / ".hidden.csv").write_text("nothing\n1\n")
    assert score(task, folder, tmp_path / "scored.csv", workers=2) == Scored(340, 4, 0, 0)
    pl.concat(parts).write_parquet(tmp_path / "whole.parquet")
    score(task, tmp_path / "whole.parquet", tmp_path / "whole.arrow")
    expected, found = pl.read_ipc(tmp_path / "whole.arrow"), pl.read_csv(tmp_path / "scored.csv")
    assert found["row"].equals(expected["row"])
    assert found["point"].equals(pl.concat(parts)["point"])
    np.testing.assert_array_equal(found["probability"], expected["probability"])


def test_rows_on_which_the_model_fails_have_an_error_and_cost_no_other(task: ScoreTask, tmp_path: Path) -> None:
    whole = rows(400).with_row_index("at")
    gaps = whole.with_columns(pl.when(pl.col("at").is_in([7, 250])).then(None).otherwise(pl.col("x")).alias("x"))
    gaps.write_parquet(tmp_path / "gaps.parquet")
    assert score(task, tmp_path / "gaps.parquet", tmp_path / "out.parquet") == Scored(400, 4, 0, 2)
    out = pl.read_parquet(tmp_path / "out.parquet")
    bad = out.filter(pl.col("error").is_not_null())
    assert bad["row"].to_list() == [7, 250]
    assert "ValueError" in bad["error"][0]
    assert out["probability"].is_null().to_list() == out["error"].is_not_null().to_list()
    whole.write_parquet(tmp_path / "whole.parquet")
    score(task, tmp_path / "whole.parquet", tmp_path / "whole.out.parquet")
    answered = pl.read_parquet(tmp_path / "whole.out.parquet")["probability"]
    good = out["error"].is_null()
    np.testing.assert_array_equal(out["probability"].filter(good), answered.filter(good))


def test_a_model_that_fails_on_all_rows_is_not_asked_a_hundred_thousand_times(task: ScoreTask, tmp_path: Path) -> None:
    rows(5000).with_columns(x=pl.lit(None, pl.Float64)).write_parquet(tmp_path / "gaps.parquet")
    with pytest.raises(ScoringFailed, match="more than 100 rows") as raised:
        score(replace(task, batch=5000), tmp_path / "gaps.parquet", tmp_path / "out.parquet")
    assert raised.value.where == "gaps.parquet, rows 0 to 5,000"
    assert list(tmp_path.iterdir()) == [tmp_path / "gaps.parquet"]


@pytest.mark.parametrize(
    ("change", "out", "code", "says"),
    [
        (lambda t: t.drop("x"), "out.parquet", "models.input-mismatch", "column x: expected FP64, given no such column"),
        (
            lambda t: t.with_columns(y=pl.lit("w")),
            "out.parquet",
            "models.input-mismatch",
            "column y: expected FP64, given String",
        ),
        (lambda t: t.drop("point"), "out.parquet", "models.input-mismatch", "column point: expected a column to keep"),
        (lambda t: t.head(0), "out.parquet", "data.empty", "holds no rows"),
        (lambda t: t, "out.xlsx", "operate.output-refused", "of no format"),
        (lambda t: t, "away/out.parquet", "operate.output-refused", "cannot be a file there"),
        (lambda t: t, "new.parquet", "operate.output-refused", "is what is scored"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_written(
    task: ScoreTask, tmp_path: Path, change: Callable[[pl.DataFrame], pl.DataFrame], out: str, code: str, says: str
) -> None:
    change(rows(50)).write_parquet(tmp_path / "new.parquet")
    with pytest.raises(ShipwayError, match=says) as raised:
        score(task, tmp_path / "new.parquet", tmp_path / out)
    assert raised.value.code == code
    assert list(tmp_path.iterdir()) == [tmp_path / "new.parquet"]


def test_a_cut_file_and_a_missing_one_are_clear_errors_and_a_folder_does_not_take_its_own_output(
    task: ScoreTask, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    file = tmp_path / "in" / "cut.parquet"
    rows(5000).write_parquet(file)
    file.write_bytes(file.read_bytes()[:-3000])
    for given, code in ((file, "data.unreadable"), (tmp_path / "gone.csv", "data.missing")):
        with pytest.raises(ShipwayError) as raised:
            score(task, given, tmp_path / "out.parquet")
        assert raised.value.code == code
    with pytest.raises(OutputRefused, match="would be among what is scored"):
        score(task, tmp_path / "in", tmp_path / "in" / "out.parquet")
    assert list(tmp_path.iterdir()) == [tmp_path / "in"]


def test_what_is_scored_is_never_replaced_by_its_answers(task: ScoreTask, tmp_path: Path) -> None:
    given, out = tmp_path / "new.parquet", tmp_path / "linked.parquet"
    rows(5).write_parquet(given)
    out.symlink_to(given)
    before = given.read_bytes()
    for name in (given, out):
        with pytest.raises(OutputRefused, match="is what is scored"):
            score_files(task, given, name, workers=Threads(1), tell=lambda *_: None, report=print, replace=True)
    assert given.read_bytes() == before


@pytest.mark.parametrize("name", ["row", "release", "error", "probability"])
def test_a_column_that_is_called_as_one_of_the_output_is_not_kept(task: ScoreTask, tmp_path: Path, name: str) -> None:
    rows(5).with_columns(pl.lit(1).alias(name)).write_parquet(tmp_path / "new.parquet")
    with pytest.raises(OutputRefused, match=f"OUT has a column {name} of its own"):
        score(replace(task, keep=("point", name)), tmp_path / "new.parquet", tmp_path / "out.parquet")
    assert list(tmp_path.iterdir()) == [tmp_path / "new.parquet"]


def test_a_predictor_that_was_killed_is_one_error_and_the_next_batch_has_a_new_one(task: ScoreTask) -> None:
    arrays = {name: rows(5)[name].to_numpy() for name in ("x", "y")}
    predictor = predictor_of_thread(task.command)
    answers = predictor.score(arrays)
    os.kill(predictor.pid, signal.SIGKILL)
    with pytest.raises(ScoringFailed, match=r"was killed \(9\)"):
        predictor.score(arrays)
    other = predictor_of_thread(task.command)
    assert other is not predictor
    np.testing.assert_array_equal(other.score(arrays)["probability"], answers["probability"])
    close_predictors()
    assert not other.alive


def test_a_predictor_that_cannot_load_its_model_says_why(task: ScoreTask, tmp_path: Path) -> None:
    config = Path(task.command.words[-1])
    damaged, model = tmp_path / "serving.json", tmp_path / "model"
    model.write_bytes(b"not a model")
    text = config.read_text()
    start = text.index('"model_file":"') + len('"model_file":"')
    damaged.write_text(text[:start] + str(model) + text[text.index('"', start) :])
    words = (*task.command.words[:-1], str(damaged))
    with pytest.raises(ScoringFailed, match="the model file is damaged"):
        PipedPredictor(task.command._replace(words=words))


@pytest.mark.slow
def test_a_file_of_ten_times_the_rows_takes_no_more_memory(released: Project, tmp_path: Path) -> None:
    """What is held are batches, also where whoever reads is quicker than the model."""
    small, most = released.copy(tmp_path / "project"), []
    for count in (400_000, 4_000_000):
        numbers = np.random.default_rng(3).normal(size=(2, count))
        text = pl.Series(np.arange(count)).cast(pl.String) + "-of-some-forty-letters-that-nobody-reads-"
        table = pl.DataFrame({"point": text, "x": numbers[0], "y": numbers[1]})
        table.write_parquet(tmp_path / "in.parquet", row_group_size=50_000)
        del table, text, numbers
        words = ["score", "release/line", "../in.parquet", f"../{count}.parquet", "--keep", "point"]
        alone = [sys.executable, "-I", "-S", str(ALONE), str(tmp_path / "used.json"), sys.executable, "-m", "shipway"]
        subprocess.run([*alone, *words], cwd=small.root, env=small.environ, check=True, capture_output=True)
        assert pl.scan_parquet(tmp_path / f"{count}.parquet").select(pl.len()).collect().item() == count
        most.append(json.loads((tmp_path / "used.json").read_text())["megabytes"])
    assert most[1] < most[0] * 1.25, most
