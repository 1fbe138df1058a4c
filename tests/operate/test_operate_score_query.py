"""Rows of a query scored as they come: nothing brought first, and after a kill the output is that of one reading."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest
from operate_help import Project

from shipway.data.sql import Query, parse_address
from shipway.environment import default_cache
from shipway.kernel.errors import ShipwayError
from shipway.kernel.workers import Threads
from shipway.operate import Asked, Scored, ScoreTask, score_files, score_query, score_task

pytest_plugins = ["cli_fixtures"]

ROWS = 1050
ASKED = "SELECT point, x, y FROM points"


class Killed(BaseException):
    """As if the process ended here."""


@pytest.fixture(name="task", scope="module")
def _task(released: Project, tmp_path_factory: pytest.TempPathFactory) -> ScoreTask:
    small = released.copy(tmp_path_factory.mktemp("score") / "project")
    (release,) = small.store.targets("release/", "sha256:")
    environ = {"PATH": os.environ["PATH"]}
    return score_task(
        small.store, release, model=None, keep=("point",), batch=100, environ=environ, cache=default_cache(), report=print
    )


@pytest.fixture(name="asked")
def _asked(tmp_path: Path) -> Asked:
    """A table whose rows do not lie in the order of their key."""
    random = np.random.default_rng(3)
    rows = [(f"p{row:05}", x, y) for row, (x, y) in enumerate(random.normal(size=(ROWS, 2)).tolist())]
    with closing(sqlite3.connect(tmp_path / "rows.db")) as base:
        base.execute("CREATE TABLE points (point TEXT, x REAL, y REAL)")
        base.executemany("INSERT INTO points VALUES (?, ?, ?)", reversed(rows))
        base.commit()
    return Asked("points", parse_address("sqlite:rows.db", root=tmp_path), Query(ASKED, key=("point",)))


def change(asked: Asked, sql: str) -> None:
    with closing(sqlite3.connect(asked.address.place)) as base:
        base.execute(sql)
        base.commit()


def score(task: ScoreTask, asked: Asked, out: Path, *, workers: int = 1, kill_after: int | None = None) -> Scored:
    def tell(done: int, total: int | None) -> None:
        assert total is None
        if kill_after is not None and done >= kill_after:
            raise Killed

    return score_query(task, asked, out, workers=Threads(workers), tell=tell)


def test_a_query_is_scored_in_the_order_of_its_key_as_a_file_of_its_rows_is(
    task: ScoreTask, asked: Asked, tmp_path: Path
) -> None:
    assert score(task, asked, tmp_path / "one.parquet") == Scored(ROWS, 11, 0, 0)
    score(task, asked, tmp_path / "two.parquet", workers=2)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    with closing(sqlite3.connect(tmp_path / "rows.db")) as base:
        rows = pl.DataFrame(base.execute(f"{ASKED} ORDER BY point").fetchall(), schema=["point", "x", "y"], orient="row")
    rows.write_parquet(tmp_path / "rows.parquet")
    quiet = {"tell": lambda *_: None, "report": print}
    score_files(task, tmp_path / "rows.parquet", tmp_path / "file.parquet", workers=Threads(1), **quiet)  # type: ignore[arg-type]
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "file.parquet").read_bytes()
    rows.sample(fraction=1.0, shuffle=True, seed=1).write_csv(tmp_path / "mixed.csv")
    with duckdb.connect(str(tmp_path / "rows.duckdb")) as other:
        other.execute(f"CREATE TABLE points AS SELECT * FROM read_csv('{tmp_path / 'mixed.csv'}')")
    address = parse_address("duckdb:rows.duckdb", root=tmp_path)
    score(task, asked._replace(address=address), tmp_path / "duck.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "duck.parquet").read_bytes()
    for name in ("mixed.csv", "rows.duckdb", "duck.parquet"):
        (tmp_path / name).unlink()
    assert {path.name for path in tmp_path.iterdir()} == {f"{n}.parquet" for n in ("one", "two", "file", "rows")} | {"rows.db"}


def test_after_a_kill_only_what_comes_otherwise_is_scored_again_and_the_output_is_of_the_last_reading(
    task: ScoreTask, asked: Asked, tmp_path: Path
) -> None:
    out, whole = tmp_path / "out.parquet", tmp_path / "whole.parquet"
    with pytest.raises(Killed):
        score(task, asked, out, kill_after=700)
    assert not out.exists()
    change(asked, "UPDATE points SET x = 9.0 WHERE point = 'p00250'")
    change(asked, "DELETE FROM points WHERE point = 'p00640'")
    assert score(task, asked, out) == Scored(ROWS - 1, 11, 500, 0), "two of the first six batches have other rows"
    score(task, asked, whole)
    assert out.read_bytes() == whole.read_bytes()
    assert not list(tmp_path.glob(".*")), "nothing stays"


def test_another_query_is_another_scoring(task: ScoreTask, asked: Asked, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        score(task, asked, tmp_path / "out.csv", kill_after=100)
    other = asked._replace(query=replace(asked.query, text=f"{ASKED} WHERE x > 0"))
    with pytest.raises(ShipwayError, match="was begun there") as raised:
        score(task, other, tmp_path / "out.csv")
    assert raised.value.code == "operate.output-refused"


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("SELECT point, x FROM points", "models.input-mismatch", "column y: expected FP64, given no such column"),
        (f"{ASKED} WHERE x > 99", "data.empty", "gives no rows"),
        ("SELECT 'p' AS point, x, y FROM points", "data.rows-unfit", "more than once"),
        ("DELETE FROM points", "data.query-refused", "SQLite refuses"),
    ],
)
def test_what_cannot_be_scored_is_said_and_leaves_nothing(
    task: ScoreTask, asked: Asked, tmp_path: Path, text: str, code: str, says: str
) -> None:
    query = replace(asked.query, text=text)
    with pytest.raises(ShipwayError, match=says) as raised:
        score(task, asked._replace(query=query), tmp_path / "out.parquet")
    assert raised.value.code == code
    assert [path.name for path in tmp_path.iterdir()] == ["rows.db"]
