"""`shipway score`: a release's answers to files, the same whoever works, whatever was killed, and bad rows alone."""

from __future__ import annotations

import signal
import time

import numpy as np
import polars as pl
from cli_project import Project

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
