"""`shipway score`: a release's answers to files, the same whoever works, whatever was killed, and bad rows alone."""

from __future__ import annotations

import io
import os
import signal
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from cli_project import Project

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))

from store_help import s3_client, s3_environ

pytest_plugins = ["cli_fixtures"]


def rows(count: int, *, seed: int = 3) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    names = [f"p{row:05}" for row in range(count)]
    return pl.DataFrame({"point": names, "x": random.normal(size=count), "y": random.normal(size=count), "other": range(count)})


def release_of(project: Project) -> str:
    return str(project.ask("release", "list")["releases"][0]["release"])


def test_rows_are_scored_with_what_is_kept_and_the_release_that_answered(project: Project) -> None:
    given = rows(1000)
    given.write_parquet(project.root / "new.parquet")
    release = release_of(project)
    done = project.ask("score", release[7:15], "new.parquet", "scored.parquet", "--keep", "point", "--batch", "300")
    assert (done["kind"], done["rows"], done["failed"], done["again"], done["release"]) == ("scored", 1000, 0, 0, release)
    out = pl.read_parquet(project.root / "scored.parquet")
    assert out.columns == ["row", "point", "probability", "release"]
    assert out["row"].to_list() == list(range(1000))
    assert out["point"].equals(given["point"])
    assert set(out["release"]) == {release}
    assert pl.read_parquet_metadata(project.root / "scored.parquet")["shipway.release"] == release
    above = out["probability"].to_numpy() > 0.5
    assert np.mean(above == (given["y"] > given["x"]).to_numpy()) > 0.9, "the model knows the line"
    again = project.cli("score", release, "new.parquet", "scored.parquet")
    assert (again.code, "operate.output-refused" in again.err, "--again" in again.err) == (1, True, True)
    meant = project.cli("score", "line@prdo", "new.parquet", "two.parquet")
    assert (meant.code, "did you mean line@prod?" in meant.err) == (1, True), meant.err
    two = project.ask("score", release, "new.parquet", "two.parquet", "--keep", "point", "--batch", "300", "--workers", "2")
    assert two["rows"] == 1000
    assert (project.root / "two.parquet").read_bytes() == (project.root / "scored.parquet").read_bytes()


def test_a_scoring_that_was_killed_goes_on_where_it_was(project: Project) -> None:
    rows(6000).write_parquet(project.root / "many.parquet")
    release, words = release_of(project), ["many.parquet", "out.parquet", "--batch", "20", "--workers", "1"]
    child = project.start("score", release, *words)
    work = project.root / ".out.parquet.scoring"
    until = time.monotonic() + 120
    while len(list(work.glob("batch-*.parquet"))) < 5:
        assert time.monotonic() < until
        assert child.poll() is None, "it was to be killed in the middle"
        time.sleep(0.005)
    child.send_signal(signal.SIGSTOP)
    held = project.cli("score", release, *words)
    assert (held.code, "another scoring is under way" in held.err) == (1, True)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert not (project.root / "out.parquet").exists()
    other = project.cli("score", release, "many.parquet", "out.parquet", "--batch", "30")
    assert (other.code, "was begun there" in other.err) == (1, True)
    last = max(work.glob("batch-*.parquet"))
    last.write_bytes(b"")  # as a power cut may leave it
    done = project.ask("score", release, *words)
    assert done["rows"] == 6000
    assert 60 <= done["again"] < 6000
    assert not work.exists()
    project.ask("score", release, "many.parquet", "whole.parquet", "--batch", "20")
    assert (project.root / "whole.parquet").read_bytes() == (project.root / "out.parquet").read_bytes()


def test_rows_in_a_bucket_are_scored_into_a_bucket(project: Project) -> None:
    environ = s3_environ()
    client, bucket = s3_client(environ), f"score-{os.getpid()}"
    client.create_bucket(Bucket=bucket)
    given, release = rows(500), release_of(project)
    for number in range(2):
        out = io.BytesIO()
        (given[:300] if number == 0 else given[300:]).write_parquet(out)
        client.put_object(Bucket=bucket, Key=f"new/{number}.parquet", Body=out.getvalue())
    words = ("score", release, f"s3://{bucket}/new", f"s3://{bucket}/out/scored.parquet", "--keep", "point")
    done = project.cli(*words, "--json", environ=environ)
    assert (done.code, done.document["rows"]) == (0, 500), done.err
    scored = pl.read_parquet(io.BytesIO(client.get_object(Bucket=bucket, Key="out/scored.parquet")["Body"].read()))
    assert scored["point"].equals(given["point"])
    assert not list((project.root / ".shipway" / "cache" / "score").iterdir()), "nothing stays here"
    again = project.cli(*words, environ=environ)
    assert (again.code, "is there already" in again.err, "--again" in again.err) == (1, True, True)
    gone = project.cli("score", release, f"s3://{bucket}/nothing", "out.csv", environ=environ)
    assert (gone.code, "data.empty" in gone.err) == (1, True), gone.err


@pytest.mark.slow
def test_a_scoring_into_a_bucket_that_is_killed_at_any_moment_is_continued_to_equal_output(project: Project) -> None:
    """From when it starts until after the upload began; what came from the bucket, and what was scored, is not done again."""
    environ = s3_environ()
    client, bucket = s3_client(environ), f"killed-{os.getpid()}"
    client.create_bucket(Bucket=bucket)
    out, release = io.BytesIO(), release_of(project)
    rows(4000).write_parquet(out)
    client.put_object(Bucket=bucket, Key="new/0.parquet", Body=out.getvalue())

    def words(name: str) -> list[str]:
        return ["score", release, f"s3://{bucket}/new", f"s3://{bucket}/out/{name}.parquet", "--batch", "20"]

    def body(name: str) -> bytes:
        return bytes(client.get_object(Bucket=bucket, Key=f"out/{name}.parquet")["Body"].read())

    began = time.monotonic()
    assert project.cli(*words("whole"), environ=environ).code == 0
    took, again = time.monotonic() - began, []
    for number in range(12):
        name = f"n{number}"
        child = project.start(*words(name), environ=environ)
        time.sleep(took * (0.2 + 0.07 * number))
        child.send_signal(signal.SIGKILL)
        child.communicate()
        done = project.cli(*words(name), "--json", environ=environ)
        if child.returncode == 0 or "is there already" in done.err + str(done.document):
            assert body(name) == body("whole"), "it had ended, or its upload had"
            continue
        assert done.code == 0, done.err
        again.append(done.document["again"])
        assert body(name) == body("whole")
    assert max(again) > 0, again


def test_a_data_set_is_scored_at_its_snapshot_and_so_are_the_rows_of_a_query(project: Project) -> None:
    release, given = release_of(project), rows(300)
    project.ask("score", release, "data/points", "one.csv")
    project.ask("score", release, "points", "two.csv")
    assert (project.root / "one.csv").read_bytes() == (project.root / "two.csv").read_bytes()
    with closing(sqlite3.connect(project.root / "rows.db")) as database:
        database.execute("CREATE TABLE p (point TEXT, x REAL, y REAL)")
        database.executemany("INSERT INTO p VALUES (?, ?, ?)", given.select("point", "x", "y").rows())
        database.commit()
    (project.root / "q.sql").write_text("SELECT point, x, y FROM p")
    project.edit("data:\n", "data:\n  asked: {sql: q.sql, from: 'sqlite:rows.db', key: point}\n")
    project.ask("score", release, "sql:asked", "now.parquet")
    project.ask("data", "snapshot", "asked")
    project.ask("score", release, "data/asked", "asked.parquet", "--keep", "point")
    assert pl.read_parquet(project.root / "now.parquet").equals(pl.read_parquet(project.root / "asked.parquet").sort("point"))
    for wrong, code in (("sql:points", "cli.misused"), ("sql:akse", "cli.data-unknown")):
        refused = project.cli("score", release, wrong, "no.csv", "--json")
        assert refused.document["error"]["code"] == code
    scored = pl.read_parquet(project.root / "asked.parquet").sort("point")
    given.write_parquet(project.root / "given.parquet")
    project.ask("score", release, "given.parquet", "plain.parquet")
    np.testing.assert_array_equal(scored["probability"], pl.read_parquet(project.root / "plain.parquet")["probability"])
